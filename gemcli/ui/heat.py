"""A table of shares, each cell as green as it is near to the whole and as red as it is far from it."""

from __future__ import annotations

from collections.abc import Sequence

from gemcli.ui.streams import Out
from gemcli.ui.terminal import ability

_COLOURS = (160, 166, 172, 178, 142, 106, 70, 34)  # of 256, from red over yellow to green


def emit_heat(
    corner: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[tuple[int, int] | None]]],
) -> None:
    """A heat map on stdout; in a pipe and without colours the numbers alone.

    Args:
        corner: what stands over the rows' names.
        columns: their names.
        rows: a name, and for each column how many of how many; None where nothing was counted.
    """
    out = Out()
    coloured = ability(out).coloured
    shown = [[_count(each) for each in cells] for _, cells in rows]
    first = max(map(len, [corner, *(name for name, _ in rows)]))
    widths = [
        max(len(name), *(len(cells[number]) for cells in shown)) + 2 for number, name in enumerate(columns)
    ]
    lines = [
        corner.ljust(first)
        + "".join(f" {name.center(width)}" for name, width in zip(columns, widths, strict=True))
    ]
    for (name, cells), texts in zip(rows, shown, strict=True):
        line = name.rjust(first)
        for cell, text, width in zip(cells, texts, widths, strict=True):
            field = text.center(width)
            if coloured and cell is not None:
                step = round(cell[0] / cell[1] * (len(_COLOURS) - 1))
                field = f"\x1b[30;48;5;{_COLOURS[step]}m{field}\x1b[0m"
            line += f" {field}"
        lines.append(line)
    out.write("\n".join(line.rstrip() for line in lines) + "\n")


def _count(cell: tuple[int, int] | None) -> str:
    return "-" if cell is None else f"{cell[0]}/{cell[1]}"
