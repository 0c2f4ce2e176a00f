"""A long sound as several short ones, for a reader who takes one window at a time.

The stretches share one decoder: read in their order, the sound is decoded once and never held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gemcli.parts import Anchor, Audio, Document, Part

if TYPE_CHECKING:
    import numpy as np

RATE = 16_000


def in_stretches(documents: Sequence[Document], seconds: int) -> tuple[Document, ...]:
    """Documents whose sounds last so many seconds at most; what comes behind is a part of its own."""
    return tuple(
        replace(each, parts=tuple(made for part in each.parts for made in _cut(part, seconds)))
        for each in documents
    )


def _cut(part: Part, seconds: int) -> Iterator[Part]:
    if not isinstance(part, Audio) or part.seconds <= seconds:
        yield part
        return
    tape = _Tape(part)
    begins = part.anchor.seconds[0] if part.anchor.seconds else 0.0
    first = 0
    while first < part.seconds:
        last = min(first + seconds, part.seconds)
        yield Audio(
            round(last - first, 3),
            partial(tape.read, first * RATE, round(last * RATE)),
            Anchor(seconds=(round(begins + first, 3), round(begins + last, 3))),
            f"{part.key}:{first}-{last}",
        )
        first += seconds


class _Tape:
    """A sound that is wound forward to what is asked for, and begun anew for what lies behind."""

    def __init__(self, audio: Audio) -> None:
        self._audio = audio
        self._blocks: Iterator[np.ndarray] = iter(())
        self._at = -1  # the sample at which the next block begins; -1 before the first use
        self._held: np.ndarray | None = None

    def read(self, first: int, last: int) -> Iterator[np.ndarray]:
        """Samples `first` to `last`, which is not among them; fewer where the sound ends before."""
        if self._at < 0 or first < self._at:
            self._blocks, self._at, self._held = self._audio.samples(), 0, None
        while first < last:
            block = self._held if self._held is not None else next(self._blocks, None)
            if block is None:
                return
            begin, end = self._at, self._at + len(block)
            self._held = None
            if end > last:
                self._held, self._at = block[last - begin :], last
                yield block[max(0, first - begin) : last - begin]
                return
            self._at = end
            if end > first:
                yield block[max(0, first - begin) :]
                first = end
