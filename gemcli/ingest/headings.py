"""The headings of a text: where they stand, and under which of them each block stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gemcli.parts import JOINT, Text

_MAX_TITLE = 120  # characters; longer ones are paragraphs in a heading's clothes
_MAX_DEPTH = 6
_LONG = 2_000

_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_CLOSING = re.compile(r"(?:^|[ \t])#+$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_SETEXT = re.compile(r" {0,3}(=+|-{2,})[ \t]*")
_NO_TITLE = re.compile(r"\s|[>|#]|[-*+][ \t]|\d+[.)][ \t]")
_RULE = re.compile(r"([=\-`:'\"~^_*+#<>.])\1{2,}\s*")
_PYTHON = re.compile(r"([ \t]*)(class|(?:async[ \t]+)?def)[ \t]+(\w+)")
_TEX = re.compile(r"\s*\\(part|chapter|(?:sub){0,2}section|paragraph)\*?(?:\[[^\]]*\])?\{([^}]*)")
_TEX_LEVELS = {"part": 1, "chapter": 2, "section": 3, "subsection": 4, "subsubsection": 5, "paragraph": 6}


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading.

    Attributes:
        line: its line, from 1.
        level: its rank; a smaller number stands above a larger one.
        title: its text.
    """

    line: int
    level: int
    title: str


def headings(text: str, media_type: str) -> list[Heading]:
    """The headings of a text in its order; none for kinds of text that have none."""
    finder = _FINDERS.get(media_type)
    return [] if finder is None else [each for each in finder(text.split("\n")) if each.title]


def under(parts: Iterable[Text], found: Sequence[Heading]) -> Iterator[Text]:
    """The parts with the headings that they stand under.

    Args:
        parts: texts with line anchors, in rising order.
        found: headings, in the same count of lines.
    """
    path: list[Heading] = []
    ahead = 0
    for part in parts:
        assert part.anchor.lines is not None
        first = part.anchor.lines[0]
        first += part.text[: len(part.text) - len(part.text.lstrip())].count("\n")
        while ahead < len(found) and found[ahead].line <= first:
            heading = found[ahead]
            while path and path[-1].level >= heading.level:
                path.pop()
            path.append(heading)
            ahead += 1
        yield replace(part, heading=joined(each.title for each in path)) if path else part


def joined(titles: Iterable[str]) -> str:
    """Headings, outermost first, as one line; those that are too long are cut, too many shortened."""
    kept = [" ".join(title.split()) for title in titles][:_MAX_DEPTH]
    return JOINT.join(
        title if len(title) <= _MAX_TITLE else title[: _MAX_TITLE - 1] + "…" for title in kept if title
    )


def _markdown(lines: list[str]) -> Iterator[Heading]:
    """ATX and setext headings (CommonMark 4.2, 4.3) outside of fenced code and front matter."""
    fence = ""
    start = _front_matter(lines)
    for index in range(start, len(lines)):
        line = lines[index]
        if not line or line[0] not in " #`~=-":
            continue
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
        elif mark and not (mark[1][0] == "`" and "`" in mark[2]):
            fence = mark[1]
        elif (atx := _ATX.match(line)) is not None:
            title = _CLOSING.sub("", line[atx.end() : atx.end() + _LONG].strip())
            yield Heading(index + 1, len(atx[1]), title.strip())
        elif (rule := _SETEXT.fullmatch(line)) is not None and index > start:
            title = lines[index - 1]
            alone = index - 1 == start or not lines[index - 2].strip()
            if alone and title.strip() and not _NO_TITLE.match(title):
                yield Heading(index, 1 if rule[1][0] == "=" else 2, title.strip())


def _front_matter(lines: list[str]) -> int:
    """The first line behind the YAML block that some begin with."""
    if lines[0].rstrip() != "---":
        return 0
    for index, line in enumerate(lines[1:200], 1):
        if line.rstrip() in ("---", "..."):
            return index + 1
    return 0


def _restructured(lines: list[str]) -> Iterator[Heading]:
    """Titles with a line below, or below and above; their order of appearance is their rank."""
    ranks: dict[tuple[str, bool], int] = {}
    for index in range(1, len(lines)):
        below = _RULE.fullmatch(lines[index])
        if below is None:
            continue
        title = lines[index - 1]
        before = lines[index - 2].rstrip() if index > 1 else ""
        over = before == lines[index].rstrip()
        if not title.strip() or _RULE.fullmatch(title) or (before and not over):
            continue
        if len(lines[index].rstrip()) < len(title.strip()) or (title[:1].isspace() and not over):
            continue
        rank = ranks.setdefault((below[1], over), len(ranks) + 1)
        yield Heading(index, rank, title.strip())


def _python(lines: list[str]) -> Iterator[Heading]:
    for number, line in enumerate(lines, 1):
        match = _PYTHON.match(line)
        if match is not None:
            indent = len(match[1].expandtabs(8))
            yield Heading(number, indent, f"{match[2].split()[-1]} {match[3]}")


def _tex(lines: list[str]) -> Iterator[Heading]:
    for number, line in enumerate(lines, 1):
        match = _TEX.match(line)
        if match is not None:
            yield Heading(number, _TEX_LEVELS[match[1]], match[2].strip())


_FINDERS: dict[str, Callable[[list[str]], Iterator[Heading]]] = {
    "text/markdown": _markdown,
    "text/x-rst": _restructured,
    "text/x-python": _python,
    "text/x-tex": _tex,
}
