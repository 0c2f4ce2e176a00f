"""The definition: dense softmax attention.  Every other implementation is tested against this one."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from model.attention.mask import visible


def attention(
    queries: Array,
    keys: Array,
    values: Array,
    at: Array,
    key_at: Array,
    *,
    scale: float,
    window: int | None,
    softcap: float | None = None,
    reach: Array | None = None,
    since: Array | None = None,
) -> Array:
    """Grouped-query attention with an explicit mask.

    Query head n reads key/value head n // G.  A query that sees nothing gives zeros.

    Args:
        queries: f32 [T, N, H].
        keys, values: [K, S, H].
        at: int [T], positions of the queries.
        key_at: int [S], positions of the keys.
        scale: factor on the scores.
        window, reach, since: see `model.attention.mask.visible`.
        softcap: c in c·tanh(score/c); None leaves scores alone.

    Returns:
        f32 [T, N, H].
    """
    tokens, heads, size = queries.shape
    grouped = queries.reshape(tokens, keys.shape[0], -1, size)
    highest = jax.lax.Precision.HIGHEST
    scores = jnp.einsum("tkgh,ksh->kgts", grouped, keys.astype(jnp.float32), precision=highest) * scale
    scores = scores if softcap is None else softcap * jnp.tanh(scores / softcap)
    mask = visible(at, key_at, window, reach, since)
    weights = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), axis=-1, where=mask)
    mixed = jnp.einsum("kgts,ksh->tkgh", weights, values.astype(jnp.float32), precision=highest)
    return mixed.reshape(tokens, heads, size)
