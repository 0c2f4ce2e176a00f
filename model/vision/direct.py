"""No encoder: patches as large as a soft token, normed, projected, placed and projected again.

Source: `Gemma4UnifiedVisionEmbedder` of transformers' modeling_gemma4_unified.py.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from model.nn.linear import Numerics
from model.vision.params import DirectParams
from model.vision.parts import dense, layer_norm, unweighted_norm
from model.vision.patches import EMPTY
from model.vision.spec import Direct, VisionSpec


def encode(
    params: DirectParams,
    spec: VisionSpec,
    encoder: Direct,
    pixels: Array,
    positions: Array,
    numerics: Numerics,
) -> Array:
    """Soft tokens, not scaled.

    Args:
        params: the weights.
        spec: the model's sight, and in it
        encoder: what is special here.
        pixels: f32 [n, 3·patch²], of 0…1.
        positions: int32 [n, 2], column and row; `EMPTY` in padding.
        numerics: product types.

    Returns:
        f32 [n, D_text]; of padding, numbers without a meaning.
    """
    eps = encoder.patch_norm_eps
    x = dense(layer_norm(pixels, params.pixel_norm, eps), params.patch, numerics)
    x = layer_norm(x, params.patch_norm, eps)
    at = jnp.maximum(positions, 0)
    placed = params.positions[0, at[:, 0]] + params.positions[1, at[:, 1]]
    x = x + jnp.where(positions[:, :1] != EMPTY, placed, 0)
    x = layer_norm(x, params.position_norm, eps)
    return dense(unweighted_norm(x, spec.norm_eps), params.projection, numerics)
