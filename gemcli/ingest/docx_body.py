"""The body of a Word document as blocks of Markdown-like text and the pictures between them.

What is shown is read: insertions and moves are taken as accepted, what was deleted and what is hidden is left
out, fields give their result.  Footnotes and comments stand behind their paragraph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from gemcli.ingest.charts import chart_text
from gemcli.ingest.docx_styles import Numbering, Styles, is_on, number
from gemcli.ingest.formula import formula
from gemcli.ingest.office_blocks import Block, Picture
from gemcli.ingest.opc import Package
from gemcli.ingest.pipes import pipe_table
from gemcli.ingest.slide import diagram_text

_THROUGH = ("w.hyperlink", "w.ins", "w.moveTo", "w.smartTag", "w.sdt", "w.sdtContent", "w.customXml")
_THROUGH += ("w.fldSimple", "w.dir", "w.bdo", "w.ruby", "w.rubyBase")
_GONE = ("w.del", "w.moveFrom")
_BREAKS = {"w.tab": "\t", "w.cr": "\n", "w.noBreakHyphen": "-", "w.ptab": "\t"}
_SYMBOLS = {0xB7: "•", 0xA7: "▪", 0xFC: "✓", 0xFB: "✗", 0xFE: "☑", 0xA8: "☐", 0x6F: "☐", 0xE0: "→"}
_MAX_SPAN = 64  # columns that one cell takes; Word has no more
_PRIVATE = 0xF000


@dataclass(slots=True)
class Body:
    """Reads the children of a body, one after the other.

    Attributes:
        package, part: the document's package and the part that the children are in.
        notes, comments: by their ids, the part and the element; those not yet shown.
        tracked, hidden, pointed: counts of tracked changes, of characters that are hidden, and of pictures
            that are stored elsewhere.
        missing: what is shown and cannot be read, one phrase each.
    """

    package: Package
    part: str
    styles: Styles
    numbering: Numbering
    notes: dict[str, tuple[str, Element]] = field(default_factory=dict)
    comments: dict[str, tuple[str, Element]] = field(default_factory=dict)
    tracked: int = 0
    hidden: int = 0
    pointed: int = 0
    missing: list[str] = field(default_factory=list)
    _aside: list[Block | Picture] = field(default_factory=list)

    def blocks(self, item: Element) -> Iterator[Block | Picture]:
        """What one child of a body gives."""
        if item.tag == "w.p":
            yield from self._paragraph(item)
        elif item.tag == "w.tbl":
            text = pipe_table(self._rows(item))
            if text:
                yield Block(text)
            yield from self._take()
        elif item.tag in _GONE:
            self.tracked += 1
        elif item.tag == "mc.AlternateContent":
            for branch in self._branch(item):
                yield from self.blocks(branch)
        elif item.tag == "w.altChunk":
            self.missing.append("a part in another format (altChunk)")
        elif item.tag in ("m.oMathPara", "m.oMath"):
            yield Block(formula(item))
        elif item.tag in _THROUGH:
            for child in item:
                yield from self.blocks(child)

    def plain(self, item: Element) -> str:
        """The text of a note, a header or a cell: its blocks, a line each; its pictures stay aside."""
        lines: list[str] = []
        for child in item:
            for block in self.blocks(child):
                if isinstance(block, Block):
                    lines.append(block.text)
                else:
                    self._aside.append(block)
        return "\n".join(filter(str.strip, lines))

    def _take(self) -> list[Block | Picture]:
        taken, self._aside = self._aside, []
        return taken

    def _paragraph(self, item: Element) -> Iterator[Block | Picture]:
        outer, self._aside = self._aside, []
        properties = item.find("w.pPr")
        text = "".join(self._runs(item)).strip("\n ")
        level = self.styles.heading(properties)
        listed = self.styles.list_of(properties)
        aside, self._aside = self._aside, outer
        if text.strip():
            label = self.numbering.label(*listed) if listed else ""
            if level:
                words = " ".join(text.split())
                label = "" if label == "-" else label
                yield Block("#" * min(level, 6) + " " + " ".join(filter(None, (label, words))), level)
            elif listed:
                indent = "  " * listed[1]
                mark = f"{indent}{label} " if label else indent
                yield Block(mark + text.replace("\n", "\n" + " " * len(mark)), tight=True)
            else:
                yield Block(text)
        yield from aside

    def _runs(self, item: Element) -> Iterator[str]:
        for child in item:
            tag = child.tag
            if tag == "w.r":
                if self._is_hidden(child):
                    self.hidden += sum(len(text.text or "") for text in child.iter("w.t"))
                else:
                    yield from self._run(child)
            elif tag == "w.hyperlink":
                yield self._link(child)
            elif tag in _THROUGH:
                self.tracked += tag in ("w.ins", "w.moveTo")
                yield from self._runs(child)
            elif tag in _GONE:
                self.tracked += 1
            elif tag == "mc.AlternateContent":
                yield from self._runs_of_branch(child)
            elif tag in ("m.oMath", "m.oMathPara"):
                yield formula(child)

    def _run(self, run: Element) -> Iterator[str]:
        for child in run:
            tag = child.tag
            if tag == "w.t":
                yield child.text or ""
            elif tag in _BREAKS:
                yield _BREAKS[tag]
            elif tag == "w.br":
                yield "\n" if child.get("w.type") in (None, "textWrapping") else ""
            elif tag == "w.sym":
                yield _symbol(child.get("w.char", ""))
            elif tag in ("w.footnoteReference", "w.endnoteReference"):
                yield self._note(child)
            elif tag == "w.commentReference":
                self._comment(child.get("w.id", ""))
            elif tag in ("w.drawing", "w.pict", "w.object"):
                self._drawing(child)
            elif tag == "w.ruby":
                yield from self._runs(child)
            elif tag == "mc.AlternateContent":
                for branch in self._branch(child):
                    yield from self._run_of(branch)

    def _run_of(self, item: Element) -> Iterator[str]:
        holder = Element("w.r")
        holder.append(item)
        yield from self._run(holder)

    def _runs_of_branch(self, item: Element) -> Iterator[str]:
        for branch in self._branch(item):
            holder = Element("w.p")
            holder.append(branch)
            yield from self._runs(holder)

    def _branch(self, item: Element) -> Iterator[Element]:
        """The content of the first branch that shows something that is known; the last is the fallback."""
        for branch in item:
            if branch.tag == "mc.Fallback" or any(child.tag in _KNOWN for child in branch.iter()):
                yield from branch
                return

    def _link(self, item: Element) -> str:
        text = "".join(self._runs(item))
        relation = self.package.relations(self.part).get(item.get("r.id", ""))
        if relation is None or not relation.external or not text.strip() or relation.target in text:
            return text
        return f"[{text}]({relation.target})"

    def _note(self, reference: Element) -> str:
        kind = "e" if reference.tag == "w.endnoteReference" else ""
        key = kind + reference.get("w.id", "")
        note = self.notes.pop(key, None)  # so that one that refers to itself ends here
        if note is not None:
            self._aside.append(Block(f"[^{key}]: {self._elsewhere(*note)}"))
        return f"[^{key}]"

    def _comment(self, key: str) -> None:
        comment = self.comments.pop(key, None)
        if comment is not None:
            author = " ".join(comment[1].get("w.author", "").split())
            said = " ".join(self._elsewhere(*comment).split())
            if said:
                self._aside.append(Block(f"(Comment{' by ' + author if author else ''}: {said})"))

    def _elsewhere(self, part: str, item: Element) -> str:
        """The text of a note or comment, whose links are those of another part."""
        here, self.part = self.part, part
        try:
            return self.plain(item)
        finally:
            self.part = here

    def _drawing(self, item: Element) -> None:
        """Pictures, charts, diagrams and the text boxes among what is drawn, for behind the paragraph."""
        about = next((found for found in item.iter("wp.docPr")), None)
        alt = (about.get("descr") or about.get("title") or "") if about is not None else ""
        for found in _outside_boxes(item):
            if found.tag == "w.txbxContent":
                text = self.plain(found)
                if text:
                    self._aside.append(Block(text))
            elif found.tag == "a.blip":
                self._picture(found.get("r.embed") or found.get("r.link"), alt)
            elif found.tag == "v.imagedata":
                self._picture(found.get("r.id"), alt or found.get("o.title", ""))
            elif found.tag in ("c.chart", "cx.chart"):
                self._chart(found)
            elif found.tag == "dgm.relIds":
                root = self._related(found.get("r.dm"))
                text = diagram_text(root)
                if text:
                    self._aside.append(Block(text))
            elif found.tag == "o.OLEObject":
                self.missing.append(f"an embedded object ({found.get('ProgID') or 'unknown'})")

    def _picture(self, key: str | None, alt: str) -> None:
        relation = self.package.relations(self.part).get(key or "")
        if relation is None:
            return
        if relation.external:
            self.pointed += 1
        else:
            self._aside.append(Picture(relation.target, alt))

    def _chart(self, item: Element) -> None:
        root = self._related(item.get("r.id"))
        text = chart_text(root) if root is not None else ""
        if text:
            self._aside.append(Block(text))
        else:
            self.missing.append("a chart without data")

    def _related(self, key: str | None) -> Element | None:
        relation = self.package.relations(self.part).get(key or "")
        return self.package.maybe(relation.target) if relation and not relation.external else None

    def _rows(self, table: Element) -> list[list[str]]:
        rows: list[list[str]] = []
        for row in _inside(table, "w.tr"):
            if row.find("w.trPr/w.del") is not None:
                self.tracked += 1
                continue
            cells = [""] * min(number(_of(row, "w.trPr/w.gridBefore")) or 0, _MAX_SPAN)
            for cell in _inside(row, "w.tc"):
                merge = cell.find("w.tcPr/w.vMerge")
                goes_on = merge is not None and merge.get("w.val") != "restart"
                cells.append("" if goes_on else self.plain(cell))
                span = number(_of(cell, "w.tcPr/w.gridSpan")) or 1
                cells += [""] * (min(span, _MAX_SPAN) - 1)
            rows.append(cells)
        return rows

    def _is_hidden(self, run: Element) -> bool:
        properties = run.find("w.rPr")
        if properties is None:
            return False
        own = properties.find("w.vanish")
        if own is not None:
            return is_on(own)
        style = properties.find("w.rStyle")
        return style is not None and self.styles.is_hidden(style.get("w.val", ""))


_KNOWN = ("w.t", "w.txbxContent", "a.blip", "c.chart", "cx.chart", "dgm.relIds", "v.imagedata", "m.oMath")


def _outside_boxes(item: Element) -> Iterator[Element]:
    """All below an element, but nothing inside a text box, and of alternatives one."""
    for child in item:
        if child.tag == "mc.AlternateContent":
            branches = [branch for branch in child if any(found.tag in _KNOWN for found in branch.iter())]
            yield from _outside_boxes(branches[0]) if branches else ()
            continue
        yield child
        if child.tag != "w.txbxContent":
            yield from _outside_boxes(child)


def _inside(item: Element, tag: str) -> Iterator[Element]:
    """Rows of a table or cells of a row, also those inside content controls."""
    for child in item:
        if child.tag == tag:
            yield child
        elif child.tag in _THROUGH:
            yield from _inside(child, tag)


def _of(item: Element, path: str) -> str:
    found = item.find(path)
    return "" if found is None else found.get("w.val", "")


def _symbol(code: str) -> str:
    try:
        value = int(code, 16)
    except ValueError:
        return ""
    if value >= _PRIVATE:
        return _SYMBOLS.get(value - _PRIVATE, "•" if value - _PRIVATE > 0x7E else chr(value - _PRIVATE))
    return chr(value)
