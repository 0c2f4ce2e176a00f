"""How well each passage answers to a question: BM25, then what BM25 does not see.

It does not see that a passage holds all of the question's words rather than one of them often, that they
stand close together, or that the passage before it says what this one is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from gemcli.pack.index import Index, rarity, score
from gemcli.pack.terms import terms, words
from gemcli.parts import Document

if TYPE_CHECKING:
    import numpy as np

PIECE = 0.4
"""What a term counts that is only a piece of a word of the question (``na`` of ``na.rm``)."""

AROUND = 0.25
"""Part of a neighbour's score that a passage gets."""

LOOKED_AT = 60
"""Best passages whose text is looked at."""

CLOSE = 15
"""Words within which words of the question stand together."""

COVERED, TOGETHER, IN_ORDER, DEFINED = 0.8, 0.4, 0.6, 0.4
"""How much a passage gains that holds all of the question's words, all close together, all in its order, all
at the beginnings of lines, as a definition has it."""


def rank(
    documents: Sequence[Document], indexes: Sequence[Index], asked: Sequence[tuple[str, ...]]
) -> list[np.ndarray]:
    """The score of each passage of each document, f32 [passages].

    Args:
        documents: what is searched.
        indexes: theirs.
        asked: the words of the question (`gemcli.pack.terms.wanted`).
    """
    import numpy as np

    weights: dict[str, float] = {}
    for word in asked:
        for place, term in enumerate(word):
            weights[term] = max(weights.get(term, 0.0), PIECE if place else 1.0)
    scores = score(indexes, weights)
    if not any(len(own) for own in scores):
        return scores
    for number, own in enumerate(scores):
        if len(own) > 1:
            beside = np.zeros_like(own)
            beside[1:] = own[:-1]
            beside[:-1] = np.maximum(beside[:-1], own[1:])
            # A passage without any of the words stays out, however good its neighbours are.
            scores[number] = np.where(own > 0, own + AROUND * beside, 0)
    owners = np.concatenate([np.full(len(own), number) for number, own in enumerate(scores)])
    places = np.concatenate([np.arange(len(own)) for own in scores])
    values = np.concatenate(scores)
    best = np.argsort(-values, kind="stable")[:LOOKED_AT]
    mains = _values(indexes, asked)
    for at in best[values[best] > 0]:
        owner, place = int(owners[at]), int(places[at])
        text = indexes[owner].passages[place].text(documents[owner].parts)
        scores[owner][place] *= 1 + _gain(text, mains)
    return scores


def _values(indexes: Sequence[Index], asked: Sequence[tuple[str, ...]]) -> dict[str, float]:
    """What each word of the question is worth, by its main term, all together 1; in the question's order."""
    total = sum(len(each.passages) for each in indexes)
    rare = {word[0]: rarity(total, sum(len(each.entries(word[0])[0]) for each in indexes)) for word in asked}
    whole = sum(rare.values()) or 1.0
    return {term: value / whole for term, value in rare.items()}


def _gain(text: str, values: dict[str, float]) -> float:
    """What a passage gains by the words it holds, and how they stand in it."""
    found: list[tuple[int, str]] = []
    for at, word in enumerate(words(text)):
        for term in terms(word):
            if term in values:
                found.append((at, term))
    covered = sum(values[term] for term in {term for _, term in found})
    together = 0.0
    begin = 0
    held: dict[str, int] = {}
    for at, term in found:  # a window that slides over the places
        held[term] = held.get(term, 0) + 1
        while at - found[begin][0] > CLOSE:
            gone = found[begin][1]
            held[gone] -= 1
            if not held[gone]:
                del held[gone]
            begin += 1
        if len(held) > 1:
            together = max(together, sum(values[each] for each in held))
    follows = list(pairwise(values))
    pairs = {(one, two) for (here, one), (there, two) in pairwise(found) if 0 <= there - here <= 2}
    in_order = sum(values[one] + values[two] for one, two in follows if (one, two) in pairs) / 2
    defined = sum(values[term] for term in _beginnings(text) if term in values)
    return COVERED * covered + TOGETHER * together + IN_ORDER * in_order + DEFINED * defined


def _beginnings(text: str) -> set[str]:
    """The main terms of the words with which lines begin."""
    found = [words(line[:80])[:1] for line in text.splitlines()]
    return {terms(first[0])[0] for first in found if first and terms(first[0])}
