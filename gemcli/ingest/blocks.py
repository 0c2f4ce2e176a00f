"""A long text as a sequence of blocks of lines, cut where a reader would cut it.

The blocks' texts, one after the other, are the text exactly; each knows its lines.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from gemcli.parts import Anchor, Text

MIN_LINES = 40
MAX_LINES = 80
MAX_CHARS = 8_000

_HEADING = re.compile(r"#{1,6}\s|\\(?:chapter|(?:sub)*section)\b")


def blocks(text: str, first_line: int = 1) -> Iterator[Text]:
    """Cut `text` into blocks of `MIN_LINES` to `MAX_LINES` lines and at most `MAX_CHARS` characters.

    A block ends before a heading, else before an unindented line behind a blank one, else behind a blank
    line, else where it must.  A line longer than `MAX_CHARS` becomes several blocks of the same line.

    Args:
        text: text whose lines end in ``\\n``.
        first_line: the number of its first line.
    """
    lines = _lines(text)
    ahead = list(itertools.islice(lines, MAX_LINES + 1))
    number = first_line
    while ahead:
        end = 1 if len(ahead[0]) > MAX_CHARS else _end(ahead)
        anchor = Anchor(lines=(number, number + end - 1))
        for piece in _pieces("".join(ahead[:end])):
            yield Text(piece, anchor)
        number += end
        del ahead[:end]
        ahead.extend(itertools.islice(lines, MAX_LINES + 1 - len(ahead)))


def count_lines(text: str) -> int:
    """Lines of a text; a last line without an end counts."""
    return text.count("\n") + (not text.endswith("\n") and bool(text))


def _lines(text: str) -> Iterator[str]:
    r"""Lines with their ends; only ``\n`` ends a line, as in an editor's count."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _end(lines: list[str]) -> int:
    """Where the block that begins with the first of `lines` ends (exclusive).

    `lines` are `MAX_LINES` + 1, or fewer at the text's end.
    """
    chars = 0
    hard = 0
    while hard < min(len(lines), MAX_LINES):
        chars += len(lines[hard])
        if chars > MAX_CHARS:
            break
        hard += 1
    if hard == len(lines):
        return hard
    soft = max(1, min(MIN_LINES, (hard + 1) // 2))
    return max(range(soft, hard + 1), key=lambda end: (_merit(lines, end), end))


def _merit(lines: list[str], end: int) -> int:
    """How good a place for a cut is before line `end`, 0 to 3."""
    if not lines[end - 1].isspace():
        return 1 if _HEADING.match(lines[end]) else 0
    if _HEADING.match(lines[end]):
        return 3
    return 1 if lines[end][:1].isspace() else 2


def _pieces(line: str) -> Iterator[str]:
    """An over-long line in pieces of at most `MAX_CHARS`, cut behind white space where there is some."""
    start = 0
    while len(line) - start > MAX_CHARS:
        cut = max(line.rfind(mark, start + MAX_CHARS // 2, start + MAX_CHARS) for mark in " \t,;>") + 1
        end = cut if cut > 0 else start + MAX_CHARS
        yield line[start:end]
        start = end
    yield line[start:]
