"""Hearing without an encoder: pieces of the waveform, normed and projected, are the soft tokens.

Source: feature_extraction_gemma4_unified.py and modeling_gemma4_unified.py of transformers.
"""

from __future__ import annotations

import numpy as np
from jax import Array
from numpy.typing import NDArray

from model.audio.params import AudioParams
from model.audio.spec import RawSpec
from model.nn.linear import Numerics, linear
from model.nn.norm import rms_norm


def pieces(waveform: NDArray[np.float32], spec: RawSpec) -> NDArray[np.float32]:
    """The waveform f32 [samples] cut up, f32 [⌈samples/640⌉, 640]; the last piece is filled with silence."""
    silence = -len(waveform) % spec.samples_per_token
    return np.pad(waveform.astype(np.float32, copy=False), (0, silence)).reshape(-1, spec.samples_per_token)


def project(params: AudioParams, spec: RawSpec, pieces: Array, numerics: Numerics) -> Array:
    """Soft tokens f32 [n, D of the decoder] of pieces f32 [n, 640]."""
    return linear(rms_norm(pieces, None, spec.eps), params.project, numerics)
