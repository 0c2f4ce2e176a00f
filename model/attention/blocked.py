"""Attention over blocks of keys with a running softmax (arXiv 2205.14135), for the CPU.

No score matrix is ever larger than one block, and only the blocks that some query may see are read: the trip
count is a run-time value, so one compiled program serves every length of context.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from model.attention.mask import visible

ReadBlock = Callable[[Array], tuple[Array, Array, Array]]

_Running = tuple[Array, Array, Array]  # greatest score [R], sum of weights [R], sum of weighted values [R, H]

# Finite, so that a block that a query cannot see leaves no NaN behind; apart, so that its weights are 0.
_MASKED = -1e30
_UNSEEN = -1e20


def attention(
    queries: Array,
    read: ReadBlock,
    blocks: tuple[Array | int, Array | int],
    at: Array,
    *,
    scale: float,
    window: int | None,
    softcap: float | None = None,
    reach: Array | None = None,
    since: Array | None = None,
    over: str | None = None,
) -> Array:
    """Grouped-query attention; same result as `model.attention.reference.attention`.

    Args:
        queries: f32 [T, N, H].
        read: block index → keys [K, b, H], values [K, b, H] and their positions int [b].
        blocks: first block and one past the last; every visible key lies between.
        at: int [T], positions of the queries.
        scale, softcap: see `model.attention.reference.attention`.
        window, reach, since: see `model.attention.mask.visible`.
        over: the axis of a mesh whose devices read other keys each; within `shard_map`.

    Returns:
        f32 [T, N, H].
    """
    return attend(
        queries,
        read,
        blocks,
        at,
        scale=scale,
        window=window,
        softcap=softcap,
        reach=reach,
        since=since,
        over=over,
    )[0]


def attend(
    queries: Array,
    read: ReadBlock,
    blocks: tuple[Array | int, Array | int],
    at: Array,
    *,
    scale: float,
    window: int | None,
    softcap: float | None = None,
    reach: Array | None = None,
    since: Array | None = None,
    over: str | None = None,
) -> tuple[Array, Array]:
    """As `attention`, and the log of the sum of e^score, f32 [T, N]: -inf for a query that sees nothing.

    With it, what was attended to in parts can be merged.
    """
    tokens, heads, size = queries.shape
    kv_heads = jax.eval_shape(read, 0)[0].shape[0]
    groups = heads // kv_heads
    rows = groups * tokens
    # [K, G·T, H]: all queries of one key/value head in one matrix product.
    grouped = (queries * scale).reshape(tokens, kv_heads, groups, size).transpose(1, 2, 0, 3)
    grouped = grouped.reshape(kv_heads, rows, size)

    def step(index: Array, carry: list[_Running]) -> list[_Running]:
        keys, values, key_at = read(index)
        mask = jnp.tile(visible(at, key_at, window, reach, since), (groups, 1))
        # One chain of products a head: XLA's batched product on a CPU is up to a third slower.
        return [
            _update(running, query, key.astype(jnp.float32), value.astype(jnp.float32), mask, softcap)
            for running, query, key, value in zip(carry, grouped, keys, values, strict=True)
        ]

    start = (jnp.full((rows,), _UNSEEN), jnp.zeros((rows,)), jnp.zeros((rows, size)))
    heads_done = lax.fori_loop(blocks[0], blocks[1], step, [start] * kv_heads)
    heads_done = heads_done if over is None else _merged(heads_done, over)
    result = jnp.stack([mixed / jnp.where(total > 0, total, 1.0)[:, None] for _, total, mixed in heads_done])
    sums = jnp.stack([jnp.where(total > 0, peak + jnp.log(total), -jnp.inf) for peak, total, _ in heads_done])
    result = result.reshape(kv_heads, groups, tokens, size).transpose(2, 0, 1, 3)
    sums = sums.reshape(kv_heads, groups, tokens).transpose(2, 0, 1)
    return result.reshape(tokens, heads, size), sums.reshape(tokens, heads)


def _merged(parts: list[_Running], over: str) -> list[_Running]:
    """Every device's part of the softmax as one: a few numbers for each query travel, no key or value."""
    peaks = lax.pmax([peak for peak, _, _ in parts], over)
    shares = [jnp.exp(peak - whole) for (peak, _, _), whole in zip(parts, peaks, strict=True)]
    sums = lax.psum(
        [
            (total * share, mixed * share[:, None])
            for (_, total, mixed), share in zip(parts, shares, strict=True)
        ],
        over,
    )
    return [(peak, *sum_) for peak, sum_ in zip(peaks, sums, strict=True)]


def _update(
    running: _Running, query: Array, key: Array, value: Array, mask: Array, softcap: float | None
) -> _Running:
    """One block of keys taken into a head's running softmax: [R, H] queries, [b, H] keys, bool [R, b]."""
    peak, total, mixed = running
    scores = _product(query, key, 1)
    scores = scores if softcap is None else softcap * jnp.tanh(scores / softcap)
    scores = jnp.where(mask, scores, _MASKED)
    new_peak = jnp.maximum(peak, scores.max(-1))
    weights = jnp.exp(scores - new_peak[:, None])
    decay = jnp.exp(peak - new_peak)
    return new_peak, total * decay + weights.sum(-1), mixed * decay[:, None] + _product(weights, value, 0)


def _product(left: Array, right: Array, axis: int) -> Array:
    contract = (((1,), (axis,)), ((), ()))
    return lax.dot_general(left, right, contract, precision=lax.Precision.HIGHEST)
