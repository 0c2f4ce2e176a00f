"""JSON text laid out in lines that a reader can follow, token by token, whatever its size and depth."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Values that fit into this many characters stay on one line.
WIDTH = 100

_MAX_INDENT = 20
_MAX_GROUPED_DEPTH = 40
_TOKEN = re.compile(r"\"(?:[^\"\\]+|\\.)*+\"?|[{}\[\],:]|[^\s\"{}\[\],:]+", re.DOTALL)
_OPEN = "{["
_CLOSE = "}]"


def lay_out(text: str) -> str:
    """`text` with its white space outside of strings written anew; nothing else is changed, so that invalid
    JSON stays as invalid as it is.
    """
    writer = _Writer()
    for match in _TOKEN.finditer(text):
        writer.feed(match[0])
    return "".join(writer.end())


class _Writer:
    """Writes tokens; a container is held back until it is known whether it fits into a line."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._depth = 0
        self._held: list[str] = []
        self._held_size = 0
        self._nested = 0
        self._bare = True
        self._after_comma = self._was_value = False
        self._arrays: list[bool] = []
        self._column = 0

    def feed(self, token: str) -> None:
        if not self._held:
            if token in _OPEN and self._depth < _MAX_GROUPED_DEPTH:
                self._hold(token)
            else:
                self._put(token)
            return
        self._hold(token)
        if self._nested == 0:
            held = self._release()
            self._put("".join(_spaced(held)))
        elif self._held_size > WIDTH:
            held = self._release()
            self._put(held[0])
            for each in held[1:]:
                self.feed(each)

    def end(self) -> list[str]:
        for token in self._release():
            self._put(token)
        self._done.append("\n")
        return self._done

    def _hold(self, token: str) -> None:
        self._held.append(token)
        self._held_size += len(token) + (token in ",:")
        if token in _OPEN:
            self._nested += 1
        elif token in _CLOSE:
            self._nested -= 1

    def _release(self) -> list[str]:
        held, self._held = self._held, []
        self._held_size = self._nested = 0
        return held

    def _put(self, token: str) -> None:
        is_value = token[0] not in "{[]},:"
        if token in _CLOSE:
            self._depth = max(0, self._depth - 1)
            if self._arrays:
                self._arrays.pop()
            if not self._bare or self._after_comma:
                self._line()
        elif token not in ",:" and self._bare and self._done:
            fills = is_value and self._after_comma and self._was_value and self._arrays and self._arrays[-1]
            if fills and self._column + len(token) < WIDTH:
                self._write(" ")
            else:
                self._line()
        elif self._done and token not in ",:" and self._depth == 0:
            self._line()  # another document behind the first
        self._write(": " if token == ":" else token)
        if token in _OPEN:
            self._depth += 1
            self._arrays.append(token == "[")
        self._after_comma = token == ","
        self._bare = token in _OPEN or self._after_comma
        self._was_value = is_value or (self._after_comma and self._was_value)

    def _write(self, text: str) -> None:
        self._done.append(text)
        self._column += len(text)

    def _line(self) -> None:
        self._column = 0
        self._write("\n" + "  " * min(self._depth, _MAX_INDENT))


def _spaced(tokens: list[str]) -> Iterator[str]:
    for token in tokens:
        yield token + " " if token in ",:" else token
