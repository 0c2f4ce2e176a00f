"""Strings that remember which of their characters are trusted.

A chat template mixes its own text, which may spell control tokens, with text of files and people,
which never may.  The template's literals are trusted ropes; whatever else it handles is an ordinary
string and is not trusted.  The operations below keep the two apart; any other operation of `str` gives
an ordinary string, so trust is lost where it cannot be followed, and never gained.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self, SupportsIndex

Part = tuple[str, bool]
"""Text, and whether it is trusted."""


class Rope(str):
    """A string with parts; equal to, and usable as, its plain text."""

    parts: tuple[Part, ...]

    def __new__(cls, parts: Iterable[Part]) -> Self:
        parts = tuple(parts)
        rope = super().__new__(cls, "".join(text for text, _ in parts))
        rope.parts = parts
        return rope

    def __str__(self) -> str:
        return self

    def __add__(self, other: Any) -> Rope:
        return join((self, other)) if isinstance(other, str) else NotImplemented

    def __radd__(self, other: Any) -> Rope:
        return join((other, self)) if isinstance(other, str) else NotImplemented

    def __mul__(self, times: SupportsIndex) -> Rope:
        if len(self.parts) == 1:
            text, trust = self.parts[0]
            return Rope(((text * times, trust),))
        return Rope(self.parts * times.__index__())

    def __rmul__(self, times: SupportsIndex) -> Rope:
        return self * times

    def __mod__(self, values: Any) -> str:
        filled = fill(self, "%s", "%", values if isinstance(values, tuple) else (values,))
        return super().__mod__(values) if filled is None else filled

    def __getitem__(self, key: Any) -> str:
        if isinstance(key, slice):
            begin, end, step = key.indices(len(self))
            return self.cut(begin, end) if step == 1 else super().__getitem__(key)
        return super().__getitem__(key)

    def plain(self) -> str:
        """The text alone."""
        return "".join(text for text, _ in self.parts)

    def cut(self, begin: int, end: int) -> Rope:
        """The characters from begin to end, with their trust."""
        return Rope(_cut(self.parts, begin, end))

    def strip(self, chars: str | None = None, /) -> str:
        return self.cut(len(self) - len(super().lstrip(chars)), len(super().rstrip(chars)))

    def lstrip(self, chars: str | None = None, /) -> str:
        return self.cut(len(self) - len(super().lstrip(chars)), len(self))

    def rstrip(self, chars: str | None = None, /) -> str:
        return self.cut(0, len(super().rstrip(chars)))

    def removeprefix(self, prefix: str, /) -> str:
        return self.cut(len(self) - len(super().removeprefix(prefix)), len(self))

    def removesuffix(self, suffix: str, /) -> str:
        return self.cut(0, len(super().removesuffix(suffix)))

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return self._locate(super().split(sep, maxsplit), len(sep or ""))

    def rsplit(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return self._locate(super().rsplit(sep, maxsplit), len(sep or ""))

    def splitlines(self, keepends: bool = False) -> list[str]:
        lines = self._locate(super().splitlines(keepends=True), 0)
        return lines if keepends else [line.rstrip("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029") for line in lines]

    def partition(self, sep: str, /) -> tuple[str, str, str]:
        return self._three(super().partition(sep))

    def rpartition(self, sep: str, /) -> tuple[str, str, str]:
        return self._three(super().rpartition(sep))

    def join(self, iterable: Iterable[str], /) -> str:
        return join(iterable, self)

    def replace(self, old: str, new: str, count: SupportsIndex = -1, /) -> str:
        return join(self.split(old, count), new) if old else super().replace(old, new, count)

    def _three(self, pieces: tuple[str, str, str]) -> tuple[str, str, str]:
        first, second, third = self._locate(pieces, 0)
        return first, second, third

    def _locate(self, pieces: Iterable[str], gap: int) -> list[str]:
        """Pieces of this string, in order, `gap` characters apart (or white space, when that is 0)."""
        at, located = 0, []
        for piece in pieces:
            begin = at if gap else self.find(piece, at)
            located.append(self.cut(begin, begin + len(piece)))
            at = begin + len(piece) + gap
        return located


def trusted(text: str) -> Rope:
    """A literal of the template."""
    return Rope(((text, True),))


def parts_of(text: str) -> tuple[Part, ...]:
    """The parts of any string; an ordinary one is not trusted."""
    return text.parts if isinstance(text, Rope) else ((text, False),)


def join(texts: Iterable[str], separator: str = "") -> Rope:
    """What `separator.join(texts)` is, with the trust of each."""
    between = parts_of(separator) if separator else ()
    parts: list[Part] = []
    for index, text in enumerate(texts):
        if index:
            parts.extend(between)
        parts.extend(parts_of(text))
    return Rope(parts)


def fill(template: Rope, place: str, sign: str, values: tuple[Any, ...]) -> Rope | None:
    """A format with plain places ("%s", "{}") only, filled in; None for anything more involved."""
    pieces = template.split(place)
    if len(pieces) != len(values) + 1 or any(mark in piece for piece in pieces for mark in sign):
        return None
    texts: list[str] = [pieces[0]]
    for value, piece in zip(values, pieces[1:], strict=True):
        texts += [str(value), piece]
    return join(texts)


def merged(text: str) -> list[Part]:
    """The parts of a string without empty ones, neighbours of the same trust as one."""
    result: list[Part] = []
    run: list[str] = []
    trust = False
    for piece, piece_trust in parts_of(text):
        if not piece:
            continue
        if run and piece_trust != trust:
            result.append(("".join(run), trust))
            run = []
        run.append(piece)
        trust = piece_trust
    if run:
        result.append(("".join(run), trust))
    return result


def _cut(parts: tuple[Part, ...], begin: int, end: int) -> Iterator[Part]:
    at = 0
    for text, trust in parts:
        if at >= end:
            return
        piece = text[max(begin - at, 0) : end - at]
        if piece:
            yield piece, trust
        at += len(text)
