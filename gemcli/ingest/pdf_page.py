"""The text of one PDF page: its lines in order, paragraphs kept apart, hyphenated words joined.

PDFium gives characters with a line end where the line changes, but a paragraph's end looks like any line end:
a wider step down becomes a blank line.

The caller sees to it that no two threads use PDFium at once.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gemcli.ingest.pdf_line import HYPHENS, lines
from gemcli.ingest.pdf_order import Row, in_order
from gemcli.ingest.pdf_script import joined
from gemcli.ingest.pdf_table import set_rows

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
    | {"\u00a0": " ", "\u202f": " ", "\u2007": " ", "\u00ad": None, "\u200b": None, "\ufeff": None}
    | {char: None for char in map(chr, (*range(0x20), *range(0x7F, 0xA0))) if char not in "\n\t"}
    | dict.fromkeys(map(chr, (0xFFFE, 0xFFFF, *range(0xFDD0, 0xFDF0))))
)
_JOIN = re.compile(rf"(?P<left>\w?)[{HYPHENS}]\n?(?P<right>\w?)")
_LEADERS = re.compile(r" *(?:\. ?){5,}")  # to the page number in a table of contents: a token for every dot
_MANY_BLANKS = re.compile(r"\n{3,}")

_PARAGRAPH = 1.25  # of the smaller step beside it
_SAME_LINE = 0.5  # points
_LARGER = 1.08  # than the page's usual letters: a heading
_HEADING = 120  # characters of a heading at most


@dataclass(frozen=True, slots=True)
class PageText:
    """What a page says.

    Attributes:
        text: its lines; "" when it has none.
        words: how many there are.
        boxes: left, bottom, right, top of each line, in points of the page.
        headings: lines that look like headings: text, height of the letters in points, whether bold.
        body: height of the page's usual letters in points, 0 without any, and whether they are bold.
        letters: how many are of that kind.
    """

    text: str
    words: int
    boxes: list[tuple[float, float, float, float]]
    headings: list[tuple[str, float, bool]]
    body: tuple[float, bool]
    letters: int


def page_text(page: PdfPage) -> str:
    """The text of a page; "" when it has none.

    Raises:
        PdfiumError: the page's content cannot be read.
    """
    return read_page(page).text


def read_page(page: PdfPage) -> PageText:
    """The text of a page, and what is known of its lines.

    Raises:
        PdfiumError: the page's content cannot be read.
    """
    rows = in_order(joined(lines(page)))
    text = clean("\n".join(_paragraphs(set_rows(rows), rows)))
    body, letters = _body(rows)
    boxes = [_box(row) for row in rows]
    return PageText(text, len(text.split()), boxes, _headings(rows, body), body, letters)


def clean(text: str) -> str:
    """Join words that were hyphenated at a line's end, spell ligatures out, drop control characters.

    A hyphen stays where it belongs to the word however the line is broken: beside a capital or a digit.
    """
    text = _JOIN.sub(_join, text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _LEADERS.sub(" … ", text)
    text = text.translate(_LIGATURES).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    lines = (line.rstrip() for line in text.split("\n"))
    return _MANY_BLANKS.sub("\n\n", "\n".join(lines)).strip("\n")


def _join(match: re.Match[str]) -> str:
    left, right = match["left"], match["right"]
    soft = left.isalpha() and right.isalpha() and right == right.lower()
    return f"{left}{right}" if soft or not (left and right) else f"{left}-{right}"


def _body(rows: Sequence[Row]) -> tuple[tuple[float, bool], int]:
    """Height and weight of most letters, and how many have them."""
    letters: Counter[tuple[float, bool]] = Counter()
    for row in rows:
        row.pieces[0]
        letters[_looks(row)] += sum(len(piece.text) for piece in row.pieces)
    return letters.most_common(1)[0] if letters else ((0.0, False), 0)


def _looks(row: Row) -> tuple[float, bool]:
    return round(row.pieces[0].height * 2) / 2, row.pieces[0].bold


def _headings(rows: Sequence[Row], body: tuple[float, bool]) -> list[tuple[str, float, bool]]:
    """Short lines in larger or bolder letters than most."""
    found: list[tuple[str, float, bool]] = []
    last: Row | None = None
    for row in rows:
        height, bold = _looks(row)
        larger = height > _LARGER * body[0] or (bold and not body[1] and height >= body[0])
        if not larger or row.pieces[0].fixed or not _is_one(row):
            last = None
            continue
        text = clean(" ".join(piece.text for piece in row.pieces))
        if last is not None and _looks(last) == (height, bold) and 0 < row.down - last.down < 2 * row.height:
            text = f"{found.pop()[0]} {text}"
        found.append((text, height, bold))
        last = row
    return [each for each in found if len(each[0]) <= _HEADING and any(map(str.isalpha, each[0]))]


def _is_one(row: Row) -> bool:
    """Whether a row is one run of words, perhaps behind its number, and no row of a table."""
    return len(row.pieces) == 1 or (len(row.pieces) == 2 and not any(map(str.isalpha, row.pieces[0].text)))


def _box(row: Row) -> tuple[float, float, float, float]:
    """Where a row stands on the page."""
    left, right, top, bottom = row.left, row.right, row.down - 0.8 * row.height, row.down + 0.2 * row.height
    return (
        (left, -bottom, right, -top),
        (-bottom, -right, -top, -left),
        (-right, top, -left, bottom),
        (top, left, bottom, right),
    )[row.turn]


def _paragraphs(texts: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """Put a blank line where the step down is clearly wider than the one before or behind it."""
    steps = [
        below.down - above.down if below.turn == above.turn else math.inf
        for above, below in itertools.pairwise(rows)
    ]
    spaced = list(texts[:1])
    previous = math.inf
    for text, step, next_step in zip(texts[1:], steps, _next_down(steps), strict=True):
        if step == math.inf or step < -_SAME_LINE or _PARAGRAPH * min(previous, next_step) < step:
            spaced.append("")
        spaced.append(text)
        if _is_down(step):
            previous = step
    return spaced


def _next_down(steps: Sequence[float]) -> list[float]:
    """For every step the nearest one behind it that leads down, else infinity."""
    following: list[float] = []
    nearest = math.inf
    for step in reversed(steps):
        following.append(nearest)
        if _is_down(step):
            nearest = step
    return following[::-1]


def _is_down(step: float) -> bool:
    return _SAME_LINE < step < math.inf
