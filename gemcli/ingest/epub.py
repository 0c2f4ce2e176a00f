"""E-books (EPUB 2 and 3): the files of the spine in order, each a page, under its chapter's title.

Nothing outside of the book is fetched; books under copy protection are refused.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from gemcli.errors import InputError, UsageError
from gemcli.ingest.decode import UndecodableError
from gemcli.ingest.embedded import Pictures
from gemcli.ingest.epub_package import Package, chapters, encrypted, package, root_file
from gemcli.ingest.html import decode_html
from gemcli.ingest.markup import Rendered, render
from gemcli.ingest.markup_lines import HeadingLine
from gemcli.ingest.ranges import compact, numbered
from gemcli.ingest.source import EmptyError, Report, Source
from gemcli.ingest.zipped import BoundedZip, open_zip
from gemcli.parts import Document, Image, Part

_MAX_FILE = 64 << 20
_MAX_TEXT = 256 << 20  # bytes of all files of the spine
_MAX_PAGES = 20_000
_MAX_PICTURES = 5_000
_PAGE_SUFFIXES = (".xhtml", ".html", ".htm")
_AGAIN = "fetch it again, or open it in a reader and export it anew"


def read(source: Source, report: Report) -> Document:
    """Read the wanted files of a book; `report` counts them.

    Raises:
        InputError: it is damaged, protected, or holds nothing to read.
        UsageError: lines are asked for, or pages that it does not have.
    """
    if source.selection is not None and source.selection.unit != "page":
        raise UsageError(
            f"{source.name} is an e-book: its files are pages, it has no lines",
            f"write {source.name}#page=3-9",
        )
    sha256 = source.sha256()
    with open_zip(source) as archive:
        book = _Book(source.name, archive)
        names = book.pages
        if not names:
            raise InputError(f"{source.name} is damaged: it names no page, and holds none", _AGAIN)
        wanted = _wanted(source, len(names))
        for done, number in enumerate(wanted):
            report(done, len(wanted))
            book.read(number)
        report(len(wanted), len(wanted))
    if not book.parts and book.missing:
        raise InputError(f"{source.name} is damaged: none of its pages can be read", _AGAIN)
    if not book.parts:
        raise EmptyError(f"{source.name} is empty: no page of it has text or pictures")
    warnings = book.warnings()
    if source.selection is not None and source.selection.clipped(len(names)):
        asked = source.selection.text
        warnings.append(f"has {len(names):,} pages: of range {asked}, {compact(wanted)} was read")
    return Document(
        source=source.name,
        media_type="application/epub+zip",
        sha256=sha256,
        parts=tuple(book.parts),
        warnings=tuple(warnings),
        meta={"pages": len(names)} | book.package.meta,
    )


def _wanted(source: Source, count: int) -> list[int]:
    if source.selection is None:
        return list(range(1, count + 1))
    spans = source.selection.within(count, source.name)
    return [number for first, last in spans for number in range(first, last + 1)]


@dataclass(slots=True)
class _Book:
    """An open book.

    Attributes:
        name: of its file.
        archive: its members.
        pages: members of the spine in order.
        package: what its package file says.
        parts: what was read.
        missing: pages that could not be.
    """

    name: str
    archive: BoundedZip
    pages: list[str] = field(default_factory=list)
    package: Package = field(default_factory=Package)
    parts: list[Part] = field(default_factory=list)
    _titles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _said: list[str] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    _flat: list[int] = field(default_factory=list)
    _odd: list[int] = field(default_factory=list)
    _pictures: Pictures = field(default_factory=Pictures)
    _seen: int = 0
    _left: int = 0
    _absent: int = 0
    _bytes: int = 0

    def __post_init__(self) -> None:
        """Find the pages and the titles of the chapters."""
        place = root_file(self._maybe("META-INF/container.xml")) or next(
            (name for name in self.archive.names if name.lower().endswith(".opf")), ""
        )
        self.package = package(self._maybe(place) if place else None, place)
        self.pages = self.package.spine[:_MAX_PAGES]
        if len(self.package.spine) > _MAX_PAGES:
            self._said.append(f"names {len(self.package.spine):,} pages: the first {_MAX_PAGES:,} are read")
        if not self.pages:
            self.pages = [name for name in self.archive.names if name.lower().endswith(_PAGE_SUFFIXES)]
            self.pages = self.pages[:_MAX_PAGES]
            self._said.append("does not say the order of its pages; read as they stand in the file")
        locked = encrypted(self._maybe("META-INF/encryption.xml"))
        if any(name in locked for name in self.pages):
            raise InputError(
                f"{self.name} is under copy protection: its text is encrypted", "read it in the shop's reader"
            )
        for place in self.package.contents:
            titles = chapters(self._maybe(place), place)
            if titles:
                self._titles = _carried(titles, self.pages)
                break

    def read(self, number: int) -> None:
        """Read page `number` (from 1)."""
        name = self.pages[number - 1]
        try:
            data = self.archive.read(name, _MAX_FILE)
        except InputError:
            self.missing.append(number)
            return
        self._bytes += len(data)
        if self._bytes > _MAX_TEXT:
            raise InputError(
                f"{self.name} holds more than {_MAX_TEXT >> 20} MiB of text: that cannot be read at once",
                f"give the part that matters: {self.name}#page=1-20",
            )
        try:
            decoded = decode_html(data)
        except UndecodableError:
            self.missing.append(number)
            return
        if decoded.warning:
            self._odd.append(number)
        folder = posixpath.dirname(name)

        def picture(src: str, alt: str) -> Image | None:
            return self._picture(src, alt, folder)

        page = render(decoded.text, picture=picture, link=_outside, is_xml=True, keep_navigation=True)
        if page.warnings:
            self._flat.append(number)
        self.parts += page.parts(number, self._above(name, page))

    def warnings(self) -> list[str]:
        """A sentence for each thing that was not read."""
        said = [*self.archive.warnings, *self._said]
        for numbers, what in (
            (self.missing, "damaged or missing, not read"),
            (self._flat, "nested too deeply, read as paragraphs"),
            (self._odd, "characters in a wrong or guessed encoding"),
        ):
            if numbers:
                said.append(f"{what}: {numbered('page', numbers)}")
        said += self._pictures.warnings()
        if self._left:
            said.append(f"pictures beyond the first {_MAX_PICTURES:,}, not read: {self._left:,}")
        if self._absent:
            said.append(f"pictures that are not in the book, not read: {self._absent:,}")
        return said

    def _above(self, name: str, page: Rendered) -> tuple[str, ...]:
        """The titles above a page: the chapter's, unless the page itself begins with it."""
        titles = self._titles.get(name, ())
        first = next((line.says for line in page.lines if isinstance(line, HeadingLine)), "")
        return titles[:-1] if titles and first and _folded(first) == _folded(titles[-1]) else titles

    def _picture(self, src: str, alt: str, folder: str) -> Image | None:
        try:
            parts = urlsplit(src)
        except ValueError:
            return None
        if parts.scheme or parts.netloc:
            self._absent += 1
            return None
        name = posixpath.normpath(posixpath.join(folder, unquote(parts.path)))
        if name not in self.archive:
            self._absent += 1
            return None
        self._seen += 1
        if self._seen > _MAX_PICTURES:
            self._left += 1
            return None
        return self._pictures.read(self.archive.again(name, _MAX_FILE), name, alt=alt)

    def _maybe(self, name: str) -> bytes | None:
        if name not in self.archive:
            return None
        try:
            return self.archive.read(name, _MAX_FILE)
        except InputError:
            return None


def _carried(titles: dict[str, tuple[str, ...]], pages: list[str]) -> dict[str, tuple[str, ...]]:
    """Titles of all pages: one that the table of contents does not name goes on with the chapter before."""
    carried: dict[str, tuple[str, ...]] = {}
    title: tuple[str, ...] = ()
    for page in pages:
        title = carried[page] = titles.get(page, title)
    return carried


def _outside(href: str) -> str | None:
    """Links are written where they lead out of the book."""
    return href if href.partition(":")[0].lower() in ("http", "https", "mailto") else None


def _folded(title: str) -> str:
    return "".join(char for char in title.casefold() if char.isalnum())
