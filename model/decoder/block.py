"""One decoder layer: attention and MLP, each with its norms and residual."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array, lax

from model.attention import api
from model.cache.layer import LayerCache
from model.config import LayerSpec, RopeSpec
from model.nn.linear import Numerics, linear, outputs
from model.nn.mlp import gated_mlp
from model.nn.norm import rms_norm
from model.nn.rope import rotate
from model.weights.params import LayerParams


@dataclass(frozen=True, slots=True)
class Chunk:
    """What every layer of one pass shares.

    Attributes:
        at: int [T], positions, then `EMPTY` for padding.
        angles: for each rotary embedding and head size, cosine and sine f32 [T, H/2].
        numerics: product types.
        implementation: of the attention.
    """

    at: Array
    angles: dict[tuple[RopeSpec, int], tuple[Array, Array]]
    numerics: Numerics
    implementation: api.Implementation


def layer(
    x: Array,
    params: LayerParams,
    cache: LayerCache,
    index: Array,
    spec: LayerSpec,
    eps: float,
    chunk: Chunk,
    only: Array | None = None,
) -> tuple[Array, LayerCache]:
    """Run one layer over a chunk.

    Args:
        x: f32 [T, D].
        params: of this layer alone.
        cache: of its place in the pattern, with the chunk's positions already claimed.
        index: its place in the cache's stack.
        spec: what it computes.
        eps: of the norms.
        chunk: positions and the like.
        only: int [], the one row that is wanted; None for all.  Of a model's last layer the others matter
            only as keys and values.

    Returns:
        f32 [T, D], or [1, D] with `only`, and the cache with the chunk's keys and values.
    """
    normed = rms_norm(x, params.attn_norm, eps)
    mixed, cache = _attention(normed, params, cache, index, spec, eps, chunk, only)
    if only is not None:
        x = lax.dynamic_slice_in_dim(x, only, 1)
    x = x + (rms_norm(mixed, params.post_attn_norm, eps) if spec.post_norms else mixed)
    hidden = rms_norm(x, params.ffn_norm, eps)
    hidden = gated_mlp(hidden, params.gate_up, params.down, spec.activation, chunk.numerics)
    return x + (rms_norm(hidden, params.post_ffn_norm, eps) if spec.post_norms else hidden), cache


def _attention(
    x: Array,
    params: LayerParams,
    cache: LayerCache,
    index: Array,
    spec: LayerSpec,
    eps: float,
    chunk: Chunk,
    only: Array | None,
) -> tuple[Array, LayerCache]:
    width = spec.heads * spec.head_dim
    asking = chunk.at
    if only is None:
        qkv = _heads(x, params, spec, chunk.numerics, 0, width + 2 * spec.kv_heads * spec.head_dim)
        queries, keys, values = jnp.split(qkv, [spec.heads, spec.heads + spec.kv_heads], axis=1)
    else:
        row = lax.dynamic_slice_in_dim(x, only, 1)
        asking = lax.dynamic_slice_in_dim(asking, only, 1)
        queries = _heads(row, params, spec, chunk.numerics, 0, width)
        kv = _heads(x, params, spec, chunk.numerics, width, width + 2 * spec.kv_heads * spec.head_dim)
        keys, values = jnp.split(kv, 2, axis=1)
    if spec.qk_norm:
        queries, keys = rms_norm(queries, params.q_norm, eps), rms_norm(keys, params.k_norm, eps)
    cos, sin = angles = chunk.angles[spec.rope, spec.head_dim]
    keys = rotate(keys, angles)
    if only is not None:
        angles = (lax.dynamic_slice_in_dim(cos, only, 1), lax.dynamic_slice_in_dim(sin, only, 1))
    mixed, cache = api.attend(
        rotate(queries, angles),
        keys,
        values,
        cache,
        index,
        chunk.at,
        asking=asking,
        scale=spec.query_scale,
        window=spec.window,
        implementation=chunk.implementation,
    )
    return linear(mixed.reshape(mixed.shape[0], -1), params.attn_out, chunk.numerics), cache


def _heads(
    x: Array, params: LayerParams, spec: LayerSpec, numerics: Numerics, start: int, stop: int
) -> Array:
    """Outputs start … stop of the fused projection, as heads f32 [T, ·, H]."""
    projected = linear(x, outputs(params.qkv, start, stop), numerics)
    if spec.qkv_bias:
        projected = projected + params.qkv_bias[None, start:stop]
    return projected.reshape(x.shape[0], -1, spec.head_dim)
