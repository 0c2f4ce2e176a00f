"""A waveform of any length → its soft tokens: windows, front end and encoder together.

Stretches are padded to one of few lengths, so that few programs are compiled whatever their length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from model.audio import conformer, unified
from model.audio.mel import log_mels
from model.audio.params import AudioParams
from model.audio.spec import AudioSpec, ConformerSpec
from model.audio.windows import Window, cut
from model.nn.linear import Numerics

_SMALLEST = 48  # soft tokens; four blocks of the released encoder

_encode = jax.jit(conformer.encode, static_argnames=("spec", "numerics"))
_project = jax.jit(unified.project, static_argnames=("spec", "numerics"))


@dataclass(frozen=True, slots=True)
class Heard:
    """A window's soft tokens.

    Attributes:
        window: where in the sound they belong.
        soft: f32 [window.keep, D of the decoder].
    """

    window: Window
    soft: Array


class AudioEncoder:
    """An audio encoder with its weights in place.

    Args:
        params: from `model.audio.load.load_audio`.
        spec: of the same model.
        numerics: of the linear layers.
    """

    def __init__(self, params: AudioParams, spec: AudioSpec, numerics: Numerics) -> None:
        self.spec = spec
        self._params = params
        self._numerics = numerics

    def hear(self, waveform: NDArray[np.float32]) -> Iterator[Heard]:
        """The soft tokens of a sound, window by window; none where it is too short for a token.

        Args:
            waveform: f32 [samples] in -1 … 1, mono, at the model's sample rate.
        """
        return self.listen([waveform])

    def listen(self, blocks: Iterable[NDArray[np.float32]], skip: int = 0) -> Iterator[Heard]:
        """`hear`, of a sound that comes in blocks f32 [n] of any size and is never held whole; the first
        `skip` windows are not encoded."""
        for window, samples in islice(cut(self.spec, blocks), skip, None):
            soft = self.encode(samples)
            yield Heard(window, soft[window.skip : window.skip + window.keep])

    def encode(self, waveform: NDArray[np.float32]) -> Array:
        """The soft tokens f32 [n, D of the decoder] of a stretch of sound f32 [samples], encoded at once."""
        encoder = self.spec.encoder
        tokens = encoder.tokens(len(waveform))
        if isinstance(encoder, ConformerSpec):
            mels, whole = log_mels(waveform, encoder.mel, self.spec.sample_rate)
            frames = int(whole.sum())
            soft = _encode(
                self._params,
                encoder,
                _padded(mels[:frames], 4 * bucket(tokens)),
                frames,
                numerics=self._numerics,
            )
        else:
            pieces = _padded(unified.pieces(waveform, encoder), bucket(tokens))
            soft = _project(self._params, encoder, pieces, numerics=self._numerics)
        return soft[:tokens]


def bucket(tokens: int) -> int:
    """The number of soft tokens, at least so many, that a program is compiled for: 48, 96, 192, 384, 768 …"""
    size = _SMALLEST
    while size < tokens:
        size *= 2
    return size


def _padded(rows: np.ndarray, count: int) -> np.ndarray:
    return np.pad(rows, ((0, count - len(rows)), (0, 0)))
