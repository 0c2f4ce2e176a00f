"""How long reading takes, told before and while it lasts."""

from __future__ import annotations

from collections.abc import Sequence

from gemcli.pack.assemble import Prompt
from gemcli.pack.speed import Speed


class Clock:
    """How long windows take: as those of this run did, else as the model was known to be before."""

    def __init__(self, speed: Speed | None) -> None:
        self._speed = speed
        self._tokens = 0
        self._seconds = 0.0

    def took(self, tokens: int, seconds: float) -> None:
        """A window of so many tokens took so long, its notes included."""
        self._tokens += tokens
        self._seconds += seconds

    def seconds(self, prompts: Sequence[Prompt], room: int) -> float | None:
        """What these windows will take with notes of at most `room` tokens; None while nothing is known."""
        tokens = sum(len(prompt.ids) for prompt in prompts)
        if self._tokens:
            return tokens * self._seconds / self._tokens
        if self._speed is None:
            return None
        written = len(prompts) * room / 2
        return tokens / self._speed.prefill_tokens_per_s + written / self._speed.decode_tokens_per_s


def about(seconds: float) -> str:
    """A time as one says it: ``40 s``, ``12 min``, ``1 h 05 min``."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
