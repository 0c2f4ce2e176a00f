"""OpenDocument texts (odt) and presentations (odp), read from ``content.xml``.

A text has no pages before it is laid out, so its places are lines of the extracted text, as with Word
documents; a slide of a presentation is a page.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from gemcli.errors import InputError, UsageError
from gemcli.ingest.docx import refuse_range
from gemcli.ingest.embedded import Pictures
from gemcli.ingest.flow import Flow
from gemcli.ingest.formula import formula
from gemcli.ingest.odf_text import paragraph_text
from gemcli.ingest.ods import cell_text
from gemcli.ingest.pipes import pipe_table
from gemcli.ingest.ranges import compact
from gemcli.ingest.safe_xml import members, parse
from gemcli.ingest.source import EmptyError, Report, Source
from gemcli.ingest.zipped import BoundedZip, open_zip
from gemcli.parts import Anchor, Document, Image, Part, Text

_CONTENT = "content.xml"
_MAX_BODY = 128 << 20
_MAX_XML = 16 << 20
_MAX_PICTURE = 64 << 20
_MAX_SPAN = 64
_THROUGH = ("text.section", "text.index-body", "text.table-of-content", "text.alphabetical-index", "draw.a")
_THROUGH += ("text.bibliography", "text.index-title", "text.illustration-index", "text.numbered-paragraph")
_DRAWN = ("draw.frame", "draw.g", "draw.custom-shape", "draw.rect", "draw.ellipse", "draw.line", "draw.path")
_DRAWN += ("draw.connector", "draw.polygon", "draw.caption")
_UNDONE = "text.tracked-changes"


def read(source: Source, report: Report) -> Document:
    """Read a text or a presentation; `report` counts slides.

    Raises:
        InputError: it is encrypted, damaged, or empty.
        UsageError: lines are asked for, pages of a text, or slides that a presentation does not have.
    """
    is_slides = source.media_type.endswith(".presentation")
    if not is_slides:
        refuse_range(source, "an OpenDocument text")
    elif source.selection is not None and source.selection.unit != "page":
        raise UsageError(
            f"{source.name} is a presentation: it has slides, not lines", f"write {source.name}#page=3-9"
        )
    sha256 = source.sha256()
    with open_zip(source) as archive:
        _refuse_encrypted(source, archive)
        reader = _Reader(source, archive)
        parts, meta = reader.slides(report) if is_slides else reader.text()
        warnings = [*archive.warnings, *reader.warnings()]
        title = _title(archive)
    if not parts:
        raise EmptyError(f"{source.name} is empty: it shows nothing")
    return Document(
        source=source.name,
        media_type=source.media_type,
        sha256=sha256,
        parts=tuple(parts),
        warnings=tuple(warnings),
        meta=meta | ({"title": title} if title else {}),
    )


@dataclass(frozen=True, slots=True)
class _Block:
    text: str
    level: int = 0
    tight: bool = False


@dataclass(frozen=True, slots=True)
class _Picture:
    part: str
    alt: str


@dataclass(slots=True)
class _Reader:
    """Reads the content of one document."""

    source: Source
    archive: BoundedZip
    pictures: Pictures = field(default_factory=Pictures)
    tracked: bool = False
    pointed: int = 0
    missing: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    again: int = 0
    numbered: set[str] = field(default_factory=set)

    def text(self) -> tuple[list[Part], dict[str, object]]:
        """The parts of a text."""
        flow = Flow()
        for item in self._content("office.text"):
            for block in self._blocks(item):
                if isinstance(block, _Block):
                    flow.add(block.text, block.level, tight=block.tight)
                else:
                    flow.picture(lambda anchor, block=block: self._image(block, anchor, ""))
        parts = flow.finish()
        return parts, {"lines": flow.lines}

    def slides(self, report: Report) -> tuple[list[Part], dict[str, object]]:
        """The parts of a presentation's wanted slides."""
        pages = [item for item in self._content("office.presentation") if item.tag == "draw.page"]
        if not pages:
            return [], {}
        selection = self.source.selection
        spans = [(1, len(pages))] if selection is None else selection.within(len(pages), self.source.name)
        wanted = [number for first, last in spans for number in range(first, last + 1)]
        parts: list[Part] = []
        for done, number in enumerate(wanted):
            report(done, len(wanted))
            parts += self._slide(number, pages[number - 1])
        report(len(wanted), len(wanted))
        if selection is not None and selection.clipped(len(pages)):
            self.said.append(
                f"has {len(pages):,} slides: of range {selection.text}, {compact(wanted)} was read"
            )
        return parts, {"pages": len(pages)}

    def warnings(self) -> list[str]:
        """A sentence for each thing that was not read, or was read in one of several ways."""
        said = list(self.said)
        if self.tracked:
            said.append("has tracked changes: it is read as if all of them were accepted")
        if self.pointed:
            said.append(f"pictures that are stored elsewhere, not fetched: {self.pointed:,}")
        said += [f"not read: {what}" for what in dict.fromkeys(self.missing)]
        if self.again:
            said.append(f"pictures that come again are shown once: {self.again:,} left out")
        return said + self.pictures.warnings()

    def _content(self, body: str) -> Iterator[Element]:
        """What is just inside the body, and the list styles before it are looked at."""
        chunks = self.archive.chunks(_CONTENT, _MAX_BODY)
        containers = ("office.automatic-styles", body)
        seen = 0
        try:
            for parent, item in members(chunks, containers, (), f"{self.source.name}: {_CONTENT}"):
                if parent.tag == body:
                    seen += 1
                    yield item
                elif item.tag == "text.list-style" and item.find("text.list-level-style-number") is not None:
                    self.numbered.add(item.get("style.name", ""))
        except InputError as error:
            if not seen:
                raise
            self.said.append(f"is damaged, not read to its end: {error.message}")

    def _slide(self, number: int, page: Element) -> Iterator[Part]:
        anchor = Anchor(page=number)
        title = ""
        blocks: list[str] = []
        notes = ""
        pictures: list[_Picture] = []
        for item in sorted(page, key=_place):
            kind = item.get("presentation.class")
            if item.tag == "presentation.notes":
                found = [self._plain(frame) for frame in item if frame.get("presentation.class") == "notes"]
                notes = "\n".join(filter(None, found))
                continue
            gathered = list(self._drawn(item))
            words = "\n".join(block.text for block in gathered if isinstance(block, _Block))
            pictures += [block for block in gathered if isinstance(block, _Picture)]
            if kind == "title" and not title:
                title = " ".join(words.split())
            elif words.strip():
                blocks.append(words)
        head = [f"# {title}"] if title else []
        text = "\n\n".join([*head, *blocks, *([f"Notes: {notes}"] if notes else [])])
        if text:
            yield Text(text, anchor, title)
        for picture in pictures:
            image = self._image(picture, anchor, f" on slide {number}")
            if image is not None:
                yield image

    def _blocks(self, item: Element) -> Iterator[_Block | _Picture]:
        tag = item.tag
        if tag in ("text.p", "text.h"):
            text = paragraph_text(item)
            level = _count(item.get("text.outline-level"), 1) if tag == "text.h" else 0
            if text.strip():
                yield _Block("#" * min(level, 6) + " " + " ".join(text.split()) if level else text, level)
            yield from self._asides(item)
        elif tag == "text.list":
            yield from self._list(item, 0, item.get("text.style-name", "") in self.numbered)
        elif tag == "table.table":
            aside: list[_Picture] = []
            text = pipe_table(list(self._rows(item, aside)))
            if text:
                yield _Block(text)
            yield from aside
        elif tag in _THROUGH:
            for child in item:
                yield from self._blocks(child)
        elif tag in _DRAWN:
            yield from self._drawn(item)
        elif tag == _UNDONE:
            self.tracked = True

    def _list(self, item: Element, level: int, is_numbered: bool) -> Iterator[_Block | _Picture]:
        count = 0
        indent = "  " * level
        for entry in item:
            if entry.tag not in ("text.list-item", "text.list-header"):
                continue
            fresh = entry.tag == "text.list-item"
            for child in entry:
                if child.tag == "text.list":
                    yield from self._list(child, level + 1, is_numbered)
                    continue
                for block in self._blocks(child):
                    if isinstance(block, _Block) and not block.level:
                        count += fresh
                        mark = (f"{count}. " if is_numbered else "- ") if fresh else "  "
                        fresh = False
                        hang = "\n" + indent + " " * len(mark)
                        yield _Block(indent + mark + block.text.replace("\n", hang), tight=True)
                    else:
                        yield block

    def _asides(self, item: Element) -> Iterator[_Block | _Picture]:
        """Notes, comments and frames inside of a paragraph, for behind it."""
        for child in item:
            if child.tag == "text.note":
                mark = "".join((child.findtext("text.note-citation") or "").split())
                body = child.find("text.note-body")
                yield _Block(f"[^{mark}]: {self._plain(body) if body is not None else ''}")
            elif child.tag == "office.annotation":
                author = " ".join((child.findtext("dc.creator") or "").split())
                said = " ".join(self._plain(child).split())
                yield _Block(f"(Comment{' by ' + author if author else ''}: {said})")
            elif child.tag in _DRAWN:
                yield from self._drawn(child)
            else:
                yield from self._asides(child)

    def _drawn(self, item: Element) -> Iterator[_Block | _Picture]:
        """Text boxes, tables, formulas and pictures of a frame, a shape or a group of them."""
        alt = item.findtext("svg.desc") or item.findtext("svg.title") or ""
        has_object = False
        for child in item:
            if child.tag == "draw.image":
                if not has_object:
                    yield from self._picture(child, alt)
            elif child.tag in ("draw.object", "draw.object-ole"):
                words = self._object(child)
                has_object = bool(words)
                if words:
                    yield _Block(words)
            elif child.tag == "draw.plugin":
                self.missing.append(f"a recording or video ({child.get('xlink.href', 'unnamed')})")
            elif child.tag == "draw.text-box":
                for inner in child:
                    yield from self._blocks(inner)
            else:
                yield from self._blocks(child)

    def _picture(self, item: Element, alt: str) -> Iterator[_Picture]:
        target = item.get("xlink.href", "")
        if not target:
            self.missing.append("a picture written into the text")
        elif ":" in target.partition("/")[0] or target.startswith(("/", "../")):
            self.pointed += 1
        else:
            yield _Picture(posixpath.normpath(unquote(target)), alt)

    def _object(self, item: Element) -> str:
        """A formula or the table behind a chart; "" for what is neither."""
        target = item.get("xlink.href", "")
        part = posixpath.normpath(f"{target}/content.xml") if target else ""
        if part not in self.archive:
            self.missing.append("an embedded object")
            return ""
        try:
            root = parse(self.archive.read(part, _MAX_XML), f"{self.source.name}: {part}")
        except InputError:
            self.missing.append("an embedded object that is damaged")
            return ""
        if root.tag.startswith("math."):
            return formula(root)
        title = next((paragraph_text(words) for found in root.iter("chart.title") for words in found), "")
        tables = [pipe_table(list(self._rows(table, []))) for table in root.iter("table.table")]
        if not any(tables):
            self.missing.append("an embedded object")
            return ""
        return "\n\n".join(filter(None, (f"Chart: {title}" if title else "Chart", *tables)))

    def _rows(self, table: Element, aside: list[_Picture]) -> Iterator[list[str]]:
        for row in table:
            if row.tag in ("table.table-header-rows", "table.table-rows", "table.table-row-group"):
                yield from self._rows(row, aside)
            elif row.tag == "table.table-row":
                cells: list[str] = []
                for cell in row:
                    if cell.tag not in ("table.table-cell", "table.covered-table-cell"):
                        continue
                    times = min(_count(cell.get("table.number-columns-repeated"), 1), _MAX_SPAN)
                    cells += [self._cell(cell, aside)] * times
                yield cells

    def _cell(self, cell: Element, aside: list[_Picture]) -> str:
        blocks = [block for child in cell for block in self._blocks(child)]
        aside += [block for block in blocks if isinstance(block, _Picture)]
        text = "\n".join(block.text for block in blocks if isinstance(block, _Block))
        return text or cell_text(cell)

    def _plain(self, item: Element) -> str:
        blocks = [block for child in item for block in (*self._blocks(child), *self._inside(child))]
        return "\n".join(block.text for block in blocks if isinstance(block, _Block))

    def _inside(self, item: Element) -> Iterator[_Block | _Picture]:
        if item.tag == "draw.text-box":
            for child in item:
                yield from self._blocks(child)

    def _image(self, picture: _Picture, anchor: Anchor, where: str) -> Image | None:
        if picture.part in self.shown:
            self.again += 1
            return None
        self.shown.add(picture.part)
        name = picture.part.rpartition("/")[2] + where
        if picture.part not in self.archive:
            self.pictures.damaged.append(name)
            return None
        again = self.archive.again(picture.part, _MAX_PICTURE)
        return self.pictures.read(again, name, anchor, picture.alt)


def _refuse_encrypted(source: Source, archive: BoundedZip) -> None:
    """An encrypted OpenDocument file says so in its manifest; its members look like damage."""
    manifest = "META-INF/manifest.xml"
    if manifest in archive and b"encryption-data" in archive.read(manifest, _MAX_XML):
        raise InputError(
            f"{source.name} is encrypted: it opens only with a password",
            "take the password off in its program first",
        )


def _title(archive: BoundedZip) -> str:
    if "meta.xml" not in archive:
        return ""
    try:
        root = parse(archive.read("meta.xml", _MAX_XML), "meta.xml")
    except InputError:
        return ""
    return " ".join("".join(item.text or "" for item in root.iter("dc.title")).split())


def _place(item: Element) -> tuple[float, float]:
    """Where a shape is on its slide, for the order of reading."""
    return _length(item.get("svg.y")), _length(item.get("svg.x"))


def _length(text: str | None) -> float:
    """``2.54cm`` as a number; units within one slide are the same."""
    digits = (text or "").rstrip("abcdefghijklmnopqrstuvwxyz%")
    try:
        return float(digits) if digits else 1e9
    except ValueError:
        return 1e9


def _count(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 7 else default
