"""Documents cut into windows that a model reads one at a time: every character is in exactly one of them.

A window ends where a reader would pause: at the end of a document, before a chapter or a section, between
two parts, between paragraphs, and inside a sentence only where there is no other place.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, pairwise

from gemcli.pack.outline import Heading
from gemcli.parts import Anchor, Document, Part, Text

_GRAINS = 8  # pieces that a full window is made of, at least: how well windows are filled
_SMALLEST_GRAIN = 32  # tokens
_FULL = 0.7  # of a window, from which on a good place is taken to end it
_DOCUMENT, _CHAPTER, _SECTION, _PART, _PARAGRAPH, _LINE, _WORD = 6, 5, 4, 3, 2, 1, 0

_ENDS = tuple(
    map(
        re.compile,
        (
            r"\n[ \t]*\n\s*",
            r"\n",
            r"(?<=[.!?…;])\s+|(?<=[。！？])(?!$)",
            r"\s+",
        ),
    )
)
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n\s*\Z")
_LINE_END = re.compile(r"(?:\n|[.!?…;]\s+|[。！？])\Z")


@dataclass(frozen=True, slots=True)
class Window:
    """What is read at once.

    Attributes:
        documents: the pieces in it, as documents of their own with their anchors.
        places: of every part of `documents`, one after the other: the document and the part that it is from.
        headings: the headings that begin in it.
        tokens: about how many it has.
    """

    documents: tuple[Document, ...]
    places: tuple[tuple[int, int], ...]
    headings: tuple[Heading, ...]
    tokens: int

    def parts(self) -> Iterator[tuple[tuple[int, int], Document, Part]]:
        """Every part with its place and its document."""
        parts = ((document, part) for document in self.documents for part in document.parts)
        for place, (document, part) in zip(self.places, parts, strict=True):
            yield place, document, part

    def label(self) -> str:
        """What it covers, for a person: ``report.pdf p.9-16``."""
        first, last = self.documents[0], self.documents[-1]
        begin, end = first.parts[0].anchor, last.parts[-1].anchor
        if len(self.documents) > 1:
            return f"{named(first.source, begin)} to {named(last.source, end)}"
        return named(first.source, _span(begin, end))


def short(source: str) -> str:
    """The last component of a document's name."""
    return source.rstrip("/").rpartition("/")[2] or source


def named(source: str, place: Anchor | str) -> str:
    """A place in a document: ``report.pdf p.12``."""
    label = place.label() if isinstance(place, Anchor) else place
    return f"{short(source)} {label}".rstrip()


def cut(
    documents: Sequence[Document],
    limit: int,
    *,
    cost: Callable[[Part], int],
    headings: Sequence[Heading] = (),
) -> list[Window]:
    """Cut documents into windows of at most about `limit` tokens.

    Args:
        documents: in order.
        limit: tokens; only a picture that costs more alone, or the anchor of a tiny piece, goes beyond.
        cost: tokens of a part.
        headings: of the documents, in order: good places to cut before.
    """
    units = _units(documents, limit, cost, headings)
    if not units:
        return []
    sums = [0, *accumulate(unit.tokens for unit in units)]
    of_part: dict[tuple[int, int], list[Heading]] = {}
    for each in headings:
        of_part.setdefault((each.document, each.part), []).append(each)
    windows: list[Window] = []
    start = 0
    while start < len(units):
        end = _end(units, sums, start, limit)
        windows.append(_window(documents, units[start:end], of_part))
        start = end
    return windows


@dataclass(frozen=True, slots=True)
class _Unit:
    """A piece of a part that stays whole, and how good a place for a cut is before it."""

    document: int
    part: int
    start: int
    end: int
    tokens: int
    merit: int


def _units(
    documents: Sequence[Document], limit: int, cost: Callable[[Part], int], headings: Sequence[Heading]
) -> list[_Unit]:
    grain = max(_SMALLEST_GRAIN, limit // _GRAINS)
    levels = {(each.document, each.part, each.at): each.level for each in reversed(headings)}
    starts: dict[tuple[int, int], list[int]] = {}
    for each in headings:
        starts.setdefault((each.document, each.part), []).append(each.at)
    units: list[_Unit] = []
    for index, document in enumerate(documents):
        introduction = cost(Text(f"Document: {document.source}\n"))
        for number, part in enumerate(document.parts):
            label = part.anchor.label()
            extra = cost(Text(f"[{short(document.source)} {label}]\n")) if label else 0
            merit = _PART if number else _DOCUMENT
            extra += 0 if number else introduction
            for start, end, tokens in _pieces(part, starts.get((index, number), ()), grain, cost):
                level = levels.get((index, number, start))
                if level:
                    merit = max(merit, _CHAPTER if level == 1 else _SECTION)
                units.append(_Unit(index, number, start, end, tokens + extra, merit))
                merit, extra = (_merit(part.text[start:end]) if isinstance(part, Text) else _WORD), 0
    return units


def _merit(text: str) -> int:
    """How good a place for a cut is behind a text, inside a part."""
    if _PARAGRAPH_END.search(text):
        return _PARAGRAPH
    return _LINE if _LINE_END.search(text) else _WORD


def _pieces(
    part: Part, borders: Sequence[int], grain: int, cost: Callable[[Part], int]
) -> Iterator[tuple[int, int, int]]:
    """Pieces of a part as (start, end, tokens); a part that is no text is one piece."""
    if not isinstance(part, Text):
        yield 0, 0, cost(part)
        return
    text = part.text
    cuts = sorted({0, *(at for at in borders if 0 < at < len(text)), len(text)})
    if len(cuts) == 1:
        yield 0, 0, 0
    for start, end in pairwise(cuts):
        at = start
        for piece, tokens in _atoms(text[start:end], grain, lambda text: cost(Text(text))):
            yield at, at + len(piece), tokens
            at += len(piece)


def _atoms(
    text: str, grain: int, count: Callable[[str], int], ends: Sequence[re.Pattern[str]] = _ENDS
) -> Iterator[tuple[str, int]]:
    """A text in pieces of at most `grain` tokens, cut at the first of `ends` that makes them small enough."""
    tokens = count(text)
    if tokens <= grain or len(text) <= 1:
        yield text, tokens
        return
    if not ends:
        middle = len(text) // 2
        yield from _atoms(text[:middle], grain, count, ())
        yield from _atoms(text[middle:], grain, count, ())
        return
    held, so_far = "", 0
    for piece in _split(text, ends[0]):
        tokens = count(piece)
        if held and so_far + tokens > grain:
            yield held, so_far
            held, so_far = "", 0
        if tokens > grain:
            yield from _atoms(piece, grain, count, ends[1:])
        else:
            held, so_far = held + piece, so_far + tokens
    if held:
        yield held, so_far


def _split(text: str, end: re.Pattern[str]) -> Iterator[str]:
    """A text in pieces, each with the end that it was cut at."""
    at = 0
    for match in end.finditer(text):
        if match.end() > at:
            yield text[at : match.end()]
            at = match.end()
    if at < len(text):
        yield text[at:]


def _end(units: Sequence[_Unit], sums: Sequence[int], start: int, limit: int) -> int:
    """Where the window that begins at unit `start` ends (exclusive)."""
    hard = max(start + 1, bisect_right(sums, sums[start] + limit) - 1)
    if hard >= len(units):
        return len(units)
    enough = sums[start] + _FULL * limit
    places = [end for end in range(start + 1, hard + 1) if sums[end] >= enough] or [hard]
    return max(places, key=lambda end: (units[end].merit, end))


def _window(
    documents: Sequence[Document],
    units: Sequence[_Unit],
    headings: Mapping[tuple[int, int], Sequence[Heading]],
) -> Window:
    pieces: list[Document] = []
    places: list[tuple[int, int]] = []
    begun: list[Heading] = []
    for index, of_document in groupby(units, key=lambda unit: unit.document):
        parts: list[Part] = []
        for number, of_part in groupby(of_document, key=lambda unit: unit.part):
            run = list(of_part)
            start, end = run[0].start, run[-1].end
            parts.append(_piece(documents[index].parts[number], start, end))
            places.append((index, number))
            begun += [
                each for each in headings.get((index, number), ()) if start <= each.at < max(end, start + 1)
            ]
        pieces.append(replace(documents[index], parts=tuple(parts), warnings=()))
    return Window(tuple(pieces), tuple(places), tuple(begun), sum(unit.tokens for unit in units))


def _piece(part: Part, start: int, end: int) -> Part:
    """Characters `start` to `end` of a part; lines are counted where the anchor counts them."""
    if not isinstance(part, Text) or (start == 0 and end == len(part.text)):
        return part
    anchor, text = part.anchor, part.text[start:end]
    lines = part.text.count("\n") + (not part.text.endswith("\n"))
    if anchor.lines is not None and anchor.lines[1] - anchor.lines[0] + 1 == lines:
        first = anchor.lines[0] + part.text.count("\n", 0, start)
        anchor = Anchor(lines=(first, first + max(0, text.count("\n") - text.endswith("\n"))))
    return replace(part, text=text, anchor=anchor)


def _span(begin: Anchor, end: Anchor) -> str:
    """Two places of one document as one."""
    if begin == end:
        return begin.label()
    if begin.page is not None and end.page is not None:
        return f"p.{begin.page}-{end.page}"
    if begin.lines is not None and end.lines is not None:
        return Anchor(lines=(begin.lines[0], end.lines[1])).label()
    return f"{begin.label()}-{end.label()}" if begin.label() and end.label() else begin.label()
