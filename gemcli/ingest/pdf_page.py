"""The text of one PDF page, with its paragraphs and table cells kept apart.

PDFium gives characters in reading order with a line end where the line changes, but a paragraph's end
looks like any line end and a table's cells are one space apart.  The characters' places tell them apart:
a wider step down becomes a blank line, a gap wider than the letters are high becomes two spaces.

Source: PDFium's public/fpdf_text.h.  The caller holds the lock: PDFium is not thread-safe.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

#: What PDFium writes where a word is hyphenated at the end of a line; the line goes on behind it.
_HYPHENS = "\x02\ufffe"

_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
    | {"\u00a0": " ", "\u202f": " ", "\u2007": " ", "\u00ad": None, "\u200b": None, "\ufeff": None}
    | {char: None for char in map(chr, (*range(0x20), *range(0x7F, 0xA0))) if char not in "\n\t"}
    | dict.fromkeys(map(chr, (0xFFFE, 0xFFFF, *range(0xFDD0, 0xFDF0))))
)
_JOIN = re.compile(rf"(?P<left>\w?)[{_HYPHENS}]\n?(?P<right>\w?)")
_SPACE = re.compile(r"(?<=\S) (?=\S)")
_MANY_BLANKS = re.compile(r"\n{3,}")

_CELL_GAP = 1.0  # of the height of a line: words in justified text stay below, cells are wider apart
_PARAGRAPH = 1.25  # of the smaller step beside it
_SAME_LINE = 0.5  # points


def page_text(page: PdfPage) -> str:
    """The text of a page; "" when it has none.

    Raises:
        PdfiumError: the page's content cannot be read.
    """
    import pypdfium2.raw as pdfium

    text_page = page.get_textpage()
    try:
        handle = text_page.raw
        count = pdfium.FPDFText_CountChars(handle)
        if count <= 0:
            return ""
        units = _units(handle, count)
        return clean(_laid_out(units, handle, _indices(handle, count, len(units))))
    finally:
        text_page.close()


def clean(text: str) -> str:
    """Join words that were hyphenated at a line's end, spell ligatures out, drop control characters.

    A hyphen stays where it belongs to the word however the line is broken: beside a capital or a digit.
    """
    text = _JOIN.sub(_join, text.replace("\r\n", "\n").replace("\r", "\n"))
    text = text.translate(_LIGATURES).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    lines = (line.rstrip() for line in text.split("\n"))
    return _MANY_BLANKS.sub("\n\n", "\n".join(lines)).strip("\n")


def _join(match: re.Match[str]) -> str:
    left, right = match["left"], match["right"]
    soft = left.isalpha() and right.isalpha() and right == right.lower()
    return f"{left}{right}" if soft or not (left and right) else f"{left}-{right}"


def _units(handle: Any, count: int) -> str:
    """The page's UTF-16 code units, one character each, so that places in the string are PDFium's."""
    import pypdfium2.raw as pdfium

    buffer = (ctypes.c_ushort * (2 * count + 2))()
    written = pdfium.FPDFText_GetText(handle, 0, count, buffer)
    units = buffer[: max(written - 1, 0)]
    return "".join(map(chr, units))


def _indices(handle: Any, count: int, units: int) -> Sequence[int]:
    """PDFium's index of the character at each place of the text; they differ where it left some out."""
    if units == count:
        return range(count)
    import pypdfium2.raw as pdfium

    return [pdfium.FPDFText_GetCharIndexFromTextIndex(handle, place) for place in range(units)]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a line stands: its direction in quarter turns, and how far along and down it begins and ends."""

    turn: int
    begin: tuple[float, float]
    end: tuple[float, float]


def _laid_out(text: str, handle: Any, indices: Sequence[int]) -> str:
    """The text with two spaces between cells and a blank line between paragraphs."""
    import pypdfium2.raw as pdfium

    x, y = ctypes.c_double(), ctypes.c_double()
    before, behind = pdfium.FS_RECTF(), pdfium.FS_RECTF()
    to_x, to_y = ctypes.byref(x), ctypes.byref(y)
    to_before, to_behind = ctypes.byref(before), ctypes.byref(behind)
    get_origin, get_box = pdfium.FPDFText_GetCharOrigin, pdfium.FPDFText_GetLooseCharBox

    def along_and_down(at: int, turn: int) -> tuple[float, float]:
        get_origin(handle, indices[at], to_x, to_y)
        right, up = x.value, y.value
        return ((right, -up), (-up, -right), (-right, up), (up, right))[turn]

    lines: list[str] = []
    places: list[_Place] = []
    following = 0
    for line in text.split("\r\n"):
        start, following = following, following + len(line) + 2
        bare = line.strip()
        if not bare:
            continue
        first = start + line.index(bare[0])
        angle = pdfium.FPDFText_GetCharAngle(handle, indices[first])
        turn = round(angle / (math.pi / 2)) % 4
        last = first + len(bare) - 1
        places.append(_Place(turn, along_and_down(first, turn), along_and_down(last, turn)))
        gap_and_height = _upright if turn % 2 else _level
        cells: list[str] = []
        cut = 0
        for match in _SPACE.finditer(line):
            space = match.start()
            get_box(handle, indices[start + space - 1], to_before)
            get_box(handle, indices[start + space + 1], to_behind)
            gap, height = gap_and_height(before, behind)
            if gap > _CELL_GAP * height > 0:
                cells.append(line[cut:space])
                cut = space + 1
        lines.append("  ".join([*cells, line[cut:]]))
    return "\n".join(_paragraphs(lines, places))


def _level(a: Any, b: Any) -> tuple[float, float]:
    """How far apart two boxes of a level line are, whichever way it is read, and how high it is."""
    return max(b.left - a.right, a.left - b.right), a.top - a.bottom


def _upright(a: Any, b: Any) -> tuple[float, float]:
    """The same for a line that runs up or down the page."""
    return max(b.bottom - a.top, a.bottom - b.top), a.right - a.left


def _paragraphs(lines: Sequence[str], places: Sequence[_Place]) -> list[str]:
    """Put a blank line where the step down is clearly wider than the one before or behind it.

    What stands farther along at the same height is a cell of the same line.
    """
    steps = [
        below.begin[1] - above.end[1] if below.turn == above.turn else math.inf
        for above, below in itertools.pairwise(places)
    ]
    spaced = list(lines[:1])
    previous = math.inf
    for at, (step, next_step) in enumerate(zip(steps, _next_down(steps), strict=True)):
        line = lines[at + 1]
        if abs(step) <= _SAME_LINE and places[at + 1].begin[0] > places[at].end[0]:
            spaced[-1] += f"  {line.strip()}"
            continue
        if step == math.inf or _PARAGRAPH * min(previous, next_step) < step:
            spaced.append("")
        spaced.append(line)
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
