"""The lines of a PDF page as PDFium finds them, cut into pieces at wide gaps, each with its place.

All places are turned with the text, so that whichever way a line runs, `left` to `right` is the way it is
read and `down` grows from line to line.

Source: PDFium's public/fpdf_text.h.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

#: What PDFium writes where a word is hyphenated at the end of a line; the line goes on behind it.
HYPHENS = "\x02\ufffe"

_SPACE = re.compile(r"(?<=\S) +(?=\S)")
_GAP = 1.0  # of the height of a line: words in justified text stay below, cells are wider apart
_FIXED_PITCH = 1  # PDF 1.7, table 123
_FIXED = re.compile(rb"mono|courier|consol|typewriter|cmtt|sltt", re.IGNORECASE)
_BOLD = re.compile(rb"bold|black|heavy|semib|demi|cmbx|cmb10|sfbx", re.IGNORECASE)


@dataclass(slots=True)
class Piece:
    """A run of words without a wide gap.

    Attributes:
        text: its words; at the end of a line perhaps one of `HYPHENS`.
        turn: quarter turns of the text against the page, counter-clockwise.
        left, right, down: where it begins and ends, and its base line, in points.
        height: from the lowest to the highest that its font reaches, in points.
        fixed, bold: how the line's font looks: at its beginning; bold also at its end.
    """

    text: str
    turn: int
    left: float
    right: float
    down: float
    height: float
    fixed: bool
    bold: bool


def lines(page: PdfPage) -> list[list[Piece]]:
    """The lines of a page in PDFium's order; those without anything to see are left out.

    Raises:
        PdfiumError: the page's content cannot be read.
    """
    import pypdfium2.raw as pdfium

    text_page = page.get_textpage()
    try:
        handle = text_page.raw
        count = pdfium.FPDFText_CountChars(handle)
        if count <= 0:
            return []
        units = _units(handle, count)
        return _cut(units, handle, _indices(handle, count, len(units)))
    finally:
        text_page.close()


def _units(handle: Any, count: int) -> str:
    """The page's UTF-16 code units, one character each, so that places in the string are PDFium's."""
    import pypdfium2.raw as pdfium

    buffer = (ctypes.c_ushort * (2 * count + 2))()
    written = pdfium.FPDFText_GetText(handle, 0, count, buffer)
    length = max(written - 1, 0)
    text = bytes(memoryview(buffer).cast("B")[: 2 * length]).decode("utf-16-le", "surrogatepass")
    return text if len(text) == length else "".join(map(chr, buffer[:length]))


def _indices(handle: Any, count: int, units: int) -> Sequence[int]:
    """PDFium's index of the character at each place of the text; they differ where it left some out."""
    if units == count:
        return range(count)
    import pypdfium2.raw as pdfium

    return [pdfium.FPDFText_GetCharIndexFromTextIndex(handle, place) for place in range(units)]


def _cut(text: str, handle: Any, indices: Sequence[int]) -> list[list[Piece]]:
    """Every line of the text in pieces."""
    look = _Look(handle)
    found: list[list[Piece]] = []
    following = 0
    for line in text.split("\r\n"):
        start, following = following, following + len(line) + 2
        bare = line.strip()
        if not bare:
            continue
        at = start + line.index(bare[0])
        first = indices[at]
        turn = look.turn(first)
        fixed, bold = look.font(first)
        bold = bold and look.font(indices[at + len(bare) - 1])[1]
        extent = look.extents(turn)
        low, high, height = extent(first)
        pieces: list[Piece] = []
        begin, down = 0, look.down(first, turn)
        for match in _SPACE.finditer(bare):
            space, behind = match.span()
            before_low, before_high, height = extent(indices[at + space - 1])
            next_low, next_high, _ = extent(indices[at + behind])
            if before_low < low or before_high > high:
                low, high = min(low, before_low), max(high, before_high)
            gap = next_low - before_high
            if (gap if gap > 0 else before_low - next_high) > _GAP * height > 0:
                pieces.append(_piece(bare[begin:space], turn, low, high, down, height, fixed, bold))
                begin, low, high = behind, next_low, next_high
                down = look.down(indices[at + behind], turn)
        last_low, last_high, last_height = extent(indices[at + len(bare) - 1])
        low, high = min(low, last_low), max(high, last_high)
        pieces.append(_piece(bare[begin:], turn, low, high, down, height or last_height, fixed, bold))
        found.append(pieces)
    return found


def _piece(text: str, turn: int, low: float, high: float, down: float, height: float, *font: bool) -> Piece:
    """A piece; one at no place at all, as damaged files have them, is put at the corner."""
    if not math.isfinite(low + high + down + height):
        low = high = down = height = 0.0
    return Piece(text, turn, low, high, down, height, *font)


class _Look:
    """How single characters of a page look and where they stand."""

    def __init__(self, handle: Any) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium = pdfium
        self._handle = handle
        self._x, self._y, self._flags = ctypes.c_double(), ctypes.c_double(), ctypes.c_int()
        self._box, self._name = pdfium.FS_RECTF(), ctypes.create_string_buffer(64)
        self._to_x, self._to_y = ctypes.byref(self._x), ctypes.byref(self._y)
        self._to_box, self._to_flags = ctypes.byref(self._box), ctypes.byref(self._flags)

    def turn(self, index: int) -> int:
        """Quarter turns."""
        return round(self._pdfium.FPDFText_GetCharAngle(self._handle, index) / (math.pi / 2)) % 4

    def down(self, index: int, turn: int) -> float:
        """How far down the base line is."""
        self._pdfium.FPDFText_GetCharOrigin(self._handle, index, self._to_x, self._to_y)
        return (-self._y.value, -self._x.value, self._y.value, self._x.value)[turn]

    def font(self, index: int) -> tuple[bool, bool]:
        """Whether the font has a fixed pitch, and whether it is bold."""
        size = self._pdfium.FPDFText_GetFontInfo(self._handle, index, self._name, 64, self._to_flags)
        if not size:
            return False, False
        name = self._name.raw[: size - 1] if size <= 64 else b""
        fixed = bool(self._flags.value & _FIXED_PITCH) or _FIXED.search(name) is not None
        return fixed, _BOLD.search(name) is not None

    def extents(self, turn: int) -> Callable[[int], tuple[float, float, float]]:
        """A function that tells from where to where a character goes along its line, and how high it is."""
        handle, box, to_box = self._handle, self._box, self._to_box
        get_box = self._pdfium.FPDFText_GetLooseCharBox

        def level(index: int) -> tuple[float, float, float]:
            get_box(handle, index, to_box)
            return box.left, box.right, box.top - box.bottom

        def other(index: int) -> tuple[float, float, float]:
            get_box(handle, index, to_box)
            if turn == 2:
                return -box.right, -box.left, box.top - box.bottom
            low, high = (-box.top, -box.bottom) if turn == 1 else (box.bottom, box.top)
            return low, high, box.right - box.left

        return level if turn == 0 else other
