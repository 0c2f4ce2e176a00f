"""The kernel of `model.attention.pallas`: one tile of queries over a part of one head's keys."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.experimental import pallas as pl

from model.attention.mask import EMPTY
from model.attention.tiles import Piece, Plan

_LARGEST = 65504.0  # of f16
# As in `model.attention.blocked`: finite, and apart.
_MASKED = -1e30
_UNSEEN = -1e20


def kernel(
    layer_ref: Any,
    blocks_ref: Any,
    queries_ref: Any,
    first_ref: Any,
    last_ref: Any,
    at_ref: Any,
    keys_ref: Any,
    values_ref: Any,
    mixed_ref: Any,
    total_ref: Any,
    *,
    plan: Plan,
) -> None:
    """One tile of queries over one split of one head's keys."""
    tile, head, split = pl.program_id(0), pl.program_id(1), pl.program_id(2)
    layer, rows = layer_ref[0], pl.ds(tile * plan.rows, plan.rows)
    begin, end = blocks_ref[tile, 0], blocks_ref[tile, 1]
    each = (end - begin + plan.splits - 1) // plan.splits
    begin = begin + split * each
    end = jnp.minimum(begin + each, end)
    first, last = first_ref[rows], last_ref[rows]
    queries = [_parts(queries_ref[head, rows, p.columns], plan, jnp.float16) for p in plan.pieces]

    def step(index: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        peak, total, *mixed = carry
        slot = index * plan.keys + jnp.arange(plan.keys)
        there = slot < plan.slots
        place = (layer, head, pl.ds(index * plan.keys, plan.keys))
        key_at = _load(at_ref.at[place[2]], there, EMPTY)
        seen = (key_at[None] >= 0) & (key_at[None] >= first[:, None]) & (key_at[None] <= last[:, None])
        scores = jnp.zeros((plan.rows, plan.keys), jnp.float32)
        scales = _scales(keys_ref, place, there, plan)
        for piece, query in zip(plan.pieces, queries, strict=True):
            key = _stored(keys_ref, place, piece, there, plan, jnp.float16)
            product = _product(query, key, 1, plan)
            scores += product if scales is None else product * scales[piece.half][None]
        if plan.softcap is not None:
            scores = plan.softcap * jnp.tanh(scores / plan.softcap)
        scores = jnp.where(seen, scores, _MASKED)
        higher = jnp.maximum(peak, scores.max(1))
        weights = jnp.exp(scores - higher[:, None])
        decay = jnp.exp(peak - higher)
        scales = _scales(values_ref, place, there, plan)
        # Weights times the scales of int8 may be smaller than f16 can tell apart.
        kind = jnp.bfloat16 if plan.scaled else jnp.float16
        for number, piece in enumerate(plan.pieces):
            value = _stored(values_ref, place, piece, there, plan, kind)
            scaled = weights if scales is None else weights * scales[piece.half][None]
            product = _product(_parts(scaled, plan, kind), value, 0, plan)
            mixed[number] = mixed[number] * decay[:, None] + product
        return (higher, total * decay + weights.sum(1), *mixed)

    start = (
        jnp.full((plan.rows,), _UNSEEN, jnp.float32),
        jnp.zeros((plan.rows,), jnp.float32),
        *(jnp.zeros((plan.rows, piece.width), jnp.float32) for piece in plan.pieces),
    )
    peak, total, *mixed = lax.fori_loop(begin, end, step, start)
    for piece, part in zip(plan.pieces, mixed, strict=True):
        mixed_ref[split, head, rows, piece.columns] = part / jnp.where(total > 0, total, 1.0)[:, None]
    total_ref[split, head, rows] = jnp.where(
        total > 0, peak + jnp.log(jnp.where(total > 0, total, 1.0)), -jnp.inf
    )


def _load(ref: Any, mask: Array | None, other: Any) -> Array:
    # The array library's one load with a mask; it is the interpreter's as well.
    from jax.experimental.pallas import triton

    return triton.load(ref, mask=mask, other=None if mask is None else other)


def _parts(x: Array, plan: Plan, kind: Any) -> list[Array]:
    """Numbers f32 as a sum of so many that a product takes."""
    if plan.exact:
        return [x]
    if kind == jnp.float16:
        x = jnp.clip(x, -_LARGEST, _LARGEST)
    found = []
    for _ in range(plan.parts):
        found.append(x.astype(kind))
        x = x - found[-1].astype(jnp.float32)
    return found


def _product(left: list[Array], right: Array, axis: int, plan: Plan) -> Array:
    precision = lax.Precision.HIGHEST if plan.exact else None
    contract = (((1,), (axis,)), ((), ()))
    products = [
        lax.dot_general(part, right, contract, precision=precision, preferred_element_type=jnp.float32)
        for part in left
    ]
    return sum(products[1:], products[0])


def _stored(ref: Any, place: tuple[Any, ...], piece: Piece, there: Array, plan: Plan, kind: Any) -> Array:
    """A piece of a block of keys or values [b, width], as a product takes it; what is not there is 0."""
    mask = None
    if plan.slots % plan.keys:
        mask = jnp.broadcast_to(there[:, None], (plan.keys, piece.width))
    block = _load(ref.at[(*place, piece.columns)], mask, 0)
    if block.dtype == jnp.uint16:
        return lax.bitcast_convert_type(block, jnp.float16)
    return block if plan.exact else block.astype(jnp.float32).astype(kind)


def _scales(ref: Any, place: tuple[Any, ...], there: Array, plan: Plan) -> list[Array] | None:
    """The scales f32 [b] of both halves of int8 rows: two bytes each of bf16, the lower one first."""
    if not plan.scaled:
        return None
    behind = plan.pieces[-1].start + plan.pieces[-1].width
    found = []
    for at in (behind, behind + 2):
        low, high = (
            _load(ref.at[(*place, np.int32(at + byte))], there, 0).astype(jnp.int32) & 255
            for byte in range(2)
        )
        found.append(lax.bitcast_convert_type(high << 24 | low << 16, jnp.float32))
    return found
