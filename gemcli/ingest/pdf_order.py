"""The order in which the lines of a PDF page are read.

A PDF's own order is that of the program that wrote it, and mostly right; where the places of the lines tell
otherwise it is mended, and only there:

- lines that run on across the gutter of two columns of prose are taken apart, the left column first;
- a table written column by column is put together again row by row;
- of what stands in one column, that which is higher comes first (a head line written last).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from gemcli.ingest.pdf_line import Piece

_SAME_LINE = 0.5  # points
_ROW = 0.35  # of the height: how far apart base lines of one row of a table may be
_GUTTER_ROWS = 5  # lines on both sides of a gutter that make columns
_PROSE_WORDS = 3.5  # of a column's line, on average
_FILLS = 0.6  # of its column: a line of prose, in the middle
_MANY_BLOCKS = 400  # more are no page that was laid out for reading
_OVERLAP = 0.3  # of the narrower: two blocks stand in one column


@dataclass(slots=True)
class Row:
    """Pieces on one base line, from left to right, as they are read together."""

    pieces: list[Piece]
    turn: int = field(init=False)
    left: float = field(init=False)
    right: float = field(init=False)
    down: float = field(init=False)
    height: float = field(init=False)

    def __post_init__(self) -> None:
        first = self.pieces[0]
        self.turn, self.down, self.left, self.right = first.turn, first.down, first.left, first.right
        self.height = first.height
        for piece in self.pieces:
            self._reach(piece)

    def add(self, pieces: Sequence[Piece]) -> None:
        """Put more pieces at the end."""
        self.pieces.extend(pieces)
        for piece in pieces:
            self._reach(piece)

    def _reach(self, piece: Piece) -> None:
        self.left, self.right = min(self.left, piece.left), max(self.right, piece.right)
        self.height = max(self.height, piece.height)


def in_order(lines: Sequence[list[Piece]]) -> list[Row]:
    """The rows of a page as they are read; text that runs another way than most comes last."""
    rows = _rows(lines)
    if not rows:
        return []
    letters: dict[int, int] = {}
    for row in rows:
        letters[row.turn] = letters.get(row.turn, 0) + sum(len(piece.text) for piece in row.pieces)
    turns = sorted(letters, key=lambda turn: -letters[turn])
    ordered: list[Row] = []
    for turn in turns:
        same = [row for row in rows if row.turn == turn]
        blocks = _tables(_blocks(_columns(same)))
        ordered += [row for block in _downward(blocks) for row in block]
    return ordered


def _rows(lines: Sequence[list[Piece]]) -> list[Row]:
    """Lines, joined where one begins at the same height behind the end of the one before."""
    rows: list[Row] = []
    for pieces in lines:
        last = rows[-1].pieces[-1] if rows else None
        first = pieces[0]
        if (
            last is not None
            and last.turn == first.turn
            and abs(last.down - first.down) <= _SAME_LINE
            and first.left >= last.right - 0.5
        ):
            rows[-1].add(pieces)
        else:
            rows.append(Row(pieces))
    return rows


def _columns(rows: list[Row]) -> list[Row]:
    """Take lines apart that run across the gutter between two columns of prose."""
    wide = [row for row in rows if len(row.pieces) > 1]
    if len(wide) < _GUTTER_ROWS:
        return rows
    gutter = _gutter(rows, wide)
    if gutter is None:
        return rows
    ordered: list[Row] = []
    run: list[tuple[list[Piece], list[Piece]]] = []

    def end() -> None:
        if sum(bool(left and right) for left, right in run) >= _GUTTER_ROWS and _is_prose(run):
            ordered.extend(Row(left) for left, _ in run if left)
            ordered.extend(Row(right) for _, right in run if right)
        else:
            ordered.extend(Row(left + right) for left, right in run)
        run.clear()

    for row in rows:
        left = [piece for piece in row.pieces if piece.right <= gutter]
        right = [piece for piece in row.pieces if piece.left >= gutter]
        if len(left) + len(right) < len(row.pieces) or (run and not _below(row, run)):
            end()
        if len(left) + len(right) < len(row.pieces):
            ordered.append(row)
        else:
            run.append((left, right))
    end()
    return ordered


def _below(row: Row, run: Sequence[tuple[list[Piece], list[Piece]]]) -> bool:
    left, right = run[-1]
    return row.down > (left or right)[0].down - row.height


def _gutter(rows: Sequence[Row], wide: Sequence[Row]) -> float | None:
    """The place at which most of the wide rows have a gap, in the middle of the text; None without one."""
    low, high = min(row.left for row in rows), max(row.right for row in rows)
    step = (high - low) / 100
    if step <= 0:
        return None
    votes = [0] * 101
    for row in wide:
        for before, behind in zip(row.pieces, row.pieces[1:], strict=False):
            first, last = int((before.right - low) / step) + 1, int((behind.left - low) / step)
            for place in range(max(25, first), min(75, last) + 1):
                votes[place] += 1
    best = max(votes)
    if best < _GUTTER_ROWS:
        return None
    places = [place for place, count in enumerate(votes) if count == best]
    return low + step * places[len(places) // 2]


def _is_prose(run: Sequence[tuple[list[Piece], list[Piece]]]) -> bool:
    """Whether both sides are lines of running text: many words, filling their column."""
    for side in (0, 1):
        lines = [pair[side] for pair in run if pair[side]]
        if not lines:
            return False
        words = [sum(len(piece.text.split()) for piece in line) for line in lines]
        left, right = min(line[0].left for line in lines), max(line[-1].right for line in lines)
        filled = statistics.median(line[-1].right - line[0].left for line in lines)
        pieces = statistics.mean(len(line) for line in lines)
        if statistics.mean(words) < _PROSE_WORDS or filled < _FILLS * (right - left) or pieces > 1.3:
            return False
    return True


def _blocks(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that follow one another downwards in one column."""
    blocks: list[list[Row]] = []
    for row in rows:
        above = blocks[-1][-1] if blocks else None
        if (
            above is not None
            and -_SAME_LINE <= row.down - above.down <= 4 * max(row.height, above.height)
            and min(row.right, above.right) > max(row.left, above.left)
        ):
            blocks[-1].append(row)
        else:
            blocks.append([row])
    return blocks


def _tables(blocks: list[list[Row]]) -> list[list[Row]]:
    """Put blocks that stand side by side with their base lines in common together, row by row."""
    merged: list[list[Row]] = []
    for block in blocks:
        if merged and _beside(merged[-1], block):
            for row in block:
                at = _row_at(merged[-1], row)
                if at is None:
                    merged[-1].append(row)
                else:
                    merged[-1][at].add(row.pieces)
            merged[-1].sort(key=lambda row: row.down)
        else:
            merged.append(block)
    return merged


def _beside(block: Sequence[Row], other: Sequence[Row]) -> bool:
    """Whether `other` is the next column of a table whose first columns are `block`."""
    if len(other) < 2 or len(block) < 2:
        return False
    if min(row.left for row in other) < max(row.right for row in block):
        return False
    common = sum(_row_at(block, row) is not None for row in other)
    if common < 2 or common < 0.7 * min(len(block), len(other)) or common < 0.7 * len(other):
        return False
    return not (_reads_on(block) and _reads_on(other))


def _reads_on(rows: Sequence[Row]) -> bool:
    """Whether rows are lines of prose rather than cells."""
    words = [sum(len(piece.text.split()) for piece in row.pieces) for row in rows]
    return statistics.mean(words) >= _PROSE_WORDS


def _row_at(rows: Sequence[Row], wanted: Row) -> int | None:
    for at, row in enumerate(rows):
        if abs(row.down - wanted.down) <= _ROW * min(row.height, wanted.height):
            return at
    return None


def _downward(blocks: list[list[Row]]) -> list[list[Row]]:
    """The blocks in their order, but none before one that stands above it in the same column."""
    spans = [
        (
            min(row.left for row in block),
            max(row.right for row in block),
            min(row.down for row in block),
            max(row.down for row in block),
        )
        for block in blocks
    ]
    if len(blocks) > _MANY_BLOCKS:
        return blocks
    above = [
        {other for other in range(len(blocks)) if other != at and _is_above(spans[other], spans[at])}
        for at in range(len(blocks))
    ]
    ordered: list[list[Row]] = []
    placed: set[int] = set()

    def place(at: int) -> None:
        if at in placed:
            return
        placed.add(at)
        for other in sorted(above[at]):
            place(other)
        ordered.append(blocks[at])

    for at in range(len(blocks)):
        place(at)
    return ordered


def _is_above(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    common = min(a[1], b[1]) - max(a[0], b[0])
    return a[3] < b[2] - _SAME_LINE and common > _OVERLAP * min(a[1] - a[0], b[1] - b[0])
