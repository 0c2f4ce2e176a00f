"""Word documents: headings, lists, tables, notes, comments, text boxes and pictures, in their order.

A Word document has no pages before it is laid out, so places are lines of the extracted text, counted from 1
(`Anchor.lines`), and each text knows the headings that it stands under.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from gemcli.errors import InputError, UsageError
from gemcli.ingest.docx_body import Body
from gemcli.ingest.docx_styles import Numbering, Styles
from gemcli.ingest.embedded import Pictures
from gemcli.ingest.flow import Flow
from gemcli.ingest.office_blocks import Block, Picture
from gemcli.ingest.opc import Package
from gemcli.ingest.safe_xml import children
from gemcli.ingest.source import EmptyError, Report, Source
from gemcli.ingest.zipped import open_zip
from gemcli.parts import Anchor, Document, Image

_MAIN = "word/document.xml"
_MAX_BODY = 128 << 20  # a text of that size is held several times over while it is cut
_MAX_PICTURE = 64 << 20
_PAGE_NUMBER = re.compile(r"(page|seite|p\.)?\s*[-–]?\s*\d*\s*[-–]?(\s*(of|von|/)\s*\d+)?", re.IGNORECASE)


def read(source: Source, report: Report) -> Document:
    """Read a Word document.

    `report` is not called: it takes no time worth telling.

    Raises:
        InputError: it is encrypted, damaged, or empty.
        UsageError: pages or lines of it are asked for.
    """
    refuse_range(source, "a Word document")
    sha256 = source.sha256()
    with open_zip(source) as archive:
        reader = _Reader(Package(archive, source.name))
        reader.run()
        warnings = [*archive.warnings, *reader.warnings()]
        title = reader.title()
    parts = reader.flow.finish()
    if not parts:
        if warnings:
            raise InputError(f"{source.name} holds nothing that can be read; {'; '.join(warnings)}")
        raise EmptyError(f"{source.name} is empty: it shows nothing")
    return Document(
        source=source.name,
        media_type=source.media_type,
        sha256=sha256,
        parts=tuple(parts),
        warnings=tuple(warnings),
        meta={"lines": reader.flow.lines} | ({"title": title} if title else {}),
    )


def refuse_range(source: Source, kind: str) -> None:
    """Refuse a range of a document without pages, as far as it was meant for this one.

    Raises:
        UsageError: the range is its own, or counts lines.
    """
    selection = source.selection
    if selection is not None and (selection.unit == "line" or selection.exact):
        raise UsageError(
            f"{source.name} is {kind}: it has no {selection.unit}s before it is laid out",
            "leave the range out, or make it a PDF first: libreoffice --convert-to pdf FILE",
        )


class _Reader:
    """Reads the package of one document into a flow of parts."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._main = package.main(_MAIN)
        self._pictures = Pictures()
        self._shown: set[str] = set()
        self._again = 0
        self._lost = ""
        self.flow = Flow()
        self._styles = Styles(self._part("styles"))
        self._lists = self._part("numbering")
        self._body = self._reader(self._main)

    def run(self) -> None:
        """Read it: headers, body, footers."""
        package = self._package
        self._body.notes = {
            **dict(self._items("footnotes", "w.footnote")),
            **{f"e{key}": note for key, note in self._items("endnotes", "w.endnote")},
        }
        self._body.comments = dict(self._items("comments", "w.comment"))
        for text in self._margins("header"):
            self.flow.add(f"(Header: {text})")
        chunks = package.archive.chunks(self._main, _MAX_BODY)
        seen = False
        try:
            for item in children(chunks, "w.body", package.what(self._main)):
                for block in self._body.blocks(item):
                    self._show(block)
                seen = True
        except InputError as error:
            if not seen:
                raise
            self._lost = error.message
        for text in self._margins("footer"):
            self.flow.add(f"(Footer: {text})")

    def warnings(self) -> list[str]:
        """A sentence for each thing that was not read, or was read in one of several ways."""
        said: list[str] = []
        body = self._body
        if self._lost:
            said.append(f"is damaged behind line {self.flow.lines:,}, not read from there on: {self._lost}")
        if body.tracked:
            said.append("has tracked changes: it is read as if all of them were accepted")
        if body.hidden:
            said.append(f"hidden text is left out: {body.hidden:,} characters")
        if body.pointed:
            said.append(f"pictures that are stored elsewhere, not fetched: {body.pointed:,}")
        for what in dict.fromkeys(body.missing):
            said.append(f"not read: {what}")
        if self._again:
            said.append(f"pictures that come again are shown once: {self._again:,} left out")
        return said + self._pictures.warnings()

    def title(self) -> str:
        """The title that the document's properties give."""
        for name in self._package.related("", "core-properties"):
            root = self._package.maybe(name)
            if root is not None:
                return " ".join((root.findtext("dc.title") or "").split())
        return ""

    def _reader(self, part: str) -> Body:
        return Body(self._package, part, self._styles, Numbering.read(self._lists))

    def _part(self, kind: str) -> Element | None:
        return self._package.maybe((self._package.related(self._main, kind) or [None])[0])

    def _items(self, kind: str, tag: str) -> Iterator[tuple[str, tuple[str, Element]]]:
        for name in self._package.related(self._main, kind):
            root = self._package.maybe(name)
            for item in root.findall(tag) if root is not None else ():
                if item.get("w.type") in (None, "normal"):
                    yield item.get("w.id", ""), (name, item)

    def _margins(self, kind: str) -> list[str]:
        """The headers or footers of all sections, each text once; bare page numbers are none."""
        found: list[str] = []
        for name in self._package.related(self._main, kind):
            root = self._package.maybe(name)
            if root is not None:
                text = " ".join(self._reader(name).plain(root).split())
                if not _PAGE_NUMBER.fullmatch(text):
                    found.append(text)
        return list(dict.fromkeys(found))

    def _show(self, block: Block | Picture) -> None:
        if isinstance(block, Block):
            self.flow.add(block.text, block.level, tight=block.tight)
            return
        if block.part in self._shown:
            self._again += 1
            return
        self._shown.add(block.part)
        name = block.part.rpartition("/")[2]
        if block.part not in self._package.archive:
            self._pictures.damaged.append(name)
            return
        again = self._package.archive.again(block.part, _MAX_PICTURE)

        def make(anchor: Anchor) -> Image | None:
            return self._pictures.read(again, name, anchor, block.alt)

        self.flow.picture(make)
