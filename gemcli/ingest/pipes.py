"""Tables as lines of text with pipes, as Markdown writes them."""

from __future__ import annotations

from collections.abc import Sequence


def pipe_cell(text: str) -> str:
    """A cell's text on one line: line ends become ``<br>``, pipes are escaped."""
    if text.isalnum():
        return text
    lines = (" ".join(line.split()) for line in text.strip().split("\n"))
    return "<br>".join(filter(None, lines)).replace("|", "\\|")


def pipe_row(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(pipe_cell(cell) for cell in cells) + " |"


def pipe_table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first row is its head, or plain lines where it has one column.

    Rows and columns without any text are left out; "" where nothing is left.
    """
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        return ""
    width = max(map(len, rows))
    full = [[*row, *[""] * (width - len(row))] for row in rows]
    used = [at for at in range(width) if any(row[at].strip() for row in full)]
    if len(used) == 1:
        return "\n".join(row[used[0]].strip() for row in full)
    head, *body = [pipe_row([row[at] for at in used]) for row in full]
    return "\n".join([head, "|" + " --- |" * len(used), *body])
