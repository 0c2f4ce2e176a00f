"""Causal depthwise convolution over a few tokens, whose past inputs are carried from chunk to chunk."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from model.attention.mask import EMPTY


def causal_conv(x: Array, at: Array, past: Array, weight: Array, bias: Array) -> tuple[Array, Array]:
    """``y[t] = bias + Σ_k weight[:, k]·x[t - C + 1 + k]``, each channel by itself (arXiv 2402.19427, §2.3).

    Before position 0 there is nothing: a text that begins with this chunk sees zeros, whatever `past` holds.

    Args:
        x: f32 [T, E].
        at: int [T], consecutive positions, then `EMPTY` for padding.
        past: f32 [C-1, E], the inputs before x, oldest first.
        weight: f32 [E, C], the token's own weight last.
        bias: f32 [E].

    Returns:
        f32 [T, E], and the last C-1 inputs f32 [C-1, E] that are no padding.
    """
    tokens, reach = x.shape[0], weight.shape[1]
    seen = jnp.concatenate([jnp.where(at[0] == 0, 0.0, past), x])
    mixed = sum(
        (seen[tap : tap + tokens] * weight[:, tap][None] for tap in range(reach)),
        start=jnp.broadcast_to(bias, x.shape),
    )
    real = jnp.sum(at != EMPTY, dtype=jnp.int32)
    return mixed, lax.dynamic_slice_in_dim(seen, real, reach - 1)
