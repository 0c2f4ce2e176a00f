"""Blocks of Markdown written line by line: indents of lists and quotations, blank lines, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gemcli.parts import Image

#: Indents beyond this many levels are not written; a reader would not see them apart.
MAX_INDENTS = 8


class HeadingLine(str):
    """A line that is a heading.

    Attributes:
        level: 1 to 6.
        says: its text.
    """

    level: int
    says: str
    __slots__ = ("level", "says")

    @classmethod
    def of(cls, line: str, level: int, title: str) -> HeadingLine:
        """`line`, marked as the heading that it holds."""
        made = cls(line)
        made.level, made.says = level, title
        return made


Line = str | Image


@dataclass(slots=True)
class Indent:
    """What stands before the lines of a list item or a quotation; `first` only before its first line."""

    first: str
    rest: str
    fresh: bool = True


@dataclass(slots=True)
class Lines:
    """Lines in the making.

    Attributes:
        lines: what was written.
        indents: of the lists and quotations that are open.
        lists: how many lists are open.
        is_complex: whether something stands here that no cell of a table can hold.
    """

    lines: list[Line] = field(default_factory=list)
    indents: list[Indent] = field(default_factory=list)
    lists: int = 0
    is_complex: bool = False
    _in_list: bool = False

    def block(self, lines: Iterable[Line]) -> None:
        """Write lines that belong together, behind a blank one unless a list goes on."""
        rest = "".join(indent.rest for indent in self.indents[:MAX_INDENTS])
        goes_on = self.lists and self._in_list
        if self.lines and not goes_on and not isinstance(self.lines[-1], Image):
            self.lines.append(rest.rstrip() if self._quoted() else "")
        self._in_list = self.lists > 0
        for line in lines:
            first = self._prefix() if self.indents else ""
            if isinstance(line, Image):
                if first.strip() and first != rest:
                    self.lines.append(first.rstrip())
                self.lines.append(line)
            elif isinstance(line, HeadingLine):
                self.lines.append(HeadingLine.of(first + line, line.level, line.says))
            else:
                self.lines.append((first + line).rstrip())

    def _quoted(self) -> bool:
        """Whether the next line goes on with a quotation that has begun."""
        return any(each.rest == "> " and not each.fresh for each in self.indents[:MAX_INDENTS])

    def _prefix(self) -> str:
        prefix: list[str] = []
        for indent in self.indents[:MAX_INDENTS]:
            prefix.append(indent.first if indent.fresh else indent.rest)
            indent.fresh = False
        return "".join(prefix)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: its lines, and how many columns and rows it takes."""

    lines: Sequence[Line]
    columns: int = 1
    rows: int = 1
    is_complex: bool = False


class Spare:
    """How many cells may be written that stand in the file only as a number of rows or columns."""

    def __init__(self, cells: int) -> None:
        self.cells = cells

    def take(self, wanted: int) -> int:
        """As many of the wanted cells as are left."""
        taken = min(wanted, self.cells)
        self.cells -= taken
        return taken


def table(rows: Sequence[Sequence[Cell]], spare: Spare) -> list[Line] | None:
    """A pipe table, its first row the head, or None where the cells are no table's: they hold blocks,
    or stand in one column.  Pictures follow the table.

    A cell over several rows is written in each of them, so that each row can be understood by itself.
    """
    if any(cell.is_complex for row in rows for cell in row):
        return None
    grid: list[list[str]] = []
    pictures: list[Line] = []
    held: dict[int, tuple[str, int]] = {}
    for row in rows:
        texts: list[str] = []
        for cell in row:
            _fill(texts, held)
            text = _one_line(cell.lines)
            pictures += [line for line in cell.lines if isinstance(line, Image)]
            column = len(texts)
            texts.append(text)
            texts += [""] * spare.take(cell.columns - 1)
            below = min(cell.rows, len(rows)) - 1
            if below > 0:
                held[column] = (text if len(text) <= 200 else "", spare.take(below))
        _fill(texts, held)
        grid.append(texts)
    width = max(map(len, grid), default=0)
    if width < 2:
        return None
    lines: list[Line] = [_row(texts, width if spare.take(width - len(texts)) else 0) for texts in grid]
    lines.insert(1, "|" + " --- |" * width)
    return lines + pictures


def _fill(texts: list[str], held: dict[int, tuple[str, int]]) -> None:
    """Write the cells from rows above that reach down to where the row now stands."""
    while (from_above := held.get(len(texts))) is not None:
        text, left = from_above
        if left <= 1:
            del held[len(texts)]
        else:
            held[len(texts)] = (text, left - 1)
        if left > 0:
            texts.append(text)


def _row(texts: list[str], width: int) -> str:
    return "| " + " | ".join(texts + [""] * (width - len(texts))) + " |"


def _one_line(lines: Sequence[Line]) -> str:
    return "<br>".join(
        line.strip().replace("|", "\\|") for line in lines if isinstance(line, str) and line.strip()
    )
