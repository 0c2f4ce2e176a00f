"""OpenDocument spreadsheets, row by row in bounded memory."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from gemcli.ingest.cells import Format, Row, Sheet, number_text, shown
from gemcli.ingest.odf_text import paragraph_text
from gemcli.ingest.safe_xml import members
from gemcli.ingest.zipped import BoundedZip

#: Bytes of ``content.xml``; it is read as it is unpacked.
MAX_CONTENT = 1 << 30

_MAX_COLUMNS = 16_384
_MAX_ROWS = 1_048_576
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
        ("style.style", "table.table-row"),
        what,
    )
    for _, group in itertools.groupby(found, key=lambda pair: id(pair[0])):
        first = next(group)
        table = first[0]
        if table.tag != "table.table":
            hidden.update(_hidden(style for _, style in itertools.chain([first], group)))
            continue
        rows = (row for _, row in itertools.chain([first], group))
        yield Sheet(table.get("table.name", ""), _rows(rows), table.get("table.style-name") in hidden)


def _hidden(styles: Iterator[Element]) -> Iterator[str]:
    for style in styles:
        properties = style.find("style.table-properties")
        if properties is not None and properties.get("table.display") == "false":
            yield style.get("style.name", "")


def _rows(rows: Iterator[Element]) -> Iterator[Row]:
    number = 1
    for row in rows:
        times = _times(row.get("table.number-rows-repeated"), _MAX_ROWS)
        cells = list(_cells(row))
        if cells:
            for at in range(number, min(number + times, _MAX_ROWS + 1)):
                yield at, cells
        number += times


def _cells(row: Element) -> Iterator[tuple[int, str]]:
    column = 1
    for cell in row:
        if cell.tag not in ("table.table-cell", "table.covered-table-cell"):
            continue
        times = _times(cell.get("table.number-columns-repeated"), _MAX_COLUMNS)
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
