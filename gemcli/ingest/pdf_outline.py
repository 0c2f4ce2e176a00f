"""A PDF's table of contents: which chapters and sections begin on which page.

Source: PDFium's public/fpdf_doc.h.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gemcli.ingest.pdf_page import clean

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

#: Entries that are read at most, how deep they may lie, and characters of one; more is no table of contents.
MAX_ENTRIES = 20_000
MAX_DEPTH = 6
MAX_TITLE = 200


def outline(document: PdfDocument) -> list[tuple[int, int, str]]:
    """The entries in order: level from 0, page from 1, title.  Those that lead to no page are left out."""
    import pypdfium2.raw as pdfium

    entries: list[tuple[int, int, str]] = []
    for level, entry in _entries(document):
        target = pdfium.FPDFBookmark_GetDest(document, entry)
        if not target and (action := pdfium.FPDFBookmark_GetAction(entry)):
            target = pdfium.FPDFAction_GetDest(document, action)
        page = pdfium.FPDFDest_GetDestPageIndex(document, target) + 1 if target else 0
        title = _title(entry)
        if page > 0 and title:
            entries.append((level, page, title))
    return entries


def _entries(document: PdfDocument) -> Iterator[tuple[int, Any]]:
    """Every entry once, with its level, however they are linked."""
    import pypdfium2.raw as pdfium

    seen: set[int] = set()
    stack = [(0, pdfium.FPDFBookmark_GetFirstChild(document, None))]
    while stack:
        level, entry = stack.pop()
        if not entry or len(seen) >= MAX_ENTRIES:
            continue
        address = ctypes.addressof(entry.contents)
        if address in seen:
            continue
        seen.add(address)
        yield level, entry
        stack.append((level, pdfium.FPDFBookmark_GetNextSibling(document, entry)))
        if level + 1 < MAX_DEPTH:
            stack.append((level + 1, pdfium.FPDFBookmark_GetFirstChild(document, entry)))


def _title(entry: Any) -> str:
    import pypdfium2.raw as pdfium

    size = pdfium.FPDFBookmark_GetTitle(entry, None, 0)
    if not 2 < size <= 1 << 16:
        return ""
    buffer = ctypes.create_string_buffer(size)
    pdfium.FPDFBookmark_GetTitle(entry, buffer, size)
    title = " ".join(clean(buffer.raw[: size - 2].decode("utf-16-le", "replace")).split())
    return title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1]}…"
