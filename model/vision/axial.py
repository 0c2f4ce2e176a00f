"""A transformer over patches of any grid: rotary positions along both axes, pooled to soft tokens.

Source: `Gemma4VisionModel` and `Gemma4MultimodalEmbedder` of transformers' modeling_gemma4.py.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax

from model.nn.linear import Numerics
from model.nn.norm import rms_norm
from model.vision.params import AxialLayer, AxialParams
from model.vision.parts import attend, dense, unweighted_norm
from model.vision.patches import EMPTY
from model.vision.spec import Axial, VisionSpec

Angles = tuple[Array, Array]


def features(
    params: AxialParams, spec: VisionSpec, encoder: Axial, pixels: Array, positions: Array, numerics: Numerics
) -> Array:
    """What the transformer makes of the patches.

    Args:
        params: the weights.
        spec: the model's sight, and in it
        encoder: the transformer.
        pixels: f32 [P, 3·patch²], of 0…1.
        positions: int32 [P, 2], column and row; `EMPTY` in padding.
        numerics: product types.

    Returns:
        f32 [P, D]; of padding, numbers without a meaning.
    """
    real = positions[:, 0] != EMPTY
    at = jnp.maximum(positions, 0)
    learned = params.positions[0, at[:, 0]] + params.positions[1, at[:, 1]]
    x = dense(2 * (pixels - 0.5), params.patch, numerics) + jnp.where(real[:, None], learned, 0)
    angles = _angles(encoder, at)

    def attention(x: Array, here: AxialLayer) -> Array:
        heads = (x.shape[0], encoder.heads, encoder.head_dim)
        queries, keys, values = (
            dense(x, each, numerics).reshape(heads) for each in (here.query, here.key, here.value)
        )
        queries = _turn(rms_norm(queries, here.query_norm, spec.norm_eps), angles)
        keys = _turn(rms_norm(keys, here.key_norm, spec.norm_eps), angles)
        # The norms of queries and keys set the scores' scale; there is no other.
        mixed = attend(queries, keys, unweighted_norm(values, spec.norm_eps), 1.0, real)
        return dense(mixed, here.attn_out, numerics)

    def layer(x: Array, here: AxialLayer) -> tuple[Array, None]:
        mixed = attention(rms_norm(x, here.attn_norm, spec.norm_eps), here)
        x = x + rms_norm(mixed, here.post_attn_norm, spec.norm_eps)
        hidden = rms_norm(x, here.ffn_norm, spec.norm_eps)
        gate = jax.nn.gelu(dense(hidden, here.gate, numerics), approximate=True)
        hidden = dense(gate * dense(hidden, here.up, numerics), here.down, numerics)
        return x + rms_norm(hidden, here.post_ffn_norm, spec.norm_eps), None

    x, _ = lax.scan(layer, x, params.layers)
    return x


def pool(params: AxialParams, spec: VisionSpec, x: Array, positions: Array) -> Array:
    """The mean of each `pool`×`pool` patches times √D, standardized where the model does that.

    Args:
        params: the weights.
        spec: the model's sight.
        x: f32 [P, D], features.
        positions: int32 [P, 2].

    Returns:
        f32 [P/pool², D], row by row; rows past the picture's own have no meaning.
    """
    real = positions[:, 0] != EMPTY
    columns = (jnp.max(positions[:, 0]) + 1) // spec.pool
    cell = jnp.maximum(positions, 0) // spec.pool
    token = cell[:, 0] + columns * cell[:, 1]
    summed = jax.ops.segment_sum(jnp.where(real[:, None], x, 0), token, x.shape[0] // spec.merged)
    # What is shifted and scaled can be ten thousands, so this stays f32 whatever the products are.
    pooled = summed * (spec.width**0.5 / spec.merged)
    return pooled if params.shift is None else (pooled - params.shift[None]) * params.scale[None]


def encode(
    params: AxialParams, spec: VisionSpec, encoder: Axial, pixels: Array, positions: Array, numerics: Numerics
) -> Array:
    """Soft tokens f32 [P/pool², D_text], not scaled; rows past the picture's own have no meaning.

    Args as `features`.
    """
    x = pool(params, spec, features(params, spec, encoder, pixels, positions, numerics), positions)
    return dense(unweighted_norm(x, spec.norm_eps), params.projection, numerics)


def _angles(encoder: Axial, at: Array) -> Angles:
    """Cosine and sine, each f32 [P, 2, H/4], of the angles along both axes.

    A grid is at most some thousand patches long, so f32 is exact enough for their product.
    """
    half = encoder.head_dim // 2
    frequencies = encoder.theta ** (-jnp.arange(0, half, 2, dtype=jnp.float32) / half)
    angles = at[:, :, None].astype(jnp.float32) * frequencies
    return jnp.cos(angles), jnp.sin(angles)


def _turn(x: Array, angles: Angles) -> Array:
    """Heads f32 [P, N, H]: the first half turned by the column, the second by the row, pairs (i, i + H/4)."""
    cos, sin = (part[:, None] for part in angles)
    first, second = jnp.split(x.reshape(*x.shape[:2], 2, -1), 2, axis=-1)
    turned = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return turned.reshape(x.shape)
