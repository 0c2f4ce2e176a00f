"""A document as passages: runs of about a thousand characters that make sense by themselves.

The passages of a document hold every character of its texts once, in order.  They end where a reader would
pause: before a heading, at a blank line, at the end of a sentence or of a table's row; in the middle of a
word only where a text offers nothing better.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gemcli.parts import Anchor, Document, Part, Text

TARGET = 1_000
"""Characters that a passage should have."""

LEAST, MOST = 500, 1_500
"""Characters between which a passage of a long text ends."""

SMALL = 400
"""Characters below which a part joins the next one, where both stand under one heading and at one place."""

FARTHEST = 60.0
"""Seconds that joined stretches of speech span at most."""

VERSION = 1
"""Of the way documents are cut; what is kept on disk depends on it."""

_HEADING = r"[#]{1,6}[ \t]+\S|\\(?:chapter|(?:sub)*section)\b|(?:\d{1,2}\.){1,4}\d{0,2}[ \t]+[^\W\d_]"
_PLACES = re.compile(
    rf"""
    (?P<heading> \n\s*(?={_HEADING}) )
  | (?P<gap> (?<![.!?:;…)\]])\n[ \t\r]*\n\s*(?=[a-z0-9]) )  # a superscript, a formula: no new paragraph
  | (?P<blank> \n[ \t\r]*\n\s* )
  | (?P<end> [.!?…:;。！？；؟।]['"”’»)\]]*[ \t\r]*\n(?!\s*\n) | [。！？；] )
  | (?P<row> [|\t][^\n]*\n )
  | (?P<sentence> [.!?…؟।]['"”’»)\]]*[ \t]+(?=[\W_]*[^\W_a-z]) )
  | (?P<line> \n )
  | (?P<word> [ \t]+ )
    """,
    re.VERBOSE,
)
_MERIT = {
    "heading": 6.0, "blank": 5.0, "end": 4.0, "row": 4.0,
    "sentence": 3.5, "gap": 2.5, "line": 2.0, "word": 1.0,
}  # fmt: skip
_DISTANCE = 3.0
"""Merit that a place loses by being half a passage away from the target."""


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` of the text of one part."""

    part: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of a document's text.

    Attributes:
        document: the document's index.
        first: where it begins: part and character.
        last: the part in which it ends.
        end: the character of that part where it ends (exclusive).
    """

    document: int
    first: int
    start: int
    last: int
    end: int

    def spans(self, parts: Sequence[Part]) -> Iterator[Span]:
        """The runs of text it is made of; parts between that are no text are passed over."""
        for number in range(self.first, self.last + 1):
            part = parts[number]
            if isinstance(part, Text) and part.text:
                start = self.start if number == self.first else 0
                yield Span(number, start, self.end if number == self.last else len(part.text))

    def text(self, parts: Sequence[Part]) -> str:
        """What it says; parts that were joined begin a line each."""
        said = ""
        for span in self.spans(parts):
            part = parts[span.part]
            assert isinstance(part, Text)
            said += "\n" if said and not said.endswith("\n") else ""
            said += part.text[span.start : span.end]
        return said

    def heading(self, parts: Sequence[Part]) -> str:
        """The headings it stands under, or ``""``."""
        part = parts[self.first]
        return part.heading if isinstance(part, Text) else ""

    def anchor(self, parts: Sequence[Part]) -> Anchor:
        """Where it stands, as exactly as that is known: its own lines, its own seconds, its page."""
        spans = list(self.spans(parts))
        return joined_anchor([within(parts[span.part], span) for span in spans])


def passages(document: Document, index: int = 0) -> list[Passage]:
    """Cut a document's texts into passages.

    Args:
        document: whose parts are cut; pictures and sound are no part of any passage.
        index: the document's number, which the passages carry.
    """
    found: list[Passage] = []
    parts = document.parts
    number = 0
    while number < len(parts):
        part = parts[number]
        if not isinstance(part, Text) or not part.text:
            number += 1
            continue
        last = _join(parts, number)
        if last > number:
            end = parts[last]
            assert isinstance(end, Text)
            found.append(Passage(index, number, 0, last, len(end.text)))
        else:
            found += [Passage(index, number, start, number, end) for start, end in cut(part.text)]
        number = last + 1
    return found


def cut(text: str) -> Iterator[tuple[int, int]]:
    """The ranges of characters into which one text is cut; together they are the whole of it."""
    if len(text) <= MOST:
        yield 0, len(text)
        return
    # Merit of each place, where several kinds of place meet the best one counts.
    places: list[int] = []
    merits: list[float] = []
    at = 0
    while found := _PLACES.search(text, at):
        kind = found.lastgroup or "word"
        places.append(found.end())
        merits.append(_MERIT[kind])
        at = found.end()
    start = 0
    while len(text) - start > MOST:
        low, high = bisect_right(places, start + LEAST - 1), bisect_right(places, start + MOST)
        if low < high:
            aim = start + min(TARGET, (len(text) - start) / 2)
            best = max(
                range(low, high),
                key=lambda place: merits[place] - _DISTANCE * abs(places[place] - aim) / (MOST - LEAST),
            )
            end = places[best]
        else:
            end = start + TARGET
        yield start, end
        start = end
    if start < len(text):
        yield start, len(text)


def pauses(text: str) -> list[int]:
    """The places inside a text where it may be cut: after sentences and lines, or else after words."""
    found = [(match.end(), match.lastgroup) for match in _PLACES.finditer(text)]
    better = [place for place, kind in found if kind != "word" and place < len(text)]
    return better or [place for place, _ in found if place < len(text)]


def joined_anchor(anchors: Sequence[Anchor]) -> Anchor:
    """One anchor for texts that follow each other: all their lines or seconds, else the first's place."""
    first, last = anchors[0], anchors[-1]
    if first.lines and last.lines:
        return Anchor(lines=(first.lines[0], last.lines[1]))
    if first.seconds and last.seconds:
        return Anchor(seconds=(first.seconds[0], last.seconds[1]))
    return first


def within(part: Part, span: Span) -> Anchor:
    """The anchor of a run of a part's text; lines are counted, where the part's lines are its text's."""
    anchor = part.anchor
    if not isinstance(part, Text) or not anchor.lines:
        return anchor
    first, last = anchor.lines
    text = part.text
    if text.count("\n") + (not text.endswith("\n")) != last - first + 1:
        return anchor
    begin = first + text.count("\n", 0, span.start)
    inside = text[span.start : span.end].rstrip("\n")
    return Anchor(lines=(begin, max(begin, min(last, begin + inside.count("\n")))))


def _join(parts: Sequence[Part], number: int) -> int:
    """The last of the parts that make one passage with part `number`; itself where it stands alone."""
    first = parts[number]
    assert isinstance(first, Text)
    size = len(first.text)
    last = number
    while last + 1 < len(parts):
        part = parts[last + 1]
        if not isinstance(part, Text) or not _same_place(first, part):
            break
        if (size >= SMALL and len(part.text) >= SMALL) or size + len(part.text) > TARGET:
            break
        size += len(part.text)
        last += 1
    return last


def _same_place(first: Text, other: Text) -> bool:
    """Whether two texts may share a passage, whose one anchor is then true of both."""
    if (first.heading, first.via) != (other.heading, other.via):
        return False
    one, two = first.anchor, other.anchor
    if one.lines and two.lines:
        return True
    if one.seconds and two.seconds:
        return two.seconds[1] - one.seconds[0] <= FARTHEST
    return one == two
