"""The sentences that an answer is likely from: those that share its words, and some of the question's.

Of all the sentences of a long document a small model picks one near the end, whatever they say.  Of a handful
that have to do with the answer it picks well.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from gemcli.cite.spans import Quotable
from gemcli.pack.terms import terms, words

_MOST = 12  # sentences
_WORTH = 0.4  # the least that a sentence has of the best one's score
_OF_QUESTION = 0.5  # what a word of the question counts, beside one of the answer
_NUMBER = 2.0  # and a number of the answer: few things tell a sentence so well
_SHORT = 8  # words, fewer of which make no sentence count more


def near(texts: Sequence[Quotable], answer: str, question: str) -> list[Quotable]:
    """The texts with those beginnings alone from which a quote may be where the answer is from.

    All of them stay where no sentence has anything in common with the answer.
    """
    sentences = [
        (number, start, _sentence(each, start))
        for number, each in enumerate(texts)
        for start in each.span.starts
    ]
    held = [_terms(text) for _, _, text in sentences]
    common = Counter(term for each in held for term in each)
    wanted = dict.fromkeys(_terms(question), _OF_QUESTION)
    wanted |= {term: _NUMBER if term.isdigit() else 1.0 for term in _terms(answer)}
    value = {
        term: weight * math.log(1 + len(sentences) / common[term])
        for term, weight in wanted.items()
        if common[term]
    }
    scores = [sum(value.get(term, 0.0) for term in each) / math.sqrt(max(len(each), _SHORT)) for each in held]
    best = max(scores, default=0.0)
    if not best:
        return list(texts)
    order = sorted(range(len(sentences)), key=lambda index: -scores[index])[:_MOST]
    kept: dict[int, list[int]] = {}
    for index in order:
        if scores[index] >= _WORTH * best:
            number, start, _ = sentences[index]
            kept.setdefault(number, []).append(start)
    return [
        replace(texts[number], span=replace(texts[number].span, starts=sorted(starts)))
        for number, starts in sorted(kept.items())
    ]


def _sentence(text: Quotable, start: int) -> str:
    """What stands between a beginning and the next end behind it."""
    ends = text.span.ends
    at = bisect_left(ends, start + 1)
    end = ends[at] if at < len(ends) else len(text.span.text)
    return text.span.text[start:end].decode("utf-8", "replace")


def _terms(text: str) -> set[str]:
    return {terms(word)[0] for word in words(text) if terms(word)}
