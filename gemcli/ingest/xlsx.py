"""Excel workbooks (xlsx, xlsm), row by row in bounded memory.

The general readers keep a sheet's whole rectangle in memory, so that two cells far apart fill it, and give
nothing for cells that hold an error; here a sheet is read as it is unpacked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gemcli.errors import InputError
from gemcli.ingest.cells import PLAIN, Format, Row, Sheet, column_number, hidden_note, read_format, shown
from gemcli.ingest.opc import Package
from gemcli.ingest.safe_xml import Events
from gemcli.ingest.xlsx_comments import Comments
from gemcli.ingest.xlsx_strings import Strings, unescaped

#: Bytes of one sheet; it is read as it is unpacked.
MAX_SHEET = 1 << 30

_MAX_LOOK_AHEAD = 64 << 20
_MAX_ROWS = 1_048_576
_MAX_COLUMNS = 16_384
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
_MAX_FILLED = 1_000
_DAMAGED = "fetch it again, or open it in its program and save it anew"

_BUILT_IN = {9: "0%", 10: "0.00%", 14: "yyyy-mm-dd", 20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd h:mm"}
_BUILT_IN |= {
    15: "d-mmm-yy",
    16: "d-mmm",
    17: "mmm-yy",
    18: "h:mm",
    19: "h:mm:ss",
    45: "mm:ss",
    46: "[h]:mm:ss",
}
_BUILT_IN |= dict.fromkeys((*range(27, 32), 36, *range(50, 59)), "yyyy-mm-dd") | {
    46: "[h]:mm:ss",
    47: "mm:ss.0",
}


class Workbook:
    """An open workbook.

    Attributes:
        sheets: (name, part, whether it is hidden), in the order of the workbook.
        charts_only: (name, part) of sheets that are one chart.
    """

    def __init__(self, package: Package, main: str) -> None:
        self._package = package
        root = package.xml(main)
        relations = package.relations(main)
        properties = root.find("x.workbookPr")
        self._epoch_1904 = properties is not None and properties.get("date1904") in ("1", "true")
        self.sheets: list[tuple[str, str, bool]] = []
        self.charts_only: list[tuple[str, str]] = []
        for item in root.findall("x.sheets/x.sheet"):
            relation = relations.get(item.get("r.id", ""))
            name = item.get("name", "")
            if relation is None or relation.external:
                self.sheets.append((name, "", False))
            elif relation.kind == "worksheet":
                self.sheets.append((name, relation.target, item.get("state", "visible") != "visible"))
            else:
                self.charts_only.append((name, relation.target))
        self._formats = _formats(package, main)
        self._strings = Strings(package, main)
        self._comments = Comments(package, main)

    def sheet(self, name: str, part: str, hidden: bool) -> Sheet:
        """One sheet, to be read once.

        Raises:
            InputError: while its rows are taken: it is missing or damaged.
        """
        sheet = Sheet(name, iter(()), hidden)
        sheet.rows = self._rows(part, sheet)
        return sheet

    def _rows(self, part: str, sheet: Sheet) -> Iterator[Row]:
        package = self._package
        comments, lost = self._comments.of(part)
        sheet.comments += comments
        sheet.notes += lost
        fill = self._merged(part)
        reader = _Reader(package.what(part), self._strings.get(), self._formats, self._epoch_1904)
        last: dict[int, str] = {}
        for chunk in package.archive.chunks(part, MAX_SHEET):
            reader.feed(chunk)
            for row, cells in reader.take():
                yield row, _filled(row, cells, fill, last) if fill else cells
        reader.finish()
        sheet.notes += hidden_note(reader.hidden_rows, len(reader.hidden_columns))
        if reader.bare_formulas:
            sheet.notes.append(
                f"{reader.bare_formulas:,} formulas have no stored value and are shown as they are written; "
                "open and save it in a spreadsheet program for their values"
            )

    def _merged(self, part: str) -> dict[int, list[tuple[int, int]]]:
        """Cells merged downwards: column → (first row, last row); they say their value once for many rows."""
        archive = self._package.archive
        if not 0 < archive.size(part) <= _MAX_LOOK_AHEAD:
            return {}
        found: dict[int, list[tuple[int, int]]] = {}
        tail = b""
        for chunk in archive.chunks(part, _MAX_LOOK_AHEAD):
            piece = tail + chunk
            for match in _MERGED.finditer(piece):
                column = column_number(match[1].decode())
                first, last = int(match[2]), int(match[4])
                if first < last <= first + _MAX_FILLED:
                    found.setdefault(column, []).append((first, last))
            tail = piece[piece.rfind(b"<") :][-200:]
        return {column: sorted(set(spans)) for column, spans in found.items()}


def _filled(
    row: int, cells: list[tuple[int, str]], fill: dict[int, list[tuple[int, int]]], last: dict[int, str]
) -> list[tuple[int, str]]:
    """A row with the values of the cells that are merged into it from above."""
    own = dict(cells)
    for column, spans in fill.items():
        while spans and spans[0][1] < row:
            spans.pop(0)
            last.pop(column, None)
        if spans and spans[0][0] == row and column in own:
            last[column] = own[column]
        elif spans and spans[0][0] < row and column in last and own:
            own.setdefault(column, last[column])
    return sorted(own.items())


def _formats(package: Package, main: str) -> dict[str, Format]:
    """The number formats of the cell styles, by the style's number as it is written."""
    root = package.maybe((package.related(main, "styles") or [None])[0])
    if root is None:
        return {}
    codes = dict(_BUILT_IN)
    for item in root.findall("x.numFmts/x.numFmt"):
        codes[_number(item.get("numFmtId"))] = item.get("formatCode", "")
    styles = root.findall("x.cellXfs/x.xf")
    return {
        str(at): read_format(codes.get(_number(item.get("numFmtId")), "")) for at, item in enumerate(styles)
    }


class _Reader(Events):
    """Takes cells out of a sheet's XML by expat's events alone: trees would be several times slower."""

    def __init__(self, what: str, strings: list[str], formats: dict[str, Format], epoch_1904: bool) -> None:
        super().__init__(what)
        self.bare_formulas = 0
        self.hidden_rows = 0
        self.hidden_columns: set[int] = set()
        self._strings = strings
        self._formats = formats
        self._epoch_1904 = epoch_1904
        self._row = 0
        self._is_hidden = False
        self._unseen: set[int] = set()
        self._column = 0
        self._kind = "n"
        self._style = ""
        self._names: dict[str, str] = {}
        self._value = ""
        self._formula = ""
        self._inline = ""
        self._cells: list[tuple[int, str]] = []
        self._done: list[Row] = []
        self._phonetic = 0
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def take(self) -> list[Row]:
        """The rows that have become complete."""
        done, self._done = self._done, []
        return done

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self.texts:
            self.texts.clear()
        name = self._names.get(tag) or self._local(tag)
        if name == "c":
            get = attributes.get
            column = column_number(get("r", "").rstrip("0123456789"))
            self._column = column if self._column < column <= _MAX_COLUMNS else self._column + 1
            if self._column > _MAX_COLUMNS:
                raise InputError(f"{self.what} is damaged: row {self._row:,} has too many columns", _DAMAGED)
            self._kind = get("t", "n")
            self._style = get("s", "")
            self._value = self._formula = self._inline = ""
        elif name == "row":
            row = _number(attributes.get("r"))
            self._row = row if self._row < row <= _MAX_ROWS else self._row + 1
            self._is_hidden = attributes.get("hidden") in ("1", "true")
            self._column = 0
            self._cells = []
        elif name == "rPh":
            self._phonetic += 1
        elif name == "col" and attributes.get("hidden") in ("1", "true"):
            last = min(_number(attributes.get("max")), _MAX_COLUMNS)
            self._unseen.update(range(_number(attributes.get("min"), 1), last + 1))

    def _end(self, tag: str) -> None:
        name = self._names.get(tag) or self._local(tag)
        if name == "c":
            text = self._shown()
            if text and not text.isspace():
                self._cells.append((self._column, text))
        elif name == "v":
            self._value = "".join(self.texts)
        elif name == "t":
            if not self._phonetic:
                self._inline += "".join(self.texts)
        elif name == "f":
            self._formula = "".join(self.texts)
        elif name == "row":
            if self._cells:
                self._done.append((self._row, self._cells))
                self.hidden_rows += self._is_hidden
                if self._unseen:
                    self.hidden_columns.update(at for at, _ in self._cells if at in self._unseen)
                self._cells = []
        elif name == "rPh":
            self._phonetic = max(0, self._phonetic - 1)
        if self.texts:
            self.texts.clear()

    def _local(self, tag: str) -> str:
        name = tag.rpartition("}")[2]
        if len(self._names) < 1_000:
            self._names[tag] = name
        return name

    def _shown(self) -> str:
        kind, value = self._kind, self._value
        if not value:
            if kind == "inlineStr":
                return unescaped(self._inline)
            if self._formula and kind != "str":
                self.bare_formulas += 1
                return f"={self._formula}"
            return ""
        if kind == "n":
            if value.isascii() and value.isdecimal() and len(value) < 15 and not self._style:
                return value
            try:
                number = float(value)
            except ValueError:
                return value
            return shown(number, self._formats.get(self._style, PLAIN), self._epoch_1904)
        if kind == "s":
            at = _number(value, -1)
            return self._strings[at] if 0 <= at < len(self._strings) else f"#STRING {value}"
        if kind == "b":
            return "TRUE" if value.strip() in ("1", "true") else "FALSE"
        if kind == "d":
            return value.replace("T", " ").removesuffix("Z").removesuffix(" 00:00:00")
        return unescaped(value)


def _number(text: str | None, default: int = 0) -> int:
    return int(text) if text and len(text) < 10 and text.isascii() and text.isdecimal() else default
