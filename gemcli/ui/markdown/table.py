"""Tables: columns side by side where they fit, else one record below the other, never a cut cell."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from gemcli.ui.markdown import style
from gemcli.ui.markdown.inline import to_text
from gemcli.ui.markdown.wrap import cells, wrap

if TYPE_CHECKING:
    from rich.console import JustifyMethod
    from rich.text import Text

_LEAST_COLUMN = 6  # cells; narrower columns break words into splinters
_BETWEEN = 3  # cells between two columns: a space, the rule's, a space


def table_rows(table: Sequence[Sequence[str]], alignments: Sequence[str], width: int) -> list[Text]:
    """The rows of a table.

    Args:
        table: its rows as inline Markdown, the header first; rows may differ in length.
        alignments: of the columns: ``left``, ``center``, ``right``.
        width: cells that may be used.
    """
    columns = max(map(len, table))
    texts = [[to_text(cell) for cell in [*row, *[""] * (columns - len(row))]] for row in table]
    widest = [max(_natural(row[column]) for row in texts) for column in range(columns)]
    needed = sum(min(natural, _LEAST_COLUMN) for natural in widest) + _BETWEEN * (columns - 1)
    if needed > width:
        return _records(texts, width)
    return _columns(texts, [*alignments, *["left"] * (columns - len(alignments))], width)


def _natural(text: Text) -> int:
    return max(map(cells, text.plain.split("\n")))


def _columns(texts: list[list[Text]], alignments: Sequence[str], width: int) -> list[Text]:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style=style.TABLE_HEAD)
    for head, alignment in zip(texts[0], alignments, strict=True):
        table.add_column(head, justify=cast("JustifyMethod", alignment), overflow="fold")
    for row in texts[1:]:
        table.add_row(*row)
    console = Console(
        file=io.StringIO(), width=width, color_system="standard", force_terminal=True, legacy_windows=False
    )
    rows: list[Text] = []
    for line in console.render_lines(table, pad=False):
        row = Text.assemble(*((segment.text, segment.style or "") for segment in line if not segment.control))
        row.rstrip()
        rows.append(row)
    return rows


def _records(texts: list[list[Text]], width: int) -> list[Text]:
    """Each row as lines of ``header: value``."""
    from rich.text import Text

    header = [text.plain.replace("\n", " ") for text in texts[0]]
    if len(texts) == 1:
        return [row for name in header for row in wrap(Text(name, style.TABLE_HEAD), width)]
    rows: list[Text] = []
    for number, record in enumerate(texts[1:]):
        if number:
            rows.append(Text("─" * min(3, width), style.RULE))
        for name, value in zip(header, record, strict=True):
            if name or value.plain:
                line = Text(f"{name}: " if name else "", style.TABLE_HEAD, end="")
                line.append_text(value)
                rows += wrap(line, width)
    return rows
