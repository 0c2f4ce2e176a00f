"""OpenDocument spreadsheets, row by row in bounded memory."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from gemcli.ingest.cells import (
    Aside,
    Format,
    Row,
    Sheet,
    comment_text,
    external_note,
    hidden_note,
    number_text,
    shown,
)
from gemcli.ingest.odf_text import paragraph_text
from gemcli.ingest.safe_xml import members
from gemcli.ingest.zipped import BoundedZip
from gemcli.plural import counted

#: Bytes of ``content.xml``; it is read as it is unpacked.
MAX_CONTENT = 1 << 30

_MAX_COLUMNS = 16_384
_MAX_ROWS = 1_048_576
_UNSEEN = ("collapse", "filter")
_DURATION = re.compile(r"(-?)P(?:(\d{1,9})D)?T?(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:[.,]\d*)?S)?")


def sheets(archive: BoundedZip, what: str) -> Iterator[Sheet]:
    """The sheets with any row, in order; each one's rows are to be taken before the next sheet is.

    Raises:
        InputError: ``content.xml`` is missing or damaged, also behind the first rows.
    """
    hidden: set[str] = set()
    found = members(
        archive.chunks("content.xml", MAX_CONTENT),
        ("office.automatic-styles", "table.table"),
        ("style.style", "table.table-row", "table.shapes"),
        what,
    )
    for _, group in itertools.groupby(found, key=lambda pair: id(pair[0])):
        first = next(group)
        table = first[0]
        if table.tag != "table.table":
            hidden.update(_hidden(style for _, style in itertools.chain([first], group)))
            continue
        sheet = Sheet(table.get("table.name", ""), iter(()), table.get("table.style-name") in hidden)
        sheet.rows = _rows(table, (row for _, row in itertools.chain([first], group)), sheet)
        yield sheet


def _hidden(styles: Iterator[Element]) -> Iterator[str]:
    for style in styles:
        properties = style.find("style.table-properties")
        if properties is not None and properties.get("table.display") == "false":
            yield style.get("style.name", "")


def _rows(table: Element, rows: Iterator[Element], sheet: Sheet) -> Iterator[Row]:
    unseen: set[int] | None = None
    hidden_rows = 0
    hidden_columns: set[int] = set()
    asides = _Asides(sheet)
    number = 1
    for row in rows:
        if row.tag == "table.shapes":  # they stand on the sheet, above its first row
            asides.take(row, 1, 1)
            continue
        if unseen is None:
            unseen = _unseen(table)
        times = _times(row.get("table.number-rows-repeated"), _MAX_ROWS)
        cells = list(_cells(row, number, asides))
        if cells:
            last = min(number + times, _MAX_ROWS + 1)
            if row.get("table.visibility") in _UNSEEN:
                hidden_rows += max(0, last - number)
            if unseen:
                hidden_columns.update(column for column, _ in cells if column in unseen)
            for at in range(number, last):
                yield at, cells
        number += times
    sheet.notes += hidden_note(hidden_rows, len(hidden_columns))
    sheet.notes += asides.notes()


def _unseen(table: Element) -> set[int]:
    """The columns that are not shown, as far as they are declared before the first row, as they must be."""
    found: set[int] = set()
    number = 1
    for column in table.iter("table.table-column"):
        if number > _MAX_COLUMNS:
            break
        times = _times(column.get("table.number-columns-repeated"), _MAX_COLUMNS)
        if column.get("table.visibility") in _UNSEEN:
            found.update(range(number, min(number + times, _MAX_COLUMNS + 1)))
        number += times
    return found


class _Asides:
    """Takes comments and pictures out of the cells of one sheet."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._external = 0
        self._objects = 0

    def take(self, item: Element, row: int, column: int) -> None:
        """Take what stands in a cell without being its value."""
        for child in item:
            if child.tag == "office.annotation":
                said = " ".join(paragraph_text(words) for words in child.iter("text.p"))
                text = comment_text(said, child.findtext("dc.creator") or "")
                if text:
                    self._sheet.comments.append(Aside(row, column, text))
            elif child.tag.startswith("draw."):
                said = " ".join(filter(None, (paragraph_text(words) for words in child.iter("text.p"))))
                if said:
                    self._sheet.comments.append(Aside(row, column, f"text box: {said}"))
                for frame in child.iter("draw.frame"):
                    self._frame(frame, row, column)

    def notes(self) -> list[str]:
        """A sentence about each kind of thing that was not taken."""
        said: list[str] = []
        if self._external:
            said.append(external_note(self._external))
        if self._objects:
            said.append(f"{counted(self._objects, 'embedded object')} (such as charts) not read")
        return said

    def _frame(self, frame: Element, row: int, column: int) -> None:
        if frame.find("draw.object") is not None or frame.find("draw.object-ole") is not None:
            self._objects += 1
            return
        alt = frame.findtext("svg.desc") or frame.findtext("svg.title") or ""
        for image in frame.findall("draw.image"):
            target = image.get("xlink.href", "")
            if ":" in target.partition("/")[0] or target.startswith(("/", "../")):
                self._external += 1
            elif target:
                name = posixpath.normpath(unquote(target))
                self._sheet.pictures.append(Aside(row, column, alt, name))
                break  # those behind it are the same in other formats


def _cells(row: Element, number: int, asides: _Asides) -> Iterator[tuple[int, str]]:
    column = 1
    for cell in row:
        if cell.tag not in ("table.table-cell", "table.covered-table-cell"):
            continue
        times = _times(cell.get("table.number-columns-repeated"), _MAX_COLUMNS)
        if len(cell):
            asides.take(cell, number, column)
        text = cell_text(cell)
        if text.strip():
            for at in range(column, min(column + times, _MAX_COLUMNS + 1)):
                yield at, text
        column += times


def cell_text(cell: Element) -> str:
    """A cell's value as text."""
    written = "\n".join(paragraph_text(item) for item in cell.findall("text.p"))
    kind = cell.get("office.value-type")
    if kind in (None, "string") or written.startswith(("#", "Err:")):
        return written or cell.get("office.string-value", "")
    if kind == "boolean":
        return cell.get("office.boolean-value", written).upper()
    if kind == "date":
        return cell.get("office.date-value", written).replace("T", " ").removesuffix(" 00:00:00")
    if kind == "time":
        return _duration(cell.get("office.time-value", "")) or written
    try:
        value = float(cell.get("office.value", ""))
    except ValueError:
        return written
    if kind == "percentage":
        return shown(value, Format(percent=0))
    currency = cell.get("office.currency", "")
    return f"{number_text(value)} {currency}".strip() if value == value else written


def _duration(text: str) -> str:
    """``PT13H05M00S`` → ``13:05:00``."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return ""
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
    return f"{match[1]}{days * 24 + hours:02d}:{minutes:02d}:{seconds:02d}"


def _times(text: str | None, most: int) -> int:
    if not text or not text.isascii() or not text.isdecimal():
        return 1
    return max(1, min(int(text[:10]), most))
