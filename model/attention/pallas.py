"""Attention as one Pallas kernel, for GPUs: few queries over a long cache, and chunks of many.

The queries that share a key/value head are the rows of one tile.  Where the tiles are too few to fill a GPU
the keys are split among more programs (as in FlashDecoding), and their parts merged by the log of their sums.
Keys and values are read as the cache stores them, and widened in registers only.  No scores leave the kernel,
and only those blocks of keys are read that lie within what some query of a tile may see.

On a processor the kernel is interpreted: for tests, which hold it to `model.attention.reference`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.experimental import pallas as pl

from model import trial
from model.attention.mask import EMPTY, interval
from model.attention.pallas_kernel import kernel
from model.attention.tiles import NARROWEST, Plan, plan_of
from model.cache.spreading import spread

_WIDEST = 512  # the widest head that the tiles are laid out for


def attention(*args: Any, **options: Any) -> Array:
    """As `model.attention.reference.attention`, over one layer of a cache; arguments as of `attend`.

    Returns:
        f32 [T, N, H].
    """
    return attend(*args, **options)[0]


def attend(
    queries: Array,
    keys: Array,
    values: Array,
    layer: Array,
    at: Array,
    key_at: Array,
    *,
    scale: float,
    window: int | None,
    softcap: float | None = None,
    reach: Array | None = None,
    since: Array | None = None,
    in_place: bool = False,
    interpret: bool | None = None,
) -> tuple[Array, Array]:
    """Attention, and the log of the sum of e^score, f32 [T, N]: -inf for a query that sees nothing.

    Over f32 products are exact; else queries and weights are rounded to 16 bits where they are many, and to
    twice 16 bits where they are few.

    Args:
        queries: f32 [T, N, H].
        keys, values: [L, K, S, H] as a cache stores them: f32, f16 as its bits in uint16, or int8 [L, K, S,
            H + 4], see `model.cache.layer.encode`.
        layer: int [], which of the L.
        at: int [T], positions of the queries.
        key_at: int [S], positions of the keys.
        scale, softcap: see `model.attention.reference.attention`.
        window, reach, since: see `model.attention.mask.visible`.
        in_place: every key lies in the slot of its position: what may be seen is then known without a look
            at the positions.
        interpret: run it as a program of the array library; None: on a processor.
    """
    count, heads, size = queries.shape
    kv_heads = keys.shape[1]
    plan = plan_of(count, heads, size, kv_heads, key_at.shape[0], keys.dtype, softcap)
    first, last = (part.astype(jnp.int32) for part in interval(at, window, reach, since))
    groups = heads // kv_heads
    rows = count * groups
    spare = plan.tiles * plan.rows - rows
    if plan.scaled:
        queries = spread(queries)
    grouped = (queries * scale).reshape(count, kv_heads, groups, size).transpose(1, 0, 2, 3)
    grouped = jnp.pad(grouped.reshape(kv_heads, rows, size), ((0, 0), (0, spare), (0, 0)))
    first = jnp.pad(jnp.repeat(first, groups), (0, spare))
    last = jnp.pad(jnp.repeat(last, groups), (0, spare), constant_values=EMPTY)
    shapes = (
        jax.ShapeDtypeStruct((plan.splits, kv_heads, plan.tiles * plan.rows, size), jnp.float32),
        jax.ShapeDtypeStruct((plan.splits, kv_heads, plan.tiles * plan.rows), jnp.float32),
    )
    interpret = jax.default_backend() == "cpu" if interpret is None else interpret
    mixed, total = pl.pallas_call(
        partial(kernel, plan=plan),
        out_shape=shapes,
        grid=(plan.tiles, kv_heads, plan.splits),
        interpret=interpret,
        compiler_params=None if interpret else _compiler(plan),
        name="gemcli_attention",
    )(
        layer.astype(jnp.int32).reshape(1),
        _blocks_seen(plan, first, last, None if in_place else key_at),
        grouped,
        first,
        last,
        key_at.astype(jnp.int32),
        keys,
        values,
    )
    mixed, total = _merged(mixed, total)
    mixed = mixed[:, :rows].reshape(kv_heads, count, groups, size).transpose(1, 0, 2, 3)
    mixed = mixed.reshape(count, heads, size)
    total = total[:, :rows].reshape(kv_heads, count, groups).transpose(1, 0, 2).reshape(count, heads)
    return spread(mixed) if plan.scaled else mixed, total


def can_attend(head_dim: int, dtype: jnp.dtype) -> bool:
    """Whether the kernel takes heads of this width out of a cache of this type."""
    return head_dim <= _WIDEST and head_dim % (2 * NARROWEST if dtype == jnp.int8 else NARROWEST) == 0


def can_address(stored: Array) -> bool:
    """Whether every byte of an array is found."""
    return stored.dtype != jnp.int8 or trial.can_address(stored.size)


def _blocks_seen(plan: Plan, first: Array, last: Array, key_at: Array | None) -> Array:
    """For each tile of queries the first block of keys that any may see, and one past the last: int32 [·, 2].

    Args:
        plan: the cut.
        first, last: int32 [M], the interval of each row; nothing of a row that ends before position 0.
        key_at: int [S], positions; None: of each slot its own number.
    """
    first, last = first.reshape(plan.tiles, -1), last.reshape(plan.tiles, -1)
    there = last >= jnp.maximum(first, 0)
    lowest = jnp.where(there, jnp.maximum(first, 0), jnp.iinfo(jnp.int32).max).min(1)
    highest = jnp.where(there, last, -1).max(1)
    if key_at is None:
        begin, end = lowest, jnp.minimum(highest + 1, plan.slots)
    else:
        seen = (key_at >= 0) & (key_at >= lowest[:, None]) & (key_at <= highest[:, None])
        begin = jnp.argmax(seen, axis=1).astype(jnp.int32)
        end = plan.slots - jnp.argmax(seen[:, ::-1], axis=1).astype(jnp.int32)
        end = jnp.where(seen.any(1), end, 0)
    begin = jnp.minimum(begin, end)
    return jnp.stack([begin // plan.keys, -(-end // plan.keys)], axis=1).astype(jnp.int32)


def _merged(mixed: Array, total: Array) -> tuple[Array, Array]:
    """Parts [splits, K, M, ·] and the logs of their sums [splits, K, M] as one of each."""
    if mixed.shape[0] == 1:
        return mixed[0], total[0]
    whole = jax.nn.logsumexp(total, axis=0)
    shares = jnp.exp(total - jnp.where(jnp.isneginf(whole), 0, whole))
    return (mixed * shares[..., None]).sum(0), whole


def _compiler(plan: Plan) -> Any:
    from jax.experimental.pallas import triton

    size = plan.pieces[-1].start + plan.pieces[-1].width
    large = plan.rows * size > 64 * 128
    return triton.CompilerParams(num_warps=8 if large else 4, num_stages=2)
