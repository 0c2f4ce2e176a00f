"""Stop strings in a stream of text: emit nothing that may still turn out to be part of one."""

from __future__ import annotations

from collections.abc import Sequence


class StopStrings:
    """Ends a text before the stop string that is complete first (of several, the longest).

    The result does not depend on how the text is cut into pushes.

    Raises:
        ValueError: a stop string is empty.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        if "" in stops:
            raise ValueError("a stop string may not be empty")
        self._stops = tuple(stops)
        self._prefixes = frozenset(stop[:length] for stop in stops for length in range(1, len(stop)))
        self._longest = max(map(len, stops), default=1) - 1
        self._held = ""
        self._hit = False

    def push(self, text: str) -> tuple[str, bool]:
        """(text that is safe to emit, whether a stop string was hit); after a hit nothing more comes."""
        if self._hit:
            return "", True
        text = self._held + text
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self._hit, self._held = True, ""
            return text[: min(found)[1]], True
        keep = next(
            (size for size in range(min(self._longest, len(text)), 0, -1) if text[-size:] in self._prefixes),
            0,
        )
        safe, self._held = text[: len(text) - keep], text[len(text) - keep :]
        return safe, False

    def flush(self) -> str:
        """What was held back, at the end of the text; nothing after a hit."""
        held, self._held = self._held, ""
        return held
