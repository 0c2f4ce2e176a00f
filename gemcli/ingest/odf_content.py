"""What an OpenDocument text or presentation holds: blocks of text and pictures, in the order of reading."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from gemcli.errors import InputError
from gemcli.ingest.formula import formula
from gemcli.ingest.odf_text import paragraph_text
from gemcli.ingest.ods import cell_text
from gemcli.ingest.office_blocks import Block, Picture
from gemcli.ingest.pipes import pipe_table
from gemcli.ingest.safe_xml import parse
from gemcli.ingest.zipped import BoundedZip

MAX_XML = 16 << 20
_MAX_SPAN = 64
_THROUGH = ("text.section", "text.index-body", "text.table-of-content", "text.alphabetical-index", "draw.a")
_THROUGH += ("text.bibliography", "text.index-title", "text.illustration-index", "text.numbered-paragraph")
_DRAWN = ("draw.frame", "draw.g", "draw.custom-shape", "draw.rect", "draw.ellipse", "draw.line", "draw.path")
_DRAWN += ("draw.connector", "draw.polygon", "draw.caption")
_UNDONE = "text.tracked-changes"


@dataclass(slots=True)
class Content:
    """Reads the elements of one document.

    Attributes:
        name: the document's, for messages.
        archive: what it holds besides.
        numbered: the list styles that number.
        missing: what was not read.
        pointed: pictures that are stored elsewhere.
        tracked: whether there are changes that somebody may still refuse.
    """

    name: str
    archive: BoundedZip
    numbered: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)
    pointed: int = 0
    tracked: bool = False

    def blocks(self, item: Element) -> Iterator[Block | Picture]:
        """A paragraph, a list, a table, a section, or what is drawn, with all that is inside of it."""
        tag = item.tag
        if tag in ("text.p", "text.h"):
            text = paragraph_text(item)
            level = _count(item.get("text.outline-level"), 1) if tag == "text.h" else 0
            if text.strip():
                yield Block("#" * min(level, 6) + " " + " ".join(text.split()) if level else text, level)
            yield from self._asides(item)
        elif tag == "text.list":
            yield from self._list(item, 0, item.get("text.style-name", "") in self.numbered)
        elif tag == "table.table":
            aside: list[Picture] = []
            text = pipe_table(list(self._rows(item, aside)))
            if text:
                yield Block(text)
            yield from aside
        elif tag in _THROUGH:
            for child in item:
                yield from self.blocks(child)
        elif tag in _DRAWN:
            yield from self.drawn(item)
        elif tag == _UNDONE:
            self.tracked = True

    def _list(self, item: Element, level: int, is_numbered: bool) -> Iterator[Block | Picture]:
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
                for block in self.blocks(child):
                    if isinstance(block, Block) and not block.level:
                        count += fresh
                        mark = (f"{count}. " if is_numbered else "- ") if fresh else "  "
                        fresh = False
                        hang = "\n" + indent + " " * len(mark)
                        yield Block(indent + mark + block.text.replace("\n", hang), tight=True)
                    else:
                        yield block

    def _asides(self, item: Element) -> Iterator[Block | Picture]:
        """Notes, comments and frames inside of a paragraph, for behind it."""
        for child in item:
            if child.tag == "text.note":
                mark = "".join((child.findtext("text.note-citation") or "").split())
                body = child.find("text.note-body")
                yield Block(f"[^{mark}]: {self.plain(body) if body is not None else ''}")
            elif child.tag == "office.annotation":
                author = " ".join((child.findtext("dc.creator") or "").split())
                said = " ".join(self.plain(child).split())
                yield Block(f"(Comment{' by ' + author if author else ''}: {said})")
            elif child.tag in _DRAWN:
                yield from self.drawn(child)
            else:
                yield from self._asides(child)

    def drawn(self, item: Element) -> Iterator[Block | Picture]:
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
                    yield Block(words)
            elif child.tag == "draw.plugin":
                self.missing.append(f"a recording or video ({child.get('xlink.href', 'unnamed')})")
            elif child.tag == "draw.text-box":
                for inner in child:
                    yield from self.blocks(inner)
            else:
                yield from self.blocks(child)

    def _picture(self, item: Element, alt: str) -> Iterator[Picture]:
        target = item.get("xlink.href", "")
        if not target:
            self.missing.append("a picture written into the text")
        elif ":" in target.partition("/")[0] or target.startswith(("/", "../")):
            self.pointed += 1
        else:
            yield Picture(posixpath.normpath(unquote(target)), alt)

    def _object(self, item: Element) -> str:
        """A formula or the table behind a chart; "" for what is neither."""
        target = item.get("xlink.href", "")
        part = posixpath.normpath(f"{target}/content.xml") if target else ""
        if part not in self.archive:
            self.missing.append("an embedded object")
            return ""
        try:
            root = parse(self.archive.read(part, MAX_XML), f"{self.name}: {part}")
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

    def _rows(self, table: Element, aside: list[Picture]) -> Iterator[list[str]]:
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

    def _cell(self, cell: Element, aside: list[Picture]) -> str:
        blocks = [block for child in cell for block in self.blocks(child)]
        aside += [block for block in blocks if isinstance(block, Picture)]
        text = "\n".join(block.text for block in blocks if isinstance(block, Block))
        return text or cell_text(cell)

    def plain(self, item: Element) -> str:
        """The text inside of an element."""
        blocks = [block for child in item for block in (*self.blocks(child), *self._inside(child))]
        return "\n".join(block.text for block in blocks if isinstance(block, Block))

    def _inside(self, item: Element) -> Iterator[Block | Picture]:
        if item.tag == "draw.text-box":
            for child in item:
                yield from self.blocks(child)


def _count(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 7 else default
