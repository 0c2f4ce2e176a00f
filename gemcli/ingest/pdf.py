"""PDF through PDFium: the text of each page with its page number, or the page as a picture.

A page becomes a picture where it has no text layer, where its letters have no meaning, and where it is mostly
drawing with few words.  What could not be read is said: damaged pages, pages left out, a file cut short.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from gemcli.errors import InputError, UsageError
from gemcli.ingest.pdf_heading import Headings, by_looks
from gemcli.ingest.pdf_image import page_image, picture
from gemcli.ingest.pdf_pool import PdfPages, UnopenedError
from gemcli.ingest.ranges import compact, numbered
from gemcli.ingest.source import Report, Source
from gemcli.parts import Anchor, Document, Image, Part, Text
from gemcli.plural import plural

_ASCII = re.compile(r"[\x00-\x7f]+")
_LINEARIZED = re.compile(rb"/Linearized.{0,200}?/L\s+(\d{1,15})", re.DOTALL)
_HEAD = 2048
_TAIL = 4096

_STAMP = 60  # characters: a stamp or a page number; less than this on a page-filling picture is no text layer
_FILLED = 0.5  # of the page: a picture that fills it
#: Words below which, and share of the page from which on, a page of drawings is better seen than read.
_GRAPHIC = ((150, 0.3), (80, 0.15))
_GARBLED = 0.3
_REPAIR = "fetch it again, or try to repair it: qpdf IN.pdf OUT.pdf"


def read(source: Source, report: Report) -> Document:
    """Read the wanted pages of a PDF as `source.wants.pdf` says; `report` counts pages.

    Raises:
        InputError: it is encrypted, damaged, or no wanted page has anything to read.
        UsageError: lines are asked for, or pages that it does not have.
    """
    if source.selection is not None and source.selection.unit != "page":
        raise UsageError(f"{source.name} is a PDF: it has pages, not lines", f"write {source.name}#page=3-9")
    cut = _cut_short(source)
    with PdfPages(source) as pages:
        pages.start()
        sha256 = source.sha256()
        _open(pages, source, cut)
        wanted = _wanted(source, pages.pages)
        found = _Found(source, sha256)
        if source.wants.pdf == "images":
            for number, page in sorted(pages.read(wanted, report, "sizes").items()):
                found.add_image(number, page)
        else:
            outline = pages.outline()
            read = pages.read(wanted, report)
            headings = Headings(outline or by_looks({n: page for n, page in read.items() if "text" in page}))
            for number in wanted:
                found.add(number, read[number], headings)
    if not found.readable:
        raise found.nothing(cut)
    warnings = found.warnings()
    if cut:
        warnings.append(f"{cut}; pages may be missing")
    if pages.is_xfa:
        warnings.append("is an XFA form: what is filled in cannot be read")
    if source.selection is not None and source.selection.clipped(pages.pages):
        warnings.append(
            f"has {pages.pages:,} pages: of range {source.selection.text}, {compact(wanted)} was read"
        )
    return Document(
        source=source.name,
        media_type="application/pdf",
        sha256=sha256,
        parts=tuple(found.parts),
        warnings=tuple(warnings),
        meta={"pages": pages.pages} | ({"title": pages.title} if pages.title else {}),
    )


@dataclass(slots=True)
class _Found:
    """What the pages gave.

    Attributes:
        parts: their text and pictures.
        readable: pages whose content is among them.
        damaged: pages that could not be loaded.
        late: pages that took too long.
        textless: pages that show something, but hold no text or hardly any, and are not taken as pictures.
        garbled: pages whose letters have no known meaning, and are not taken as pictures.
    """

    source: Source
    sha256: str
    parts: list[Part] = field(default_factory=list)
    readable: int = 0
    damaged: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    textless: list[int] = field(default_factory=list)
    garbled: list[int] = field(default_factory=list)

    def add_image(self, number: int, page: dict[str, Any]) -> None:
        """Take page `number` (from 1) as a picture."""
        if self._is_lost(number, page):
            return
        self.parts.append(self._image(number, page))
        self.readable += 1

    def add(self, number: int, page: dict[str, Any], headings: Headings) -> None:
        """Take page `number` (from 1) as text, or as a picture where that shows more."""
        if self._is_lost(number, page):
            return
        text, filled = page["text"], page["filled"]
        images = self.source.wants.pdf == "auto"
        few = "graphic" in page
        graphic = few and any(page["words"] < words and page["graphic"] >= share for words, share in _GRAPHIC)
        scan = (
            few
            and page["shows"]
            and not filled
            and (not text or (len(text) < _STAMP and page["graphic"] > _FILLED))
        )
        garbled = _is_garbled(text)
        if scan and not images:
            self.textless.append(number)
        if garbled and not (images and few):
            self.garbled.append(number)
        said = list(headings.cut(number, text)) if not (garbled and images and few) else []
        parts: list[Text] = [Text(piece, Anchor(page=number), path) for piece, path in said]
        if filled:
            before = parts.pop() if parts else Text("", Anchor(page=number))
            parts.append(
                Text("\n\n".join(filter(None, (before.text, filled))), before.anchor, before.heading)
            )
        self.parts += parts
        seen = images and few and (scan or graphic or garbled)
        if seen:
            self.parts.append(self._image(number, page))
        self.readable += bool(seen or (parts and not scan))

    def warnings(self) -> list[str]:
        """A sentence for each thing that was not read."""
        said: list[str] = []
        if self.damaged:
            said.append(f"damaged and not read: {_pages(self.damaged)}")
        if self.late:
            said.append(f"taking too long and not read: {_pages(self.late)}")
        if self.textless:
            said.append(f"pictures without a text layer, perhaps scans, not read: {_pages(self.textless)}")
        if self.garbled:
            said.append(f"letters without a known meaning, so the text is garbled: {_pages(self.garbled)}")
        return said

    def nothing(self, cut: str | None) -> InputError:
        """Why there is nothing to read."""
        name = self.source.name
        if self.textless:
            return InputError(
                f"{name} has no text layer: {_pages(self.textless)} "
                f"{plural(len(self.textless), 'holds', 'hold')} only pictures, perhaps scans",
                "let them be looked at or read with OCR: --pdf auto, --ocr; "
                "or make them text first: ocrmypdf IN.pdf OUT.pdf",
            )
        if self.late and not self.damaged:
            return InputError(f"{name}: {_pages(self.late)} took too long to read", _REPAIR)
        if self.damaged:
            return InputError(
                f"{name} is damaged: no page of it can be read" + (f"; it {cut}" if cut else ""), _REPAIR
            )
        return InputError(f"{name} is empty: its pages are blank")

    def _is_lost(self, number: int, page: dict[str, Any]) -> bool:
        if page.get("damaged"):
            self.damaged.append(number)
        elif page.get("late"):
            self.late.append(number)
        else:
            return False
        return True

    def _image(self, number: int, page: dict[str, Any]) -> Image:
        width, height = page["size"]
        return page_image(self.source, number, (width, height), self.sha256)


def _open(pages: PdfPages, source: Source, cut: str | None) -> None:
    try:
        pages.open()
    except UnopenedError as error:
        if error.reason == "password":
            raise InputError(
                f"{source.name} is encrypted: it opens only with a password",
                "take the password off first: qpdf --decrypt --password=… IN.pdf OUT.pdf",
            ) from None
        if error.reason == "security":
            raise InputError(
                f"{source.name} is protected by a scheme that cannot be opened",
                "save it without protection first",
            ) from None
        what = f"{source.name} {cut}" if cut else f"{source.name} is damaged: it begins as a PDF but is none"
        raise InputError(what, _REPAIR) from None
    if pages.pages == 0:
        raise InputError(f"{source.name} has no pages", _REPAIR)


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


def _is_garbled(text: str) -> bool:
    """Whether much of a text is private or unassigned characters: fonts that do not say what they show."""
    others = _ASCII.sub("", text)
    if not others:
        return False
    odd = sum(unicodedata.category(char) in ("Co", "Cn") or char == "\ufffd" for char in others)
    return odd > _GARBLED * sum(map(len, text.split()))


def _pages(numbers: list[int]) -> str:
    return numbered("page", numbers)


__all__ = ["picture", "read"]
