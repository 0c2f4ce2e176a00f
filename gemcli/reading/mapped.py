"""Everything is read, window by window; what is noted about each is merged until one prompt holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gemcli.errors import DoesNotFitError
from gemcli.keep import Keep
from gemcli.pack.outline import Heading, outline
from gemcli.parts import Document, Text
from gemcli.reading import wording
from gemcli.reading.notes import NOTHING_FOUND, above, notes, shallow, unique
from gemcli.reading.points import Point
from gemcli.reading.run import Reader, Run
from gemcli.worker import Emit

_OUTLINE = 6  # headings have this part of the last prompt at most
_BEARABLE = 4  # windows that the last prompt takes at most
_DEEPEST = 6
_SHRINKS = 0.9  # what merging must make of the notes to be worth another time


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of it.

    Attributes:
        documents: notes with the anchors of what they are about, to be put in the place of the documents.
        question: what is to be asked about them.
        windows: how many were read, on all levels.
        kept: how many of them were read before.
    """

    documents: tuple[Document, ...]
    question: str
    windows: int
    kept: int


def read_all(
    documents: Sequence[Document],
    question: str,
    *,
    reader: Reader,
    budget: int,
    system: str,
    keep: Keep,
    emit: Emit,
) -> Reading:
    """Read all of the documents and note what the question needs.

    Args:
        documents: in order.
        question: the person's.
        reader: the model.
        budget: tokens that the last prompt may have.
        system: the instruction of the last prompt, which counts.
        keep: where notes are kept.
        emit: gets `Progress` of stage ``map``, a `Note` at the beginning and `Warning` events.

    Raises:
        DoesNotFitError: the window is too small to read with, or the notes cannot be made short enough.
    """
    headings = outline(documents)
    # A summary can be had of fewer notes; of what was asked for nothing is left out without need.
    wanted = min(budget, _BEARABLE * reader.size) if wording.is_summary(question) else budget
    run = Run(question, reader, keep, emit)
    found = unique(run.level(documents, headings))
    before = 0
    for _ in range(_DEEPEST):
        made, asked = _composed(documents, question, found, headings, reader, wanted)
        size = len(reader.pack(made, asked, system).ids)
        stuck = 0 < before < size / _SHRINKS
        if size <= (budget if stuck else wanted):
            run.tell()
            return Reading(tuple(made), asked, run.done, run.kept)
        if stuck:
            break
        before = size
        found = unique(run.merged(documents, found, headings))
    raise DoesNotFitError(
        f"the notes on all documents have {before:,} tokens and cannot be made shorter; {budget:,} fit",
        "Ask about less at once, allow more with --context, or take a model with a larger window.",
    )


def _composed(
    documents: Sequence[Document],
    question: str,
    found: Sequence[Point],
    headings: Sequence[Heading],
    reader: Reader,
    budget: int,
) -> tuple[list[Document], str]:
    """The notes and the question about them."""
    if not wording.is_summary(question):
        headings = above(found, headings)
    shown = shallow(headings, budget // _OUTLINE, lambda text: reader.cost(Text(text)))
    chapters: list[str] = []
    for level in sorted({each.level for each in shown}):
        chapters = [each.title for each in shown if each.level <= level]
        if len(chapters) > 1:  # a title page's heading alone is no list to go through
            break
    made = [each for each in notes(documents, found, shown) if each.parts]
    if not made:
        made = [replace(documents[0], parts=(Text(NOTHING_FOUND),))]
    return made, wording.final_question(question, chapters)
