"""What encoders are built of: products with bounds, layer norms, attention without a direction.  All f32."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax

from model.nn.linear import Numerics, linear
from model.vision.params import Affine, Dense

_BLOCK = 512  # queries at a time: all of 10,080 would need gigabytes of scores


def dense(x: Array, params: Dense, numerics: Numerics) -> Array:
    """A product f32 [P, out] of f32 [P, in], clipped before and after where the model has bounds.

    Source: `Gemma4ClippableLinear` of transformers' modeling_gemma4.py.
    """
    bounds = params.bounds
    if bounds is not None:
        x = jnp.clip(x, bounds.input_min, bounds.input_max)
    x = linear(x, params.weight, numerics)
    if params.bias is not None:
        x = x + params.bias[None]
    if bounds is not None:
        x = jnp.clip(x, bounds.output_min, bounds.output_max)
    return x


def layer_norm(x: Array, params: Affine, eps: float) -> Array:
    """Layer normalization (arXiv 1607.06450) of f32 [P, D]."""
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    scale = lax.rsqrt(jnp.mean(jnp.square(centred), axis=-1, keepdims=True) + eps)
    return centred * scale * params.weight[None] + params.bias[None]


def unweighted_norm(x: Array, eps: float) -> Array:
    """``x / rms(x)`` over the last axis, f32."""
    return x * lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + eps)


def attend(queries: Array, keys: Array, values: Array, scale: float, seen: Array | None = None) -> Array:
    """Every patch looks at every patch.

    Args:
        queries, keys, values: f32 [P, N, H].
        scale: of the scores.
        seen: bool [P], which patches can be looked at; None: all.

    Returns:
        f32 [P, N·H].
    """
    patches = queries.shape[0]
    hidden = None if seen is None else jnp.where(seen, 0.0, jnp.finfo(jnp.float32).min)[None, None]

    def block(some: Array) -> Array:
        scores = jnp.einsum("qnh,pnh->nqp", some, keys, precision=lax.Precision.HIGHEST) * scale
        likely = jax.nn.softmax(scores if hidden is None else scores + hidden, axis=-1)
        return jnp.einsum("nqp,pnh->qnh", likely, values, precision=lax.Precision.HIGHEST)

    at_once = next(size for size in range(min(_BLOCK, patches), 0, -1) if patches % size == 0)
    blocks = queries.reshape(-1, at_once, *queries.shape[1:])
    return lax.map(block, blocks).reshape(patches, -1)
