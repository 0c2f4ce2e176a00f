"""PDF through PDFium: one part a page, with its page number.

What could not be read is said: damaged pages, pages without a text layer, pages whose letters have no
meaning, a file that was cut short.
"""

from __future__ import annotations

import os
import re
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gemcli.errors import InputError, UsageError
from gemcli.ingest.pdf_form import filled_in, has_xfa, prepare_form
from gemcli.ingest.pdf_page import clean, page_text
from gemcli.ingest.ranges import compact
from gemcli.ingest.source import Report, Source
from gemcli.parts import Anchor, Document, Text

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

_PDFIUM = threading.Lock()  # PDFium is not thread-safe, whatever document it works on

_LINEARIZED = re.compile(rb"/Linearized.{0,200}?/L\s+(\d{1,15})", re.DOTALL)
_HEAD = 2048
_TAIL = 4096

_FEW_CHARS = 60  # a stamp or a page number: less than this on a page-filling picture is no text layer
_FILLS_PAGE = 0.5
_GARBLED = 0.3


def read(source: Source, report: Report) -> Document:
    """Read the wanted pages of a PDF; `report` counts pages.

    Raises:
        InputError: it is encrypted, damaged, or no wanted page has text.
        UsageError: lines are asked for, or pages that it does not have.
    """
    if source.selection is not None and source.selection.unit != "page":
        raise UsageError(f"{source.name} is a PDF: it has pages, not lines", f"write {source.name}#page=3-9")
    cut = _cut_short(source)
    sha256 = source.sha256()
    with _PDFIUM, _opened(source, cut) as document:
        count = len(document)
        if count == 0:
            raise InputError(f"{source.name} has no pages", _REPAIR)
        wanted = _wanted(source, count)
        prepare_form(document)
        found = _Pages()
        for done, number in enumerate(wanted):
            report(done, len(wanted))
            found.add(document, number)
        report(len(wanted), len(wanted))
        title = _title(document)
        is_xfa = has_xfa(document)
    if not found.readable:
        raise _nothing(source, found, cut)
    warnings = found.warnings()
    if cut:
        warnings.append(f"{cut}; pages may be missing")
    if is_xfa:
        warnings.append("is an XFA form: what is filled in cannot be read")
    if source.selection is not None and source.selection.clipped(count):
        warnings.append(f"has {count:,} pages: of range {source.selection.text}, {compact(wanted)} was read")
    return Document(
        source=source.name,
        media_type="application/pdf",
        sha256=sha256,
        parts=tuple(found.parts),
        warnings=tuple(warnings),
        meta={"pages": count} | ({"title": title} if title else {}),
    )


@dataclass(slots=True)
class _Pages:
    """What the pages gave.

    Attributes:
        parts: their text.
        readable: pages whose text is their content, not a stamp on a picture.
        damaged: pages that could not be loaded.
        textless: pages that show something, but hold no text or hardly any.
        garbled: pages whose letters have no known meaning.
    """

    parts: list[Text] = field(default_factory=list)
    readable: int = 0
    damaged: list[int] = field(default_factory=list)
    textless: list[int] = field(default_factory=list)
    garbled: list[int] = field(default_factory=list)

    def add(self, document: PdfDocument, number: int) -> None:
        """Read page `number` (from 1)."""
        from pypdfium2 import PdfiumError

        try:
            page = document[number - 1]
            try:
                text = page_text(page)
                filled = filled_in(document, page)
                picture = len(text) < _FEW_CHARS and not filled and _shows_picture(page, bare=not text)
            finally:
                page.close()
        except PdfiumError:
            self.damaged.append(number)
            return
        if picture:
            self.textless.append(number)
        elif text or filled:
            self.readable += 1
        if _is_garbled(text):
            self.garbled.append(number)
        if text or filled:
            self.parts.append(Text("\n\n".join(filter(None, (text, filled))), Anchor(page=number)))

    def warnings(self) -> list[str]:
        """A sentence for each thing that was not read."""
        said: list[str] = []
        if self.damaged:
            said.append(f"damaged and not read: {_pages(self.damaged)}")
        if self.textless:
            said.append(f"pictures without a text layer, perhaps scans, not read: {_pages(self.textless)}")
        if self.garbled:
            said.append(f"letters without a known meaning, so the text is garbled: {_pages(self.garbled)}")
        return said


@contextmanager
def _opened(source: Source, cut: str | None) -> Iterator[PdfDocument]:
    import pypdfium2
    import pypdfium2.raw as pdfium

    try:
        document = pypdfium2.PdfDocument(_input(source), autoclose=True)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise InputError(
                f"{source.name} is encrypted: it opens only with a password",
                "take the password off first: qpdf --decrypt --password=… IN.pdf OUT.pdf",
            ) from None
        if error.err_code == pdfium.FPDF_ERR_SECURITY:
            raise InputError(
                f"{source.name} is protected by a scheme that cannot be opened",
                "save it without protection first",
            ) from None
        what = f"{source.name} {cut}" if cut else f"{source.name} is damaged: it begins as a PDF but is none"
        raise InputError(what, _REPAIR) from None
    with document:
        yield document


_REPAIR = "fetch it again, or try to repair it: qpdf IN.pdf OUT.pdf"


def _input(source: Source) -> Path | bytes | BinaryIO:
    """What PDFium opens: the path, so that memory stays bounded, unless it cannot spell it."""
    if source.data is not None:
        return source.data
    assert source.path is not None
    path = source.path.absolute()
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return source.open()
    return path


def _cut_short(source: Source) -> str | None:
    """What tells that the end of the file is missing, or None."""
    with source.open() as stream:
        head = stream.read(_HEAD)
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _TAIL))
        tail = stream.read()
    match = _LINEARIZED.search(head)
    if match and int(match[1]) > size:
        return f"is cut short: it holds {size:,} of {int(match[1]):,} bytes"
    return None if b"%%EOF" in tail else "is cut short: its end mark is missing"


def _wanted(source: Source, count: int) -> list[int]:
    if source.selection is None:
        return list(range(1, count + 1))
    spans = source.selection.within(count, source.name)
    return [number for first, last in spans for number in range(first, last + 1)]


def _nothing(source: Source, found: _Pages, cut: str | None) -> InputError:
    if found.textless:
        return InputError(
            f"{source.name} has no text layer: {_pages(found.textless)} "
            f"{'hold' if len(found.textless) > 1 else 'holds'} only pictures, perhaps scans",
            "this version cannot read scanned pages (--ocr is to come); make them text first: "
            "ocrmypdf IN.pdf OUT.pdf",
        )
    if found.damaged:
        return InputError(
            f"{source.name} is damaged: no page of it can be read" + (f"; it {cut}" if cut else ""), _REPAIR
        )
    return InputError(f"{source.name} is empty: its pages are blank")


def _shows_picture(page: PdfPage, *, bare: bool) -> bool:
    """Whether a page is a picture: most of it an image, or, when it is `bare` of text, anything at all."""
    import pypdfium2.raw as pdfium

    if bare:
        return pdfium.FPDFPage_CountObjects(page) > 0
    width, height = page.get_size()
    for image in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3):
        left, bottom, right, top = image.get_bounds()
        if abs(right - left) * abs(top - bottom) > _FILLS_PAGE * width * height:
            return True
    return False


def _is_garbled(text: str) -> bool:
    """Whether much of a text is private or unassigned characters: fonts that do not say what they show."""
    letters = [char for char in text if not char.isspace()]
    odd = sum(unicodedata.category(char) in ("Co", "Cn") or char == "�" for char in letters)
    return odd > _GARBLED * len(letters)


def _title(document: PdfDocument) -> str:
    return " ".join(clean(document.get_metadata_value("Title")).split())


def _pages(numbers: list[int]) -> str:
    return f"page{'s' if len(numbers) > 1 else ''} {compact(numbers)}"
