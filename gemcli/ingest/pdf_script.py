"""Raised and lowered pieces of a line, which PDFium gives as lines of their own: ``2^19937 − 1``, ``x_i``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gemcli.ingest.pdf_line import Piece

_TOUCHES = (-0.15, 0.2)  # between the two, in heights of the line
_SHIFT = (0.1, 0.65)  # up or down, in heights of the line


def joined(lines: Sequence[list[Piece]]) -> list[list[Piece]]:
    """The lines with those joined that only go on higher or lower; a raised piece stands behind ``^``, a
    lowered one behind ``_``."""
    found: list[list[Piece]] = []
    open_shift = False  # the line so far ends in a raised or lowered piece, and may come back
    for line in lines:
        mark = _mark(found[-1][-1], line[0], open_shift) if found else None
        if mark is None:
            found.append(list(line))
            open_shift = False
            continue
        before, behind = found[-1].pop(), line[0]
        text = before.text + mark + behind.text
        found[-1] += [replace(before, text=text, right=max(before.right, behind.right)), *line[1:]]
        open_shift = True
    return found


def _mark(before: Piece, behind: Piece, open_shift: bool) -> str | None:
    """What stands between a piece and the line that goes on with it; None where a new line begins."""
    if before.turn != behind.turn or before.height <= 0 or not before.text[-1].isprintable():
        return None
    gap = (behind.left - before.right) / before.height
    if not _TOUCHES[0] <= gap <= _TOUCHES[1]:
        return None
    shift = (behind.down - before.down) / before.height
    if abs(shift) < _SHIFT[0]:
        return "" if open_shift else None
    return None if abs(shift) > _SHIFT[1] else "^" if shift < 0 else "_"
