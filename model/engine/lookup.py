"""Drafts copied from the prompt and the answer: what stood behind the last tokens where they came before.

Nothing is computed for them but a search (prompt lookup decoding; see arXiv 2304.04487 for its idea).  Who
quotes, edits or summarizes a document says much of it again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.engine.gate import SIZES, Gate, agreeing
from model.engine.speculative import Draft
from model.sampling.sampler import Sampler

_LEAST = 2  # tokens that must have come before in the same order
_MOST = 16  # that are compared
_RATES = (0.35, 0.6, 0.8, 0.9)  # of each kind of draft
COSTS = {4: 1.7, 8: 2.6}
"""Of a pass, in steps, until it is measured."""

_KINDS = (3, 5, 9)  # from so many equal tokens on a draft is of the next kind


class Lookup:
    """Drafts for one answer.

    Args:
        ids: the prompt.
    """

    def __init__(self, ids: Sequence[int]) -> None:
        self._gate = Gate(list(_RATES), COSTS)
        self._ids = ids
        self._text = np.zeros(0, np.int32)  # made when something is looked up: not every answer asks
        self._length = 0
        self._untried: tuple[int, int, list[int]] | None = None

    @property
    def gates(self) -> Sequence[Gate]:
        """See `model.engine.speculative.Drafter`."""
        return (self._gate,)

    def draft(self, said: Sequence[int], most: int, sampler: Sampler) -> Draft | None:
        """See `model.engine.speculative.Drafter`."""
        self._take(said)
        self._judge(said)
        tokens, kind = self._found()
        tokens = tokens[: max(most - 1, 0)]
        size = self._gate.size(kind, len(tokens)) if tokens else 0
        if tokens and not size and self._untried is None:
            self._untried = len(said), kind, tokens
        return Draft(tokens[: size - 1], size, kind, self._gate) if size else None

    def _take(self, said: Sequence[int]) -> None:
        """Append what is new."""
        if not self._length:
            self._text = np.zeros(len(self._ids) + 1024, np.int32)
            self._text[: len(self._ids)] = self._ids
            self._length = len(self._ids)
        new = said[self._length - len(self._ids) :]
        if self._length + len(new) > len(self._text):
            self._text = np.concatenate([self._text, np.zeros(len(self._text), np.int32)])
        self._text[self._length : self._length + len(new)] = new
        self._length += len(new)

    def _judge(self, said: Sequence[int]) -> None:
        """Learn from a draft that was not tried, once its place has been written."""
        if self._untried is None:
            return
        at, kind, tokens = self._untried
        if len(said) - at >= len(tokens):
            self._gate.saw(kind, len(tokens), agreeing(tokens, said[at : at + len(tokens)]))
            self._untried = None

    def _found(self) -> tuple[list[int], int]:
        """What stood behind the longest match of the last tokens, the newest of them; and its kind."""
        text = self._text[: self._length]
        ends, equal = matches(text)
        if equal < _LEAST:
            return [], 0
        end = int(ends[-1]) + 1
        # What repeats with a period goes on doing so.
        behind = text[end:][: SIZES[-1] - 1].tolist()
        while len(behind) < SIZES[-1] - 1:
            behind += behind[: SIZES[-1] - 1 - len(behind)]
        return behind, sum(equal >= least for least in _KINDS)


def matches(text: NDArray[np.int32]) -> tuple[NDArray[np.int64], int]:
    """Where in a text before its end its last tokens stand, as many of them as do anywhere.

    Args:
        text: int32 [S].

    Returns:
        Places of the last of those tokens, in order, int64 [n]; and how many tokens there are equal, at most
        16, with 0 where there is no place.
    """
    places = np.zeros(0, np.int64) if len(text) < 2 else np.flatnonzero(text[:-1] == text[-1])
    equal = int(len(places) > 0)
    while len(places) and equal < min(_MOST, len(text) - 1):
        longer = places[(places >= equal) & (text[places - equal] == text[-1 - equal])]
        if not len(longer):
            break
        places, equal = longer, equal + 1
    return places, equal
