"""The passages of documents that matter for a question, within a budget of tokens.

What is chosen is said: how much of how much, and which places.  Passages stand in the order of their
documents, under their headings, with anchors of their own; nothing of them is reworded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from gemcli.pack import index as indexing
from gemcli.pack.chosen import Chosen, Count, chosen_document
from gemcli.pack.index import Index
from gemcli.pack.rank import rank
from gemcli.pack.terms import wanted
from gemcli.parts import Anchor, Document, Part, Text

if TYPE_CHECKING:
    import numpy as np

FLOOR = 0.12
"""Of the best passage's score: what answers less well is not read, though the budget would allow it."""

NEXT = 0.45
"""Of a hit's score: what the passage after it is worth at least, for it often goes on about the same."""

HITS = 4
"""Hits after which the next passage is of interest."""

FAIR = 0.5
"""Part of the budget that goes to the best passage of each document first."""

OPENING = 0.4
"""Part of a document's budget for its beginning, where the question has no words to look for."""

GLIMPSE = 400
"""Characters of each section's beginning in that case."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is read of documents.

    Attributes:
        documents: those that were given, with the chosen texts as their parts; pictures and sound are left
            where they are.
        how: ``words`` where passages were chosen by the question's words; ``spread`` where it has none that
            the documents hold, and they were sampled from beginning to end.
        tokens_read: tokens of the chosen texts with their anchors.
        tokens_given: tokens of all texts of the documents.
        read: the anchors of the chosen texts of each document.
        missing: words of the question that no document holds.
    """

    documents: tuple[Document, ...]
    how: Literal["words", "spread"]
    tokens_read: int
    tokens_given: int
    read: tuple[tuple[Anchor, ...], ...]
    missing: tuple[str, ...] = ()

    def note(self) -> str:
        """One sentence for the person: how much was read of how much, and how it was chosen."""
        share = f"read {self.tokens_read:,} of {self.tokens_given:,} tokens"
        if self.how == "spread":
            return (
                f"{share}: the beginning, and the beginnings of sections from all over, for the question "
                "has no words to look for; --overflow map reads everything"
            )
        places = sum(map(len, self.read))
        passages = "the passage" if places == 1 else f"the {places:,} passages"
        return f"{share}: {passages} that the question's words point to; --overflow map reads everything"


def select(
    documents: Sequence[Document],
    question: str,
    *,
    tokens: int,
    count: Count,
    given: int | None = None,
    keep: bool = True,
) -> Selection:
    """Choose what to read of documents.

    Args:
        documents: in the order in which the model reads them.
        question: what is asked.
        tokens: what the chosen texts may take, with anchors and headings.  Passages that fit into it are
            chosen whole; where not even the best one fits, its most telling lines are.
        count: tokens of a text.
        given: tokens of all texts where they are known (`gemcli.pack.tally`); None counts them.
        keep: whether indexes are kept on disk.
    """
    indexes = [indexing.index(document, keep=keep) for document in documents]
    if given is None:
        given = sum(count(part.text) for each in documents for part in each.parts if isinstance(part, Text))
    asked = wanted(question)
    chosen = Chosen(documents, indexes, count, tokens)
    scores = rank(documents, indexes, asked) if asked else []
    missing = tuple(
        words[0]
        for words in asked
        if not any(len(each.entries(term)[0]) for each in indexes for term in words)
    )
    how: Literal["words", "spread"] = "words" if any(own.any() for own in scores) else "spread"
    if how == "words":
        _by_words(chosen, scores, asked)
    else:
        _spread(chosen)
    made = [chosen_document(chosen, number) for number in range(len(documents))]
    return Selection(
        tuple(made),
        how,
        tokens - chosen.left,
        given,
        tuple(tuple(part.anchor for part in each.parts if isinstance(part, Text)) for each in made),
        missing,
    )


def _by_words(chosen: Chosen, scores: Sequence[np.ndarray], asked: Sequence[tuple[str, ...]]) -> None:
    """Take passages by their scores: the best of each document, then the best of all."""
    import numpy as np

    owners = np.concatenate([np.full(len(own), number) for number, own in enumerate(scores)])
    places = np.concatenate([np.arange(len(own)) for own in scores])
    values = np.concatenate(scores)
    top = values.max()
    order = np.argsort(-values, kind="stable")
    for at in order[:HITS]:  # the passage that follows a hit
        if at + 1 < len(values) and owners[at + 1] == owners[at]:
            values[at + 1] = max(values[at + 1], NEXT * values[at])
    order = np.argsort(-values, kind="stable")
    if len(scores) > 1:
        seen: set[int] = set()
        for at in order:
            owner = int(owners[at])
            if chosen.left <= (1 - FAIR) * chosen.budget:
                break
            if owner not in seen and values[at] > 0 and chosen.take(owner, int(places[at])):
                seen.add(owner)
    refused = 0
    for at in order:
        if values[at] < FLOOR * top or refused > 8:
            break
        refused += not chosen.take(int(owners[at]), int(places[at]))
    if not chosen.taken:
        best = int(order[0])
        _squeeze(chosen, int(owners[best]), int(places[best]), asked)


def _squeeze(chosen: Chosen, document: int, passage: int, asked: Sequence[tuple[str, ...]]) -> None:
    """Take the lines around the question's words, of a passage that does not fit whole."""
    from gemcli.pack.terms import terms, words

    text = chosen.indexes[document].passages[passage].text(chosen.documents[document].parts)
    sought = {term for each in asked for term in each}
    edges = [0]
    for line in text.splitlines(keepends=True):
        edges.append(edges[-1] + len(line))
    hits = [
        sum(term in sought for word in words(text[begin:end]) for term in terms(word)[:1])
        for begin, end in pairwise(edges)
    ]
    if not hits:
        return
    first = last = max(range(len(hits)), key=lambda line: (hits[line], -line))
    while True:  # grows while it fits
        wider = [(first, last + 1), (first - 1, last)]
        fits = [
            (low, high)
            for low, high in wider
            if low >= 0 and high < len(hits) and _fits(chosen, document, passage, edges, low, high)
        ]
        if not fits:
            break
        first, last = fits[0]
    if _fits(chosen, document, passage, edges, first, last):
        chosen.take(document, passage, (edges[first], edges[last + 1]))


def _fits(chosen: Chosen, document: int, passage: int, edges: list[int], first: int, last: int) -> bool:
    return chosen.cost(document, passage, (edges[first], edges[last + 1])) <= chosen.left


def _spread(chosen: Chosen) -> None:
    """Take each document's beginning, then the beginnings of sections, evenly from all over it."""
    held = [number for number, each in enumerate(chosen.indexes) if each.passages]
    for done, number in enumerate(held):
        share = chosen.left // (len(held) - done)
        rest = chosen.left - share
        made = chosen.indexes[number]
        parts = chosen.documents[number].parts
        plain = [place for place in range(len(made.passages)) if made.worth[place] == 1] or [0]
        until = chosen.left - OPENING * share
        opened = 0
        for place in plain:
            if chosen.left - chosen.cost(number, place) < until or not chosen.take(number, place):
                break
            opened = place + 1
        starts = [place for place in _sections(made, parts) if place >= opened and made.worth[place] == 1]
        typical = _GLIMPSE_TOKENS
        room = max(0, int((chosen.left - rest) / typical))
        for place in _evenly(starts, room):
            text = made.passages[place].text(parts)
            if chosen.left - chosen.cost(number, place, (0, _glimpse(text))) >= rest:
                chosen.take(number, place, (0, _glimpse(text)))


_GLIMPSE_TOKENS = GLIMPSE / 3.2


def _glimpse(text: str) -> int:
    """Where the first lines of a passage end."""
    if len(text) <= GLIMPSE:
        return len(text)
    end = text.rfind("\n", GLIMPSE // 2, GLIMPSE) + 1
    return end or text.rfind(" ", 0, GLIMPSE) + 1 or GLIMPSE


def _sections(made: Index, parts: Sequence[Part]) -> list[int]:
    """The passages at which a section begins: where the heading changes, or else the part does."""
    heads = [each.heading(parts) for each in made.passages]
    if any(heads):
        return [at for at in range(len(heads)) if at == 0 or heads[at] != heads[at - 1]]
    firsts = [each.first for each in made.passages]
    return [at for at in range(len(firsts)) if at == 0 or firsts[at] != firsts[at - 1]]


def _evenly(places: list[int], room: int) -> list[int]:
    if room >= len(places):
        return places
    return [places[(2 * at + 1) * len(places) // (2 * room)] for at in range(room)]
