"""A waveform as a log-mel spectrogram, number for number what the reference's feature extractor makes of it.

Magnitudes (not powers) of Hann-windowed frames through HTK mel filters, ``ln(mel + floor)``; half a frame of
silence goes before the first sample.
Source: feature_extraction_gemma4.py and audio_utils.py of transformers.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from model.audio.spec import MelSpec

Floats = NDArray[np.float32]


def log_mels(waveform: Floats, spec: MelSpec, sample_rate: int) -> tuple[Floats, NDArray[np.bool_]]:
    """The spectrogram of a sound.

    Args:
        waveform: f32 [samples] in -1 … 1, mono.
        spec: of the spectrogram.
        sample_rate: Hz.

    Returns:
        f32 [frames, M], and bool [frames]: which frames hold only samples of the sound.  The others, at its
        end, are zeros.
    """
    silence = -len(waveform) % spec.multiple
    padded = np.pad(waveform.astype(np.float32, copy=False), (spec.frame // 2, silence))
    seen = spec.frame + 1  # one sample more than is used, as in the reference: it decides how many there are
    if len(padded) < seen:
        return np.zeros((0, spec.bins), np.float32), np.zeros(0, bool)
    frames = np.lib.stride_tricks.sliding_window_view(padded, seen)[:: spec.hop, : spec.frame]
    magnitudes = np.abs(np.fft.rfft(frames * hann(spec.frame), n=spec.fft, axis=-1))
    # The filters are f64, so from here on are the reference's numbers.
    levels = np.log(magnitudes @ filters(spec, sample_rate) + spec.floor).astype(np.float32)
    whole = np.arange(len(levels)) < spec.frames(len(waveform))
    return levels * whole[:, None], whole


@cache
def hann(size: int) -> Floats:
    """A periodic Hann window f32 [size]."""
    return np.hanning(size + 1)[:-1].astype(np.float32)


@cache
def filters(spec: MelSpec, sample_rate: int) -> NDArray[np.float64]:
    """Triangular filters f64 [fft/2 + 1, M], evenly spaced on the HTK mel scale and each of height 1."""
    mels = np.linspace(0.0, 2595.0 * np.log10(1.0 + spec.high / 700.0), spec.bins + 2)
    edges = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    at = np.linspace(0, sample_rate // 2, spec.fft // 2 + 1)[:, None]
    widths = np.diff(edges)
    rising = (at - edges[:-2]) / widths[:-1]
    falling = (edges[2:] - at) / widths[1:]
    return np.maximum(0.0, np.minimum(rising, falling))
