"""A sound of any length as windows that the encoder takes, such that every second is represented once.

The encoder looks a few seconds back and a few hundredths ahead, and no further.  So windows overlap by that
much, a window's tokens of the overlap are dropped, and what is left is, token for token, what the encoder
would make of the whole sound at once.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    total = spec.encoder.tokens(samples)
    if total == 0:
        return ()
    if samples <= spec.seconds * spec.sample_rate:
        return (Window(0, samples, 0, total, 0),)
    lead, tail = overlap(spec)
    found: list[Window] = []
    start = 0
    while True:
        begin = max(0, start - lead)
        skip = (start - begin) * spec.tokens_per_second
        first, last = begin * spec.sample_rate, (begin + spec.seconds) * spec.sample_rate
        if last >= samples:
            keep = spec.encoder.tokens(samples - first) - skip
            return (*found, Window(first, samples, skip, keep, start))
        after = begin + spec.seconds - tail
        found.append(Window(first, last, skip, (after - start) * spec.tokens_per_second, start))
        start = after


def overlap(spec: AudioSpec) -> tuple[int, int]:
    """Seconds that a window repeats of the one before, and that it leaves to the next.

    An encoder that looks back further than half a window is cut short there.
    """
    rate = spec.tokens_per_second
    lead, tail = (-(-tokens // rate) for tokens in (spec.encoder.lead, spec.encoder.tail))
    return min(lead, spec.seconds // 2), tail
