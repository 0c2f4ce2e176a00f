"""A sound of any length as windows that the encoder takes, such that every second is represented once.

The encoder looks a few seconds back and no further, and not ahead but for the last frame of a stretch, which
wants one sample more.  So windows overlap by that much, the tokens of the overlap are dropped, and what is
left is, token for token, what the encoder would make of the whole sound at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.audio.spec import AudioSpec


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a sound.

    Attributes:
        first, last: the samples to encode, `last` not among them.
        skip: soft tokens to drop at the beginning: the window before represents them.
        keep: soft tokens to keep behind those; what follows is the next window's.
        start: the second of the sound at which the kept tokens begin.
    """

    first: int
    last: int
    skip: int
    keep: int
    start: int


def windows(spec: AudioSpec, samples: int) -> tuple[Window, ...]:
    """The windows of a sound of this many samples, in order; none where it is too short for a token.

    A sound that fits into one window is one window.  A longer one is cut at whole seconds, so that a window's
    start can be told to the model.
    """
    if spec.encoder.tokens(samples) == 0:
        return ()
    found: list[Window] = []
    start = 0
    while True:
        window = _from(spec, start)
        if window.last >= samples:
            return (*found, _ended(spec, window, samples))
        found.append(window)
        start += window.keep // spec.tokens_per_second


def cut(
    spec: AudioSpec, blocks: Iterable[NDArray[np.float32]]
) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    """The windows of a sound that comes in blocks f32 [n] of any size, each with its samples.

    No more of the sound is held than a window and a block.
    """
    window, held = _from(spec, 0), np.zeros(0, np.float32)
    for block in blocks:
        held = np.concatenate([held, block.astype(np.float32, copy=False)])
        while len(held) > window.last - window.first:
            yield window, held[: window.last - window.first]
            after = _from(spec, window.start + window.keep // spec.tokens_per_second)
            held = held[after.first - window.first :]
            window = after
    samples = window.first + len(held)
    if spec.encoder.tokens(samples):
        yield _ended(spec, window, samples), held


def overlap(spec: AudioSpec) -> tuple[int, int]:
    """Seconds that a window repeats of the one before, and that it leaves to the next.

    An encoder that looks back further than half a window is cut short there.
    """
    rate = spec.tokens_per_second
    lead, tail = (-(-tokens // rate) for tokens in (spec.encoder.lead, spec.encoder.tail))
    return min(lead, spec.seconds // 2), tail


def _from(spec: AudioSpec, start: int) -> Window:
    """The window whose kept tokens begin at this second, of a sound that goes on behind it."""
    lead, tail = overlap(spec)
    begin, rate = max(0, start - lead), spec.tokens_per_second
    end = begin + spec.seconds
    return Window(
        first=begin * spec.sample_rate,
        last=end * spec.sample_rate,
        skip=(start - begin) * rate,
        keep=(end - tail - start) * rate,
        start=start,
    )


def _ended(spec: AudioSpec, window: Window, samples: int) -> Window:
    """The window, of a sound that ends within it."""
    keep = spec.encoder.tokens(samples - window.first) - window.skip
    return replace(window, last=samples, keep=keep)
