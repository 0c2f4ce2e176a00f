"""What a sound costs in tokens, from its length alone: nothing is loaded or decoded to know it."""

from __future__ import annotations

from model.audio.framing import stamp
from model.audio.spec import AudioSpec
from model.audio.windows import windows


def soft_tokens(spec: AudioSpec, samples: int) -> int:
    """Soft tokens of a sound of this many samples, in all of its windows."""
    return spec.encoder.tokens(samples)


def samples_of(spec: AudioSpec, seconds: float) -> int:
    """Samples of a sound whose length is known in seconds; a part of one counts as one."""
    whole = int(seconds * spec.sample_rate)
    return whole + (whole < seconds * spec.sample_rate)


def prompt_tokens(spec: AudioSpec, samples: int) -> int:
    """Tokens that a sound takes in a prompt: soft ones, marks and stamps.

    A stamp is counted as one token a character, since digits are single tokens; the space before it as one.
    """
    found = windows(spec, samples)
    stamps = sum(len(stamp(window.start)) + 2 for window in found) if len(found) > 1 else 0
    return sum(window.keep + 2 for window in found) + stamps
