"""Ranges behind a file's name: pages, lines and times as a person writes them, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from gemcli.errors import UsageError
from gemcli.ingest.times import clock, seconds
from gemcli.plural import counted, plural

Unit = Literal["page", "line"]

_UNITS: dict[str, Unit] = {
    **dict.fromkeys(("page", "pages", "slide", "slides"), "page"),
    **dict.fromkeys(("line", "lines"), "line"),
}
_FRAGMENT = re.compile(r"(?P<base>.+)#(?P<key>[A-Za-z]+)=(?P<value>[^#]*)", re.DOTALL)
_SPAN = re.compile(r"\s*(?P<first>[0-9]{1,9})?\s*(?P<dash>-)?\s*(?P<last>[0-9]{1,9})?\s*")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which pages or lines are wanted.

    Attributes:
        unit: what is counted.
        spans: first and last, from 1, inclusive, in rising order without overlap; last None = to the end.
        text: the range as it was written.
        exact: False for a range that was set for all files at once (``--pages``): a file shorter than
            the range is then read to its end, where a range after a file's own name is an error.
    """

    unit: Unit
    spans: tuple[tuple[int, int | None], ...]
    text: str
    exact: bool = True

    def within(self, count: int, name: str) -> list[tuple[int, int]]:
        """The spans inside a document of `count` units, both ends set.

        Raises:
            UsageError: the range asks for what `name` does not have.
        """
        inside = [(first, min(count if last is None else last, count)) for first, last in self.spans]
        inside = [(first, last) for first, last in inside if first <= last]
        if not inside or (self.exact and self._reaches_past(count)):
            raise UsageError(
                f"{name} has {counted(count, self.unit)}: {self.unit} range {self.text} is not in it",
                f"ask for {self.unit}s between 1 and {count}" if count else None,
            )
        return inside

    def clipped(self, count: int) -> bool:
        """Whether a document of `count` units is shorter than the range asks for."""
        return self._reaches_past(count)

    def _reaches_past(self, count: int) -> bool:
        return any(max(first, last or first) > count for first, last in self.spans)


@dataclass(frozen=True, slots=True)
class Clip:
    """Which stretch of a recording or a video is wanted.

    Attributes:
        start, end: seconds; None for its own ends.
    """

    start: float | None
    end: float | None


Range = Selection | Clip


def parse(text: str, unit: Unit, *, exact: bool = True) -> Selection:
    """Read ``3-9,12``, ``5-`` (to the end) or ``-3`` (from the start).

    The order and repetitions of the list carry no meaning: a document is read front to back.

    Raises:
        UsageError: `text` is not such a list.
    """
    spans: list[tuple[int, int | None]] = []
    for piece in text.split(","):
        match = _SPAN.fullmatch(piece)
        if match is None or not (match["first"] or match["last"]):
            raise _bad(text, unit, f"{piece.strip()!r} is not a range")
        first = int(match["first"] or 1)
        last = int(match["last"]) if match["last"] else (None if match["dash"] else first)
        if first == 0 or last == 0:
            raise _bad(text, unit, f"{unit}s are counted from 1")
        if last is not None and last < first:
            raise _bad(text, unit, f"{piece.strip()} runs backwards")
        spans.append((first, last))
    return Selection(unit, _merge(spans), text, exact)


def parse_clip(text: str) -> Clip:
    """Read ``10:00,12:30``, ``90-120``, ``10:00`` (to the end) or ``,30`` (from the start).

    Raises:
        UsageError: `text` is not such a stretch, or ends before it begins.
    """
    first, _, last = text.partition("," if "," in text else "-")
    try:
        start = seconds(first) if first.strip() else None
        end = seconds(last) if last.strip() else None
    except ValueError as error:
        raise UsageError(f"time range {text!r}: {error}", _TIMES) from None
    if start is None and end is None:
        raise UsageError(f"time range {text!r} is empty", _TIMES)
    check_clip(start, end)
    return Clip(start, end)


def check_clip(start: float | None, end: float | None) -> None:
    """Refuse a stretch that ends before it begins.

    Raises:
        UsageError: it does.
    """
    if start is not None and end is not None and end <= start:
        raise UsageError(f"a stretch from {clock(start)} to {clock(end)} ends before it begins", _TIMES)


_TIMES = "write it as in talk.mp4#t=10:00,12:30, or --start 10:00 --end 12:30"


def split_fragment(argument: str) -> tuple[str, Range | None]:
    """Take ``deal.pdf#page=3-9,12`` apart; the caller has checked that no file has that whole name.

    Raises:
        UsageError: the fragment is a range of an unknown kind, or malformed.
    """
    match = _FRAGMENT.fullmatch(argument)
    if match is None:
        return argument, None
    key = match["key"].lower()
    if key in ("t", "time"):
        return match["base"], parse_clip(match["value"])
    unit = _UNITS.get(key)
    if unit is None:
        from gemcli.ingest.source import shown_url  # which needs this module

        raise UsageError(
            f"{shown_url(argument)}: #{match['key']}= is not a range this version knows",
            "ranges are FILE.pdf#page=3-9,12, FILE.txt#line=10-50 and FILE.mp4#t=10:00,12:30",
        )
    return match["base"], parse(match["value"], unit)


def compact(numbers: Iterable[int]) -> str:
    """Rising numbers as a person writes them: ``1, 2, 3, 7`` → ``1-3, 7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def numbered(noun: str, numbers: Sequence[int]) -> str:
    """Rising numbers behind what they number: ``page 7``, ``pages 1-3, 7``."""
    return f"{plural(len(numbers), noun)} {compact(numbers)}"


def _merge(spans: list[tuple[int, int | None]]) -> tuple[tuple[int, int | None], ...]:
    merged: list[tuple[int, int | None]] = []
    for first, last in sorted(spans, key=lambda span: span[0]):
        if merged and (merged[-1][1] is None or first <= merged[-1][1] + 1):
            before = merged[-1]
            end = None if last is None or before[1] is None else max(before[1], last)
            merged[-1] = (before[0], end)
        else:
            merged.append((first, last))
    return tuple(merged)


def _bad(text: str, unit: Unit, why: str) -> UsageError:
    return UsageError(f"{unit} range {text!r}: {why}", f"write it as in --{unit}s 3-9,12 or {unit}=5-")
