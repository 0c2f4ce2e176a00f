"""Page and line ranges: ``3-9,12`` as a person writes it, and the spans it means in one document."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gemcli.errors import UsageError

Unit = Literal["page", "line"]

_UNITS: dict[str, Unit] = {"page": "page", "pages": "page", "line": "line", "lines": "line"}
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
                f"{name} has {count:,} {self.unit}{'s' if count != 1 else ''}: "
                f"{self.unit} range {self.text} is not in it",
                f"ask for {self.unit}s between 1 and {count}" if count else None,
            )
        return inside

    def clipped(self, count: int) -> bool:
        """Whether a document of `count` units is shorter than the range asks for."""
        return self._reaches_past(count)

    def _reaches_past(self, count: int) -> bool:
        return any(max(first, last or first) > count for first, last in self.spans)


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


def split_fragment(argument: str) -> tuple[str, Selection | None]:
    """Take ``deal.pdf#page=3-9,12`` apart; the caller has checked that no file has that whole name.

    Raises:
        UsageError: the fragment is a range of an unknown kind, or malformed.
    """
    match = _FRAGMENT.fullmatch(argument)
    if match is None:
        return argument, None
    unit = _UNITS.get(match["key"].lower())
    if unit is None:
        raise UsageError(
            f"{argument}: #{match['key']}= is not a range this version knows",
            "ranges are FILE.pdf#page=3-9,12 and FILE.txt#line=10-50",
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
