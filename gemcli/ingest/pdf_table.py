"""Rows of pieces as lines of text; the cells of a table's row stand between bars, each in its column.

What is no table keeps two spaces where the gap is: program listings, equations with their numbers, lists.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Sequence

from gemcli.ingest.pdf_line import Piece
from gemcli.ingest.pdf_order import Row

_MARK = re.compile(
    r"[\W_]|\(?[A-Za-z\d]{1,3}[.):]|\(?\d{1,2}\)?|\[\d+\]|\d+(\.\d+)+\.?"
)  # what begins an item of a list
_FAR = 3.5  # heights between rows of one table
_ROWS = 3  # rows of two cells that make a table; of more cells, two


def set_rows(rows: Sequence[Row]) -> list[str]:
    """Each row as a line of text."""
    texts = ["  ".join(piece.text for piece in row.pieces) for row in rows]
    at = 0
    while at < len(rows):
        end = _table_end(rows, at)
        if end > at:
            texts[at:end] = _set_table(rows[at:end])
            at = end
        else:
            at += 1
    return texts


def _table_end(rows: Sequence[Row], start: int) -> int:
    """Where the table that begins at `start` ends; `start` when none does."""
    if not _is_cells(rows[start]):
        return start
    end, cells = start + 1, 1
    for at in range(start + 1, len(rows)):
        row, above = rows[at], rows[at - 1]
        step = row.down - above.down
        if row.turn != above.turn or not 0 < step <= _FAR * max(row.height, above.height):
            break
        if _is_cells(row):
            if not _aligned(rows[end - 1], row):
                break
            end, cells = at + 1, cells + 1
        elif len(row.pieces) > 1 or not _inside(row, rows[end - 1]) or at - end >= 2:
            break
    table = [row for row in rows[start:end] if _is_cells(row)]
    width = statistics.median(len(row.pieces) for row in table)
    if cells < (2 if width >= 3 else _ROWS) or _is_list(table):
        return start
    return end


def _is_cells(row: Row) -> bool:
    return len(row.pieces) > 1 and not row.pieces[0].fixed


def _aligned(above: Row, row: Row) -> bool:
    """Whether half of a row's cells stand under one cell of the row above, or over one."""
    hits = sum(any(_meet(piece, other) for other in above.pieces) for piece in row.pieces)
    return hits >= 0.5 * min(len(row.pieces), len(above.pieces))


def _meet(a: Piece, b: Piece) -> bool:
    return min(a.right, b.right) > max(a.left, b.left)


def _inside(row: Row, cells: Row) -> bool:
    """Whether a row of one piece is the next line of one of the cells above it."""
    (piece,) = row.pieces
    return sum(_meet(piece, other) for other in cells.pieces) == 1


def _is_list(table: Sequence[Row]) -> bool:
    """Whether the first column is bullets or numbers, and the second what they mark."""
    if any(len(row.pieces) > 2 for row in table):
        return False
    marked = sum(
        _MARK.fullmatch(row.pieces[0].text) is not None and any(map(str.isalpha, row.pieces[1].text))
        for row in table
    )
    return marked > 0.5 * len(table)


def _set_table(rows: Sequence[Row]) -> list[str]:
    """The rows with every cell in its column."""
    columns = _columns(rows)
    lines: list[str] = []
    for row in rows:
        cells = [""] * len(columns)
        for piece in row.pieces:
            at = _column(columns, piece)
            cells[at] = f"{cells[at]}  {piece.text}" if cells[at] else piece.text
        while cells and not cells[-1]:
            cells.pop()
        lines.append(" | ".join(cells))
    return lines


def _columns(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Where the columns are: as many as most of the rows have cells."""
    usual = statistics.mode(sorted((len(row.pieces) for row in rows if len(row.pieces) > 1), reverse=True))
    spans: list[tuple[float, float]] = []
    for row in rows:
        if len(row.pieces) != usual:
            continue
        here = [(piece.left, piece.right) for piece in sorted(row.pieces, key=lambda piece: piece.left)]
        if not spans:
            spans = here
            continue
        wider = [(min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(spans, here, strict=True)]
        if all(a[1] <= b[0] for a, b in itertools.pairwise(wider)):
            spans = wider
    return spans


def _column(columns: Sequence[tuple[float, float]], piece: Piece) -> int:
    """The column that a piece meets first, or is nearest to."""
    for at, (left, right) in enumerate(columns):
        if min(right, piece.right) > max(left, piece.left):
            return at
    middle = (piece.left + piece.right) / 2
    return min(range(len(columns)), key=lambda at: abs(sum(columns[at]) / 2 - middle))
