"""One decoder layer: attention and MLP, each with its norms and residual."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from model.attention import api
from model.cache.layer import LayerCache
from model.config import LayerSpec, RopeSpec
from model.nn.mlp import gated_mlp
from model.nn.norm import rms_norm
from model.nn.qarray import Numerics, linear
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
    x: Array, params: LayerParams, cache: LayerCache, index: Array, spec: LayerSpec, eps: float, chunk: Chunk
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

    Returns:
        f32 [T, D], and the cache with the chunk's keys and values.
    """
    mixed, cache = _attention(rms_norm(x, params.attn_norm, eps), params, cache, index, spec, eps, chunk)
    x = x + (rms_norm(mixed, params.post_attn_norm, eps) if spec.post_norms else mixed)
    hidden = rms_norm(x, params.ffn_norm, eps)
    hidden = gated_mlp(hidden, params.gate_up, params.down, spec.activation, chunk.numerics)
    return x + (rms_norm(hidden, params.post_ffn_norm, eps) if spec.post_norms else hidden), cache


def _attention(
    x: Array, params: LayerParams, cache: LayerCache, index: Array, spec: LayerSpec, eps: float, chunk: Chunk
) -> tuple[Array, LayerCache]:
    tokens = x.shape[0]
    qkv = linear(x, params.qkv, chunk.numerics)
    if spec.qkv_bias:
        qkv = qkv + params.qkv_bias[None]
    qkv = qkv.reshape(tokens, -1, spec.head_dim)
    queries, keys, values = jnp.split(qkv, [spec.heads, spec.heads + spec.kv_heads], axis=1)
    if spec.qk_norm:
        queries, keys = rms_norm(queries, params.q_norm, eps), rms_norm(keys, params.k_norm, eps)
    angles = chunk.angles[spec.rope, spec.head_dim]
    queries, keys = rotate(queries, angles), rotate(keys, angles)
    mixed, cache = api.attend(
        queries,
        keys,
        values,
        cache,
        index,
        chunk.at,
        scale=spec.query_scale,
        window=spec.window,
        implementation=chunk.implementation,
    )
    return linear(mixed.reshape(tokens, -1), params.attn_out, chunk.numerics), cache
