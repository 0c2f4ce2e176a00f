"""Points and headings become documents again: short ones, whose parts stand where the points are from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

from gemcli.pack.outline import Heading
from gemcli.parts import Anchor, Document, Text
from gemcli.reading.points import Point, key

NOTHING_FOUND = "(All of it was read. Nothing in it has to do with the question.)"


def unique(points: Sequence[Point]) -> list[Point]:
    """Points without those that say the same in the same document."""
    seen: set[tuple[int, str]] = set()
    kept: list[Point] = []
    for point in points:
        said = (point.place[0], key(point.text))
        if said not in seen:
            seen.add(said)
            kept.append(point)
    return kept


def notes(
    documents: Sequence[Document], points: Sequence[Point], headings: Sequence[Heading]
) -> list[Document]:
    """A document of notes for each document: its headings and points in order, anchored; empty without any.

    Args:
        documents: what was read.
        points: with places in `documents`.
        headings: those to be shown.
    """
    lines: dict[int, list[tuple[tuple[int, int, int], Anchor, str]]] = {}
    for each in headings:
        anchor = documents[each.document].parts[each.part].anchor
        title = f"{'#' * min(6, each.level + 1)} {each.title}"
        lines.setdefault(each.document, []).append(((each.part, each.at, -1), anchor, title))
    for order, point in enumerate(points):
        document, part = point.place
        lines.setdefault(document, []).append(((part, point.at, order), point.anchor, f"- {point.text}"))
    made: list[Document] = []
    for index, document in enumerate(documents):
        written = sorted(lines.get(index, ()), key=lambda line: line[0])
        parts = tuple(
            Text("\n".join(text for _, _, text in run) + "\n", anchor)
            for anchor, run in (
                (anchor, list(run)) for anchor, run in groupby(written, key=lambda line: line[1])
            )
        )
        made.append(replace(document, parts=parts))
    return made


def above(points: Sequence[Point], headings: Sequence[Heading]) -> list[Heading]:
    """The headings that points stand under, each with those above it."""
    wanted: set[int] = set()
    for point in points:
        below = 99
        for number in range(len(headings) - 1, -1, -1):
            each = headings[number]
            if each.document == point.place[0] and each.part <= point.place[1] and each.level < below:
                wanted.add(number)
                below = each.level
    return [headings[number] for number in sorted(wanted)]


def shallow(headings: Sequence[Heading], room: int, count: Callable[[str], int]) -> list[Heading]:
    """As many outer levels of headings as `room` tokens hold; none where not even the outermost fit."""
    kept: list[Heading] = []
    for level in sorted({each.level for each in headings}):
        wider = [each for each in headings if each.level <= level]
        if count("\n".join(each.title for each in wider)) > room:
            break
        kept = wider
    return kept
