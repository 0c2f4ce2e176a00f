"""Eyes and ears of a model: pixels and waveforms to the soft tokens that take their place in a prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from model.audio.encoder import AudioEncoder
    from model.card import ModelCard
    from model.nn.linear import Numerics
    from model.vision.encoder import Encoder

__all__ = ["Heard", "Senses", "load_senses"]


@dataclass(frozen=True, slots=True)
class Heard:
    """Soft tokens of one window of a sound.

    Attributes:
        start: the second of the sound at which it begins.
        rows: f32 [n, D].
    """

    start: float
    rows: NDArray[np.float32]


class Senses:
    """The encoders of a model; their weights are read when something is first seen or heard.

    Args:
        load: gives the eye and the ear, None where the model has none.
    """

    def __init__(self, load: Callable[[], tuple[Encoder | None, AudioEncoder | None]]) -> None:
        self._load = load

    @cached_property
    def _both(self) -> tuple[Encoder | None, AudioEncoder | None]:
        return self._load()

    @property
    def eye(self) -> Encoder | None:
        """Raises what `load_senses` says."""
        return self._both[0]

    @property
    def ear(self) -> AudioEncoder | None:
        """As `eye`."""
        return self._both[1]

    def see(
        self, image: NDArray[np.uint8], *, frame: bool = False, budget: int | None = None
    ) -> NDArray[np.float32]:
        """Soft tokens f32 [n, D] of a picture.

        Args:
            image: uint8 [H, W, 3].
            frame: it is one of a video, which costs fewer tokens where the model knows budgets.
            budget: soft tokens at most; None: as the model has it.
        """
        from model.vision.preprocess import prepare, prepare_frame

        assert self.eye is not None, "only a model that sees is shown a picture"
        ready = (prepare_frame if frame else prepare)(self.eye.spec, image, budget)
        return self.eye(ready)

    def hear(self, blocks: Iterable[NDArray[np.float32]], *, skip: int = 0) -> Iterator[Heard]:
        """Soft tokens of a sound, window by window.

        Args:
            blocks: f32 [n] each, of any size, one after the other: mono, at the model's rate.
            skip: windows at the beginning that nobody wants to know.
        """
        assert self.ear is not None, "only a model that hears is given sound"
        for each in self.ear.listen(blocks, skip):
            yield Heard(each.window.start, np.asarray(each.soft, np.float32))


def load_senses(card: ModelCard, numerics: Numerics) -> Senses:
    """The encoders of a model.

    When first used they raise:
        FormatError: their tensors do not make up what the model describes.
        OSError: the file cannot be read.
    """
    return Senses(partial(_encoders, card, numerics))


def _encoders(card: ModelCard, numerics: Numerics) -> tuple[Encoder | None, AudioEncoder | None]:
    if card.encoders is None:
        return None, None
    from model.audio.encoder import AudioEncoder
    from model.audio.load import load_audio
    from model.formats.open import open_checkpoint
    from model.vision.encoder import Encoder
    from model.vision.load import load_vision

    with open_checkpoint(card.encoders) as file:
        eye = ear = None
        # Products would round the weights to their own type anyway.
        if card.vision is not None:
            seen = load_vision(file, card.vision, matrices=numerics.gemm)
            eye = Encoder(seen, card.vision, numerics)
        if card.audio is not None:
            heard = load_audio(file, card.audio, matrices=numerics.gemm)
            ear = AudioEncoder(heard, card.audio, numerics)
    return eye, ear
