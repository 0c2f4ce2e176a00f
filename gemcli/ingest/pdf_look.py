"""How much of a PDF page is pictures and drawings: whether its words say what it shows.

The page is covered with a grid; a cell counts where a picture or a drawing touches it and no text stands on
it.  Rules, frames and what text stands on are no drawings.  The work is bounded, however many objects there
are.

Source: PDFium's public/fpdf_edit.h.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

#: Left, bottom, right, top.
Box = tuple[float, float, float, float]
#: a, b, c, d, e, f of PDF 1.7, 8.3.3.
Matrix = tuple[float, float, float, float, float, float]

_GRID = 32
_MANY = 5000  # objects that are looked at
_DEEP = 4  # forms within forms
_THIN = 0.01  # of the page's side: a rule
_BACKGROUND = 0.5  # of the page: a plain box this large is its colour
_WRITTEN_OVER = 0.25  # of a picture: it is what the text stands on
_PLAIN = 6  # segments of a path that draws a box
_SPECK = 0.004  # of the page: less than this is nothing to see
_UNTURNED = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def look(page: PdfPage, text: Sequence[Box]) -> tuple[bool, float]:
    """Whether there is anything to see besides text, and the share of the page that shows it.

    Args:
        text: boxes of the lines of text, in the page's coordinates.
    """
    import pypdfium2.raw as pdfium

    on_page = _OnPage(page.get_bbox())
    cells: set[tuple[int, int]] = set()
    words = {cell for box in text for cell in _covered(on_page(box))}
    shows = False
    for kind, item, box in _objects(page, letters=not text):
        x0, y0, x1, y1 = on_page(box)
        if not (x1 > x0 and y1 > y0):
            continue
        if kind == pdfium.FPDF_PAGEOBJ_TEXT:
            shows = True  # letters whose meaning is not known
            continue
        across, up = x1 - x0, y1 - y0
        here = _covered((x0, y0, x1, y1))
        if kind == pdfium.FPDF_PAGEOBJ_PATH:
            if min(across, up) < _THIN:
                continue
            if pdfium.FPDFPath_CountSegments(item) <= _PLAIN and (
                across * up > _BACKGROUND or not words.isdisjoint(here)
            ):
                continue
        shows = shows or across * up > _SPECK
        if len(here & words) <= _WRITTEN_OVER * len(here):
            cells |= here
    share = len(cells - words) / _GRID**2
    return shows or share > _SPECK, round(share, 3)


class _OnPage:
    """Boxes as shares of a page, cut off at its edges."""

    def __init__(self, page: Box) -> None:
        self._left, self._bottom = min(page[0], page[2]), min(page[1], page[3])
        self._width, self._height = abs(page[2] - page[0]) or 1.0, abs(page[3] - page[1]) or 1.0

    def __call__(self, box: Box) -> Box:
        x0, x1 = ((x - self._left) / self._width for x in (box[0], box[2]))
        y0, y1 = ((y - self._bottom) / self._height for y in (box[1], box[3]))
        return max(x0, 0.0), max(y0, 0.0), min(x1, 1.0), min(y1, 1.0)


def _covered(box: Box) -> set[tuple[int, int]]:
    if not all(map(math.isfinite, box)):
        return set()
    left, bottom, right, top = (int(side * _GRID) for side in box)
    return {
        (column, row)
        for column in range(left, min(right, _GRID - 1) + 1)
        for row in range(bottom, min(top, _GRID - 1) + 1)
    }


def _objects(page: PdfPage, *, letters: bool) -> Iterator[tuple[int, Any, Box]]:
    """Every object with its kind and its box on the page, text with `letters` alone; a form gives way to what
    is in it.
    """
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    sides = [ctypes.c_float() for _ in range(4)]
    references = [ctypes.byref(side) for side in sides]
    left = _MANY

    def walk(count: int, get: Any, holder: Any, place: Matrix, depth: int) -> Iterator[tuple[int, Any, Box]]:
        nonlocal left
        for index in range(count):
            if (left := left - 1) < 0:
                return
            item = get(holder, index)
            kind = pdfium.FPDFPageObj_GetType(item)
            if kind == pdfium.FPDF_PAGEOBJ_FORM and depth < _DEEP:
                pdfium.FPDFPageObj_GetMatrix(item, matrix)
                inner = (matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)
                held = max(0, pdfium.FPDFFormObj_CountObjects(item))
                yield from walk(held, pdfium.FPDFFormObj_GetObject, item, _times(inner, place), depth + 1)
            elif kind == pdfium.FPDF_PAGEOBJ_TEXT and not letters:
                continue
            elif pdfium.FPDFPageObj_GetBounds(item, *references):
                yield (
                    kind,
                    item,
                    _moved((sides[0].value, sides[1].value, sides[2].value, sides[3].value), place),
                )

    return walk(pdfium.FPDFPage_CountObjects(page), pdfium.FPDFPage_GetObject, page, _UNTURNED, 0)


def _times(m: Matrix, n: Matrix) -> Matrix:
    """`m`, then `n`."""
    return (
        m[0] * n[0] + m[1] * n[2],
        m[0] * n[1] + m[1] * n[3],
        m[2] * n[0] + m[3] * n[2],
        m[2] * n[1] + m[3] * n[3],
        m[4] * n[0] + m[5] * n[2] + n[4],
        m[4] * n[1] + m[5] * n[3] + n[5],
    )


def _moved(box: Box, place: Matrix) -> Box:
    """The box around a box that was moved and turned."""
    a, b, c, d, e, f = place
    xs = [a * x + c * y + e for x in (box[0], box[2]) for y in (box[1], box[3])]
    ys = [b * x + d * y + f for x in (box[0], box[2]) for y in (box[1], box[3])]
    return min(xs), min(ys), max(xs), max(ys)
