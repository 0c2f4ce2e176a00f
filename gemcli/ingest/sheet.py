"""Spreadsheets (xlsx, xlsm, ods, xls): each sheet's rows, then its charts and pictures where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from gemcli.errors import InputError, UsageError
from gemcli.ingest import ods
from gemcli.ingest.cells import Aside, Row, Sheet, cell_range, external_note
from gemcli.ingest.charts import chart_text
from gemcli.ingest.embedded import Pictures
from gemcli.ingest.opc import Package
from gemcli.ingest.rows import MAX_CELLS, Blocks
from gemcli.ingest.source import EmptyError, Report, Source
from gemcli.ingest.xlsx import Workbook
from gemcli.ingest.zipped import BoundedZip, open_zip
from gemcli.parts import Anchor, Document, Part, Text

_XLSX_MAIN = "xl/workbook.xml"
_ODS = "application/vnd.oasis.opendocument.spreadsheet"
_OLE = "application/x-ole-storage"
_MAX_PICTURE = 64 << 20


def read(source: Source, report: Report) -> Document:
    """Read a workbook; `report` counts rows, of which the total is not known before the end.

    Raises:
        InputError: it is protected, damaged, empty, or holds more than `MAX_CELLS` cells.
        UsageError: pages or lines of it are asked for.
    """
    selection = source.selection
    if selection is not None and (selection.unit == "line" or selection.exact):
        raise UsageError(
            f"{source.name} is a spreadsheet: it has cells, not {selection.unit}s",
            "leave the range out, or save the sheet that matters as CSV",
        )
    sha256 = source.sha256()
    reader = _Reader(source, report)
    if source.media_type == _OLE:
        reader.old()
    else:
        with open_zip(source) as archive:
            reader.warnings += archive.warnings
            if "xl/workbook.bin" in archive:
                raise InputError(f"{source.name} is a binary workbook (xlsb), which is not read", _CONVERT)
            if source.media_type == _ODS or "content.xml" in archive:
                for sheet in ods.sheets(archive, f"{source.name}: content.xml"):
                    reader.add(sheet)
                    reader.pictured(archive, sheet)
            else:
                reader.workbook(Package(archive, source.name))
    if not reader.parts:
        raise EmptyError(f"{source.name} is empty: no cell of it holds anything")
    return Document(
        source=source.name,
        media_type=source.media_type,
        sha256=sha256,
        parts=tuple(reader.parts),
        warnings=(*reader.warnings, *reader.pictures.warnings()),
        meta={"sheets": reader.names, "cells": reader.cells},
    )


_CONVERT = "save it as xlsx first: libreoffice --convert-to xlsx FILE"


@dataclass(slots=True)
class _Reader:
    """Gathers the parts of one workbook."""

    source: Source
    report: Report
    parts: list[Part] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    cells: int = 0
    rows: int = 0
    pictures: Pictures = field(default_factory=Pictures)

    def add(self, sheet: Sheet) -> None:
        """Read a sheet."""
        self.names.append(sheet.name)
        before = len(self.parts)
        blocks = Blocks(sheet.name, self.parts, sheet.hidden, sheet.comments)
        try:
            for row in sheet.rows:
                self._count(sheet, row)
                blocks.add(row)
        except InputError as error:
            blocks.finish()
            if len(self.parts) == before or self.cells > MAX_CELLS:
                raise
            self.warnings.append(
                f"is damaged: sheet {sheet.name} is read as far as row {blocks.last}: {error.message}"
            )
        blocks.finish()
        blocks.comment()
        if sheet.hidden and len(self.parts) > before:
            self.warnings.append(f"sheet {sheet.name} is hidden, but read")
        self.warnings += [f"sheet {sheet.name}: {note}" for note in sheet.notes]

    def workbook(self, package: Package) -> None:
        """Read an xlsx workbook, damaged sheets left out as long as others can be read."""
        book = Workbook(package, package.main(_XLSX_MAIN))
        errors: list[InputError] = []
        for name, part, hidden in book.sheets:
            try:
                self.add(book.sheet(name, part, hidden))
            except InputError as error:
                if self.cells > MAX_CELLS:
                    raise
                errors.append(error)
                self.warnings.append(f"sheet {name} is damaged and not read: {error.message}")
            self._drawings(package, name, part)
        for name, part in book.charts_only:
            self.names.append(name)
            self._drawings(package, name, part)
        if errors and not self.parts:
            raise errors[0]

    def old(self) -> None:
        """Read what is in the container of older Office programs, if it is a workbook."""
        from gemcli.ingest.ole import sheets

        for sheet in sheets(self.source):
            self.add(sheet)

    def _count(self, sheet: Sheet, row: Row) -> None:
        self.cells += len(row[1])
        self.rows += 1
        if self.rows % 1000 == 0:
            self.report(self.rows, 0)
        if self.cells > MAX_CELLS:
            raise InputError(
                f"{self.source.name} holds more than {MAX_CELLS:,} filled cells; they are reached in row "
                f"{row[0]:,} of sheet {sheet.name}: that cannot be read at once",
                "give the rows that matter, for example as CSV",
            )

    def pictured(self, archive: BoundedZip, sheet: Sheet) -> None:
        """Read the pictures in a sheet's cells, behind its rows."""
        for aside in sheet.pictures:
            self._picture(archive, sheet.name, aside)

    def _picture(self, archive: BoundedZip, sheet: str, aside: Aside) -> None:
        place = (aside.row, aside.column)
        anchor = Anchor(cell=cell_range(sheet, place, place))
        short = f"{aside.target.rpartition('/')[2]} at {anchor.label()}"
        if aside.target not in archive:
            self.pictures.damaged.append(short)
            return
        image = self.pictures.read(archive.again(aside.target, _MAX_PICTURE), short, anchor, aside.text)
        if image is not None:
            self.parts.append(image)

    def _drawings(self, package: Package, name: str, part: str) -> None:
        """The charts and pictures on a sheet: behind its cells."""
        outside = 0
        for drawing in package.related(part, "drawing"):
            root = package.maybe(drawing)
            for place in root if root is not None else ():
                row = int(place.findtext("xdr.from/xdr.row") or 0) + 1 if _is_placed(place) else 1
                column = int(place.findtext("xdr.from/xdr.col") or 0) + 1 if _is_placed(place) else 1
                outside += self._drawn(package, drawing, place, (row, column), name)
        if outside:
            self.warnings.append(f"sheet {name}: {external_note(outside)}")

    def _drawn(self, package: Package, drawing: str, place: Element, cell: tuple[int, int], name: str) -> int:
        """What one frame of a drawing shows; how many pictures in it are outside of the file."""
        relations = package.relations(drawing)
        outside = 0
        for item in _shown(place):
            if item.tag in ("c.chart", "cx.chart"):
                relation = relations.get(item.get("r.id", ""))
                root = None if relation is None or relation.external else package.maybe(relation.target)
                text = chart_text(root) if root is not None else ""
                anchor = Anchor(cell=cell_range(name, cell, cell))
                if text:
                    self.parts.append(Text(text + "\n\n", anchor, name))
                else:
                    self.warnings.append(f"sheet {name}: a chart at {anchor.label()} is not read")
            elif item.tag == "xdr.sp":
                lines = ("".join(run.text or "" for run in words.iter("a.t")) for words in item.iter("a.p"))
                said = " ".join(" ".join(lines).split())
                if said:
                    anchor = Anchor(cell=cell_range(name, cell, cell))
                    self.parts.append(Text(f"text box: {said}\n\n", anchor, name))
            elif item.tag == "a.blip":
                relation = relations.get(item.get("r.embed") or item.get("r.link") or "")
                if relation is not None and relation.external:
                    outside += 1
                elif relation is not None:
                    about = next((found for found in place.iter("xdr.cNvPr")), None)
                    alt = about.get("descr", "") if about is not None else ""
                    self._picture(package.archive, name, Aside(*cell, alt, relation.target))
        return outside


def _shown(place: Element) -> Iterator[Element]:
    """What is in a frame, without what is there for programs that do not know the rest."""
    yield place
    for child in place:
        if child.tag != "mc.Fallback":
            yield from _shown(child)


def _is_placed(place: Element) -> bool:
    texts = (place.findtext("xdr.from/xdr.row") or "", place.findtext("xdr.from/xdr.col") or "")
    return all(text.isascii() and text.isdecimal() and len(text) < 8 for text in texts)
