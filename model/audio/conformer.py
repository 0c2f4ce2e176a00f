"""The conformer that turns a mel spectrogram into soft tokens: a pure function of parameters and frames.

Source: modeling_gemma4.py of transformers (`Gemma4AudioModel`, `Gemma4MultimodalEmbedder`), the architecture
arXiv 2303.01037; relative positions arXiv 1901.02860.  The reference also clips activations to ±1e10, which
no f32 model reaches, and which is left out.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from model.audio.params import AudioParams, Clipped, ConformerLayer, FeedForward, Halving
from model.audio.spec import ConformerSpec
from model.nn.linear import Numerics, linear
from model.nn.norm import rms_norm

_EPS = 1e-6  # of the norms within a layer; the reference does not take it from its configuration
_UNSEEN = -1e9
_LONGEST_PERIOD = 10_000.0
_EXACT = jax.lax.Precision.HIGHEST


def encode(
    params: AudioParams, spec: ConformerSpec, mels: Array, frames: Array | int, numerics: Numerics
) -> Array:
    """Soft tokens of one stretch of sound.

    Args:
        params: of the encoder.
        spec: of the encoder.
        mels: f32 [padded, M], the spectrogram and any padding behind it.
        frames: how many of its rows are real; what lies behind them has no influence.
        numerics: of the linear layers; everything else is f32.

    Returns:
        f32 [⌈⌈padded/2⌉/2⌉, D of the decoder]; the first ⌈⌈frames/2⌉/2⌉ rows are the soft tokens.
    """
    conformer = params.conformer
    assert conformer is not None, "there is an encoder"
    x, real = mels[None, :, :, None], jnp.asarray(frames)
    for halving in conformer.halvings:
        x, real = _halve(x, real, halving, spec.eps), (real + 1) // 2
    x = linear(x.reshape(x.shape[1], -1), conformer.into, numerics)
    distances = jnp.asarray(_embedded_distances(spec.chunk, spec.width))

    def layer(x: Array, weights: ConformerLayer) -> tuple[Array, None]:
        return _layer(x, weights, distances, spec, numerics), None

    x, _ = jax.lax.scan(layer, x, conformer.layers)
    x = linear(x, conformer.out, numerics) + conformer.out_bias
    return linear(rms_norm(x, None, spec.eps), params.project, numerics)


def _halve(x: Array, real: Array, halving: Halving, eps: float) -> Array:
    """Of [1, time, frequency, channels] half as many times and frequencies; only `real` times count."""
    x = jnp.where((jnp.arange(x.shape[1]) < real)[None, :, None, None], x, 0.0)
    x = jax.lax.conv_general_dilated(
        x,
        halving.kernel,
        window_strides=(2, 2),
        padding=((1, 1), (1, 1)),
        dimension_numbers=("NHWC", "OIHW", "NHWC"),
        precision=_EXACT,
        preferred_element_type=jnp.float32,
    )
    x = x - x.mean(-1, keepdims=True)
    return jax.nn.relu(x * jax.lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + eps) * halving.norm)


def _layer(
    x: Array, weights: ConformerLayer, distances: Array, spec: ConformerSpec, numerics: Numerics
) -> Array:
    x = x + spec.half * _feed_forward(x, weights.first, numerics)
    attended = _attend(rms_norm(x, weights.attn_norm, _EPS), weights, distances, spec, numerics)
    x = x + rms_norm(attended, weights.post_attn_norm, _EPS)
    x = x + _convolve(x, weights, spec.eps, numerics)
    x = x + spec.half * _feed_forward(x, weights.last, numerics)
    return rms_norm(x, weights.out_norm, _EPS)


def _feed_forward(x: Array, weights: FeedForward, numerics: Numerics) -> Array:
    hidden = _clipped(rms_norm(x, weights.norm, _EPS), weights.up, numerics)
    return rms_norm(_clipped(jax.nn.silu(hidden), weights.down, numerics), weights.post_norm, _EPS)


def _convolve(x: Array, weights: ConformerLayer, eps: float, numerics: Numerics) -> Array:
    """The convolution module: gated, causal, each channel by itself."""
    values, gates = jnp.split(
        _clipped(rms_norm(x, weights.conv_norm, eps), weights.conv_in, numerics), 2, axis=-1
    )
    tokens, taps = x.shape[0], weights.conv.shape[-1]
    seen = jnp.pad(values * jax.nn.sigmoid(gates), ((taps - 1, 0), (0, 0)))
    mixed = sum(
        (seen[tap : tap + tokens] * weights.conv[:, tap] for tap in range(taps)), start=jnp.zeros_like(x)
    )
    hidden = jax.nn.silu(rms_norm(mixed, weights.conv_post_norm, eps))
    return _clipped(hidden, weights.conv_out, numerics)


def _attend(
    x: Array, weights: ConformerLayer, distances: Array, spec: ConformerSpec, numerics: Numerics
) -> Array:
    """Attention of blocks of queries to their own block and the one before, f32 [T, D]."""
    tokens, chunk, heads = x.shape[0], spec.chunk, spec.heads
    size = spec.width // heads
    blocks = -(-tokens // chunk)
    q, k, v = (
        jnp.pad(_clipped(x, each, numerics), ((0, blocks * chunk - tokens), (0, 0))).reshape(
            blocks, chunk, heads, size
        )
        for each in (weights.q, weights.k, weights.v)
    )
    q = q * (size**-0.5 / math.log(2)) * weights.query_scale
    k = k * (math.log(1 + math.e) / math.log(2))
    k, v = (jnp.concatenate([jnp.pad(each, ((1, 0), *[(0, 0)] * 3))[:-1], each], 1) for each in (k, v))

    relative = linear(distances, weights.relative, numerics).reshape(-1, heads, size)
    # A key at place j of the two blocks lies this far before a query at place i of the second.
    apart = chunk + np.arange(chunk)[:, None] - np.arange(2 * chunk)[None]
    near = (apart >= 0) & (apart < spec.keys)
    by_distance = jnp.einsum("uinh,rnh->unir", q, relative, precision=_EXACT)
    place = jnp.asarray(np.clip(apart, 0, chunk))[None, None]
    scores = jnp.einsum("uinh,ujnh->unij", q, k, precision=_EXACT)
    scores = scores + jnp.take_along_axis(by_distance, place, axis=-1)
    scores = spec.softcap * jnp.tanh(scores / spec.softcap)
    # The first block has silence before it, which is no key.
    exists = (jnp.arange(blocks) > 0)[:, None] | jnp.asarray(np.arange(2 * chunk) >= chunk)
    seen = jnp.asarray(near)[None, None] & exists[:, None, None]
    mixed = jnp.einsum(
        "unij,ujnh->uinh", jax.nn.softmax(jnp.where(seen, scores, _UNSEEN), -1), v, precision=_EXACT
    )
    return _clipped(mixed.reshape(blocks * chunk, -1)[:tokens], weights.attn_out, numerics)


def _embedded_distances(farthest: int, width: int) -> np.ndarray:
    """Sines and cosines f32 [farthest + 1, D] of the distances 0, 1 … `farthest`."""
    count = width // 2
    periods = np.exp(-np.arange(count) * (math.log(_LONGEST_PERIOD) / max(count - 1, 1)))
    angles = np.arange(farthest + 1)[:, None] * periods
    return np.concatenate([np.sin(angles), np.cos(angles)], -1).astype(np.float32)


def _clipped(x: Array, layer: Clipped, numerics: Numerics) -> Array:
    if layer.bounds is None:
        return linear(x, layer.weight, numerics)
    low_in, high_in, low_out, high_out = layer.bounds
    return jnp.clip(linear(jnp.clip(x, low_in, high_in), layer.weight, numerics), low_out, high_out)
