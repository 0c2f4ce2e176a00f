"""Tables of a page: rows and cells are gathered until the table's end, then written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gemcli.ingest.markup_lines import Cell, Lines, table
from gemcli.ingest.markup_page import Enter, Entered, Page, number

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode


def _table(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    page.flush()
    if page.pre or page.headings:
        return True, None
    rows: list[list[Cell]] = []
    page.tables.append(rows)

    def leave() -> None:
        page.flush()
        page.tables.pop()
        lines = None
        if attributes.get("role") not in ("presentation", "none"):
            lines = table(rows, page.spare)
        page.out.is_complex = True
        if lines:
            page.out.block(lines)
            return
        for row in rows:
            for cell in row:
                if cell.lines:
                    page.out.block(cell.lines)

    return True, leave


def _row(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    page.flush()
    if page.tables:
        page.tables[-1].append([])
    return True, page.flush


def _cell(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    page.flush()
    if not page.tables or page.pre or page.headings:
        return True, page.flush
    rows = page.tables[-1]
    outer, page.out = page.out, Lines()
    inner = page.out

    def leave() -> None:
        page.flush()
        page.out = outer
        if not rows:
            rows.append([])
        columns = max(1, min(1000, number(attributes.get("colspan"), 1)))
        high = max(1, min(65_534, number(attributes.get("rowspan"), 1)))
        rows[-1].append(Cell(inner.lines, columns, high, inner.is_complex))

    return True, leave


#: What each tag writes.
ENTER: dict[str, Enter] = {
    **dict.fromkeys(("td", "th"), _cell),
    "table": _table,
    "tr": _row,
}
