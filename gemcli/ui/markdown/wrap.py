"""Breaking styled text into rows of a terminal.

Rows break at spaces and between wide (CJK) characters, never inside a character with its combining marks; a
word longer than a row is broken anywhere.  Widths are upper bounds: terminals disagree on emoji that are
joined and on flags (UAX #29), and a row that could be longer is better than one that is too long.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

_FLAG_LETTER = re.compile("[\U0001f1e6-\U0001f1ff]")  # two of them are a flag
_DISPUTED = re.compile("[\u200d\U0001f1e6-\U0001f1ff]")
_NEVER_FIRST = frozenset("、。，．・：；？！）」』】〕〉》”’…ー々％」！，．：；？）］｝、。")
_NEVER_LAST = frozenset("（「『【〔〈《“‘（［｛￥")


def graphemes(text: str) -> list[tuple[int, int, int]]:
    """(start, end, cells) of each user-perceived character; `cells` is the most a terminal may give it."""
    if text.isascii():
        return [(at, at + 1, 1) for at in range(len(text))]
    from rich.cells import get_character_cell_size, split_graphemes

    spans, _ = split_graphemes(text)
    if not _DISPUTED.search(text):
        return spans
    result: list[tuple[int, int, int]] = []
    for start, end, size in spans:
        part = text[start:end]
        if _FLAG_LETTER.match(part):
            size = 2
            if result and _FLAG_LETTER.fullmatch(text[result[-1][0] : start]):
                start, size = result.pop()[0], 4
        result.append((start, end, max(size, sum(map(get_character_cell_size, part)))))
    return result


def cells(text: str) -> int:
    """The most cells that a terminal may give to `text`."""
    return len(text) if text.isascii() else sum(width for _, _, width in graphemes(text))


def wrap(text: Text, width: int) -> list[Text]:
    """Rows of at most `width` cells, broken at words; the spaces at a break are left out."""
    rows: list[Text] = []
    for line in text.split("\n", allow_blank=True):
        for row in line.divide(_breaks(line.plain, width)):
            row.rstrip()
            rows.append(row)
    return rows


def fold(text: Text, width: int) -> list[Text]:
    """Rows of at most `width` cells with every character kept, as a terminal itself wraps a line of code."""
    offsets: list[int] = []
    used = 0
    for start, _, size in graphemes(text.plain):
        if used + size > width and used:
            offsets.append(start)
            used = 0
        used += size
    return list(text.divide(offsets))


def _breaks(plain: str, width: int) -> list[int]:
    """Offsets at which new rows begin."""
    if len(plain) <= width and plain.isascii():
        return []
    offsets: list[int] = []
    used = 0  # cells of the row so far
    since = 0  # cells since the last place where it may break
    place = 0  # that place; the row's beginning when there is none
    row = 0
    previous, previous_size = "", 0
    for start, end, size in graphemes(plain):
        character = plain[start:end]
        if start > row and _may_break(previous, previous_size, character, size):
            place, since = start, 0
        if used + size > width and start > row and character != " ":
            if place > row:
                offsets.append(place)
                row, used = place, since
            else:
                offsets.append(start)
                row = place = start
                used = since = 0
            if used + size > width and used:
                offsets.append(start)
                row = place = start
                used = since = 0
        used += size
        since += size
        previous, previous_size = character, size
    return offsets


def _may_break(before: str, before_size: int, after: str, after_size: int) -> bool:
    if after == " ":
        return False
    if before == " ":
        return True
    if before_size < 2 and after_size < 2:
        return False
    return after not in _NEVER_FIRST and before not in _NEVER_LAST
