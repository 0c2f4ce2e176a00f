"""Whether a draft is worth verifying, by what drafts like it came to so far.

A pass over several tokens costs more than a step for one: how much more depends on the machine, and is
measured.  A draft is tried where the tokens to be expected of it, at the rate at which drafts of its kind
were right lately, are worth that.  Drafts that are not tried are compared, at no cost, with what the model
then says, so that a rate recovers when the text begins to repeat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.engine.speculative import Draft

SIZES = (4, 8)
"""Tokens that one pass takes: the newest one and the draft behind it."""

_WORTH = 1.1  # how much faster than steps a pass must promise to be
_FORGETS = 0.85  # what a rate keeps of itself with each draft


@dataclass(slots=True)
class Gate:
    """The running averages of one answer.

    Args:
        rates: how often tokens of drafts of each kind are right, to begin with.
        costs: of passes in steps, by size, until they have been measured.
        measures: whether they are.

    Attributes:
        tried, right: tokens of drafts that were verified, and those of them that were right.
    """

    rates: list[float]
    costs: Mapping[int, float]
    measures: bool = True
    tried: int = 0
    right: int = 0
    _step: float | None = None
    _passes: dict[int, float] = field(default_factory=dict)
    _called: set[int] = field(default_factory=set)

    def size(self, kind: int, length: int) -> int:
        """Tokens of the pass that a draft should have; 0: none.

        Args:
            kind: of the draft.
            length: tokens of the draft.
        """
        best, most = 0, _WORTH
        for size in SIZES:
            tokens = min(size - 1, length)
            gain = self._expected(kind, tokens) / self._cost(size)
            if gain > most:
                best, most = size, gain
        return best

    def verified(self, draft: Draft, right: int, seconds: float) -> None:
        """A pass has found so many of a draft's tokens right; with making the draft it took so long."""
        self.tried += len(draft.tokens)
        self.right += right
        self.saw(draft.kind, len(draft.tokens), right)
        if draft.size in self._called:  # the first call compiles
            self._passes[draft.size] = _mixed(self._passes.get(draft.size), seconds)
        self._called.add(draft.size)

    def saw(self, kind: int, tokens: int, right: int) -> None:
        """So many of a draft's tokens were right, or would have been."""
        for n in range(min(right + 1, tokens)):  # behind the first wrong one nothing is known
            self.rates[kind] += (1 - _FORGETS) * ((n < right) - self.rates[kind])

    def stepped(self, seconds: float) -> None:
        """A step for one token took so long."""
        self._step = _mixed(self._step, seconds)

    def _expected(self, kind: int, tokens: int) -> float:
        return sum(self.rates[kind] ** n for n in range(tokens + 1))

    def _cost(self, size: int) -> float:
        if self._step is None or size not in self._passes or not self.measures:
            return self.costs[size]
        return max(self._passes[size] / self._step, 1.0)


def _mixed(average: float | None, new: float) -> float:
    return new if average is None else 0.7 * average + 0.3 * new


def agreeing(draft: Sequence[int], text: Sequence[int]) -> int:
    """How many tokens of a draft come before the first that the text has otherwise, or not at all."""
    pairs = list(zip(draft, text, strict=False))
    return next((n for n, (ours, theirs) in enumerate(pairs) if ours != theirs), len(pairs))
