"""A model that thinks before it answers thinks freely: a rule for its answers begins behind the thought."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from model.sampling.constraint import Constraint, all_tokens, only
from model.thinking import Marks, Splitter
from model.tokenizer.base import Tokenizer

_BREAKS = (b"\n", b"\n\n")  # how a model passes from a thought that it ended with a tag to its answer


def after_thoughts(
    constraint: Constraint, tokenizer: Tokenizer, marks: Marks, prompt: Sequence[int], vocab: int
) -> Constraint:
    """The constraint behind whatever the model thinks first.

    A model that begins no thought is held to the constraint from its first token on.

    Args:
        constraint: of the answer.
        tokenizer: of the model.
        marks: how it marks thoughts.
        prompt: what is being continued; it may end with a begun thought.
        vocab: V, how many logits there are.
    """
    return _AfterThoughts(constraint, tokenizer, marks, prompt, vocab)


class _AfterThoughts:
    def __init__(
        self, constraint: Constraint, tokenizer: Tokenizer, marks: Marks, prompt: Sequence[int], vocab: int
    ) -> None:
        self._inner = constraint
        self._splitter = Splitter(tokenizer, marks, prompt)
        self._begin = tokenizer.id_of(marks.begin)
        self._answering = False
        self._thought = self._splitter.thinking
        self._free = all_tokens(vocab) & ~only(_ends(tokenizer, vocab), vocab)
        self._bridges: list[int] = []
        if marks.spelled:
            self._bridges = [ids[0] for text in _BREAKS if len(ids := tokenizer.encode(text.decode())) == 1]
        self._vocab = vocab

    @property
    def complete(self) -> bool:
        return not self._splitter.thinking and self._inner.complete

    @property
    def ended(self) -> bool:
        return self._answering and self._inner.ended

    @property
    def hurried(self) -> bool:
        return self._inner.hurried

    def mask(self) -> np.ndarray:
        """Anything in a thought; before one its mark too."""
        if self._splitter.thinking:
            return self._free
        return self._inner.mask() | only(self._doors(), self._vocab)

    def forced(self) -> Sequence[int]:
        """As the constraint has it, once the answer has begun."""
        return self._inner.forced() if self._answering else ()

    def take(self, token: int, room: int) -> int:
        """See `model.sampling.constraint.Constraint.take`."""
        if self._splitter.thinking:
            self._splitter.push(token)
            self._thought = True
            return token
        if token in self._doors():
            if self._thought:
                self._bridges = []
            else:
                self._splitter.push(token)
            return token
        self._answering = True
        return self._inner.take(token, room)

    def _doors(self) -> Collection[int]:
        """Tokens that may come besides those of the answer: into a thought, and out of it."""
        if self._answering:
            return ()
        if self._thought:
            return self._bridges
        return () if self._begin is None else (self._begin,)


def _ends(tokenizer: Tokenizer, vocab: int) -> list[int]:
    return [id for id in tokenizer.eog_ids | tokenizer.suppress_ids if id < vocab]
