"""JSON laid out for the eye while it is still being written: a line for each member, two spaces a level."""

from __future__ import annotations

_STEP = "  "


class Indenter:
    """One JSON text, piece by piece, with line breaks and indentation in the place of its white space.

    What `push` returns depends only on the concatenation of what was pushed, never on where it was split.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = False
        self._escaped = False
        self._opened = ""  # a bracket that nothing has followed yet

    def push(self, text: str) -> str:
        """The next piece."""
        return "".join(map(self._take, text))

    def _take(self, each: str) -> str:
        if self._quoted:
            if self._escaped:
                self._escaped = False
            elif each == "\\":
                self._escaped = True
            elif each == '"':
                self._quoted = False
            return each
        if each.isspace():
            return ""
        if each in "]}":
            self._depth = max(self._depth - 1, 0)
            before = "" if self._opened else self._line()
            self._opened = ""
            return before + each
        before = self._line() if self._opened else ""
        self._opened = ""
        if each in "[{":
            self._depth += 1
            self._opened = each
        elif each == '"':
            self._quoted = True
        elif each == ",":
            return before + each + self._line()
        elif each == ":":
            return before + ": "
        return before + each

    def _line(self) -> str:
        return "\n" + _STEP * self._depth
