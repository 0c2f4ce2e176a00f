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

_LOWEST = -1e30  # finite, so that a block that a query cannot see leaves no NaN behind


def attention(
    queries: Array,
    read: ReadBlock,
    blocks: tuple[Array | int, Array | int],
    at: Array,
    *,
    scale: float,
    window: int | None,
) -> Array:
    """Grouped-query attention; same result as `model.attention.reference.attention`.

    Args:
        queries: f32 [T, N, H].
        read: block index → keys [K, b, H], values [K, b, H] and their positions int [b].
        blocks: first block and one past the last; every visible key lies between.
        at: int [T], positions of the queries.
        scale: factor on the scores.
        window: see `model.attention.mask.visible`.

    Returns:
        f32 [T, N, H].
    """
    tokens, heads, size = queries.shape
    kv_heads = jax.eval_shape(read, 0)[0].shape[0]
    groups = heads // kv_heads
    rows = groups * tokens
    # [K, G·T, H]: all queries of one key/value head in one matrix product.
    grouped = (queries * scale).reshape(tokens, kv_heads, groups, size).transpose(1, 2, 0, 3)
    grouped = grouped.reshape(kv_heads, rows, size)

    def step(index: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        peak, total, mixed = carry
        keys, values, key_at = read(index)
        mask = jnp.tile(visible(at, key_at, window), (groups, 1))
        scores = jnp.where(mask, _per_head(grouped, keys.astype(jnp.float32), transposed=True), _LOWEST)
        new_peak = jnp.maximum(peak, scores.max(-1))
        weights = jnp.where(mask, jnp.exp(scores - new_peak[..., None]), 0.0)
        decay = jnp.exp(peak - new_peak)
        update = _per_head(weights, values.astype(jnp.float32), transposed=False)
        return new_peak, total * decay + weights.sum(-1), mixed * decay[..., None] + update

    start = (
        jnp.full((kv_heads, rows), _LOWEST),
        jnp.zeros((kv_heads, rows)),
        jnp.zeros((kv_heads, rows, size)),
    )
    _, total, mixed = lax.fori_loop(blocks[0], blocks[1], step, start)
    result = mixed / jnp.where(total > 0, total, 1.0)[..., None]
    return result.reshape(kv_heads, groups, tokens, size).transpose(2, 0, 1, 3).reshape(tokens, heads, size)


def _per_head(left: Array, right: Array, *, transposed: bool) -> Array:
    """One matrix product a head: unrolled, since XLA's batched product on a CPU is up to a third slower."""
    contract = (((1,), (1 if transposed else 0,)), ((), ()))
    products = [
        lax.dot_general(a, b, contract, precision=lax.Precision.HIGHEST)
        for a, b in zip(left, right, strict=True)
    ]
    return jnp.stack(products)
