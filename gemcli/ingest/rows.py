"""Rows of a table as texts: blocks with the exact range of the cells that they show.

A row is its cells' texts between pipes.  Rows and columns at the edges that hold nothing are left out, empty
rows between others are one blank line.  Where a table has a row of column names, the blocks below it carry it
in their heading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from gemcli.ingest.cells import Aside, Row, cell_range, column_name
from gemcli.ingest.pipes import pipe_cell
from gemcli.parts import JOINT, Anchor, Part, Text

#: Filled cells that are read at most of one file; as text they are some ten million tokens.
MAX_CELLS = 5_000_000

_BLOCK_ROWS = 50
_BLOCK_CHARS = 6_000
_HEAD_WITHIN = 10  # rows at the top among which column names are looked for
_FAR = 100  # empty columns
_HEADING_CHARS = 600
_VALUE = re.compile(r"[-+]?[$€£]?[0-9][0-9.,:%-]*(\s|$)|TRUE$|FALSE$|#")
_YEAR = re.compile(r"(19|20)[0-9]{2}")


@dataclass(slots=True)
class Blocks:
    """Cuts the rows of one sheet into texts.

    Attributes:
        name: the sheet's; "" for a table that is none.
        parts: where the texts are added.
        hidden: whether its program does not show the sheet.
        comments: on its cells, in the order of rows; they are added behind the texts of their rows.
        last: the number of the last row that was added.
    """

    name: str
    parts: list[Part]
    hidden: bool = False
    comments: list[Aside] = field(default_factory=list)
    last: int = 0
    _rows: list[Row] = field(default_factory=list)
    _size: int = 0
    _left: int = 0
    _heading: str | None = None
    _begun: bool = False
    _said: int = 0

    def add(self, row: Row) -> None:
        """Add the next row."""
        waiting = self._rows[0][1][0][0] if self._rows else 0
        if _is_far(row[1], self._left or waiting):
            self.finish()
            for piece in _pieces(row[1]):
                self._emit([(row[0], piece)], piece[0][0])
            self.last = row[0]
            self.comment(row[0])
            return
        size = sum(len(text) + 3 for _, text in row[1])
        if self._rows and (len(self._rows) >= _BLOCK_ROWS or self._size + size > _BLOCK_CHARS):
            self.finish()
        self._rows.append(row)
        self._size += size
        self.last = row[0]

    def name_columns(self, rows: list[Row]) -> None:
        """Tell the first rows, where they are not the first that are added: for the names of the columns."""
        left = min((cells[0][0] for _, cells in rows), default=1)
        self._heading = JOINT.join(filter(None, (self.name, column_names(rows, left))))

    def finish(self) -> None:
        """Make a text of the rows that wait."""
        rows = self._rows
        if not rows:
            return
        left = min(cells[0][0] for _, cells in rows)
        self._left = min(self._left, left) if self._left else left
        if len(rows) == 1 and self._size > _BLOCK_CHARS:
            for piece in _pieces(rows[0][1]):
                self._emit([(rows[0][0], piece)], piece[0][0])
        else:
            self._emit(rows, self._left)
        self._rows = []
        self._size = 0
        self.comment(rows[-1][0])

    def comment(self, row: int | None = None) -> None:
        """Make texts of the comments that wait, those up to a row."""
        asides: list[Aside] = []
        lines: list[str] = []
        size = 0
        for at in range(self._said, len(self.comments)):
            aside = self.comments[at]
            if row is not None and aside.row > row:
                break
            line = f"{column_name(aside.column)}{aside.row}: {aside.text}"
            if lines and size + len(line) > _BLOCK_CHARS:
                self._emit_comments(asides, lines)
                asides, lines, size = [], [], 0
            asides.append(aside)
            lines.append(line)
            size += len(line) + 1
            self._said += 1
        if lines:
            self._emit_comments(asides, lines)

    def _emit_comments(self, asides: list[Aside], lines: list[str]) -> None:
        columns = [aside.column for aside in asides]
        place = cell_range(self.name, (asides[0].row, min(columns)), (asides[-1].row, max(columns)))
        text = self._head() + "\n".join(lines) + "\n\n"
        self.parts.append(Text(text, Anchor(cell=place), self._heading or self.name))

    def _emit(self, rows: list[Row], left: int) -> None:
        lines: list[str] = []
        before = rows[0][0] - 1
        for number, cells in rows:
            if number > before + 1:
                lines.append("")
            before = number
            lines.append(row_text(cells, left))
        right = max(cells[-1][0] for _, cells in rows)
        first = min(cells[0][0] for _, cells in rows)
        anchor = Anchor(cell=cell_range(self.name, (rows[0][0], first), (rows[-1][0], right)))
        heading = self.name if self._heading is None else self._heading
        if self._heading is None:
            self.name_columns(rows)
        self.parts.append(Text(self._head() + "\n".join(lines) + "\n\n", anchor, heading))

    def _head(self) -> str:
        """The sheet's name above its first text."""
        if self._begun or not self.name:
            return ""
        self._begun = True
        return f"## {self.name}{' (hidden sheet)' if self.hidden else ''}\n\n"


def row_text(cells: list[tuple[int, str]], left: int) -> str:
    """A row's cells from column `left` on, between pipes; empty cells behind the last one are left out."""
    texts: list[str] = []
    for column, text in cells:
        texts += [""] * (column - left - len(texts))
        texts.append(pipe_cell(text))
    return " | ".join(texts)


def column_names(rows: list[Row], left: int) -> str:
    """The row of column names among the first rows, as `row_text` writes it; "" where none looks like it.

    It is the first one with at least two cells and most of the width of the rows below it, all different and
    none of them a number or a date.
    """
    for at, (_, cells) in enumerate(rows[:_HEAD_WITHIN]):
        below = rows[at + 1 : at + 1 + _HEAD_WITHIN]
        if len(cells) < 2 or not below:
            continue
        width = max(len(others) for _, others in below)
        texts = [text.strip() for _, text in cells]
        if (
            len(cells) * 2 <= width
            or len(set(texts)) < len(texts)
            or any(text[:1].isdigit() for text in texts)
        ):
            continue
        line = row_text(cells, left)
        return line if len(line) <= _HEADING_CHARS else ""
    return ""


def _is_far(cells: list[tuple[int, str]], left: int) -> bool:
    """Whether a row's cells are so far apart that the empty ones between them would be most of its text."""
    before = left or cells[0][0]
    for column, _ in cells:
        if column - before > _FAR:
            return True
        before = max(before, column)
    return False


def _is_value(text: str) -> bool:
    """Whether a cell holds a number or a date rather than a name; a year may be either, so it is none."""
    return _VALUE.match(text) is not None and _YEAR.fullmatch(text) is None


def _pieces(cells: list[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """A row too wide for one text in runs of cells."""
    piece: list[tuple[int, str]] = []
    size = 0
    for cell in cells:
        if piece and (size + len(cell[1]) > _BLOCK_CHARS or cell[0] - piece[-1][0] > _FAR):
            yield piece
            piece, size = [], 0
        piece.append(cell)
        size += len(cell[1]) + 3
    yield piece
