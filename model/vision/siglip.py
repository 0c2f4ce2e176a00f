"""SigLIP over a square picture, its patches pooled and projected to soft tokens.

Sources: arXiv 2303.15343; `SiglipVisionModel` of transformers' modeling_siglip.py and
`Gemma3MultiModalProjector` of modeling_gemma3.py.
"""

from __future__ import annotations

from math import isqrt

import jax
from jax import Array, lax

from model.nn.linear import Numerics
from model.nn.norm import rms_norm
from model.vision.params import SiglipLayer, SiglipParams
from model.vision.parts import attend, dense, layer_norm
from model.vision.spec import Siglip, VisionSpec


def features(
    params: SiglipParams, spec: VisionSpec, encoder: Siglip, pixels: Array, numerics: Numerics
) -> Array:
    """What the transformer makes of the patches.

    Args:
        params: the weights.
        spec: the model's sight, and in it
        encoder: the transformer.
        pixels: f32 [P, 3·patch²], of a square picture, row by row.
        numerics: product types.

    Returns:
        f32 [P, D], after the last norm.
    """

    def layer(x: Array, here: SiglipLayer) -> tuple[Array, None]:
        heads = (x.shape[0], encoder.heads, spec.width // encoder.heads)
        normed = layer_norm(x, here.attn_norm, spec.norm_eps)
        queries, keys, values = (
            dense(normed, each, numerics).reshape(heads) for each in (here.query, here.key, here.value)
        )
        mixed = attend(queries, keys, values, heads[-1] ** -0.5)
        x = x + dense(mixed, here.attn_out, numerics)
        hidden = dense(layer_norm(x, here.ffn_norm, spec.norm_eps), here.up, numerics)
        return x + dense(jax.nn.gelu(hidden, approximate=True), here.down, numerics), None

    x, _ = lax.scan(layer, dense(pixels, params.patch, numerics) + params.positions, params.layers)
    return layer_norm(x, params.final_norm, spec.norm_eps)


def project(params: SiglipParams, spec: VisionSpec, x: Array, numerics: Numerics) -> Array:
    """Soft tokens f32 [n, D_text] of features f32 [P, D]: means of `pool`×`pool` patches, projected."""
    side = isqrt(x.shape[0]) // spec.pool
    pooled = x.reshape(side, spec.pool, side, spec.pool, -1).mean(axis=(1, 3)).reshape(side**2, -1)
    return dense(rms_norm(pooled, params.pooled_norm, spec.norm_eps), params.projection, numerics)


def encode(
    params: SiglipParams, spec: VisionSpec, encoder: Siglip, pixels: Array, numerics: Numerics
) -> Array:
    """Soft tokens f32 [n, D_text], not scaled, of a square picture's patches.

    Args as `features`.
    """
    return project(params, spec, features(params, spec, encoder, pixels, numerics), numerics)
