"""One request among many, from when it is asked until its last token: what is told between two threads.

The thread that asks only reads its outbox; the one that computes does all else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import numpy as np

from model.cache.trail import Trail
from model.engine.engine import Progress
from model.engine.slots import Known
from model.sampling.constraint import Constraint
from model.sampling.likely import Likely
from model.sampling.sampler import Sampling


@dataclass(eq=False, slots=True)
class Request:
    """What was asked; arguments as of `model.engine.engine.Engine.generate`.

    Attributes:
        prompt: what is to be read; with what was said already, where it had to give way to others.
        limit: tokens that may still be said.
        weighed: each token is told alone, with how likely it was.
        outbox: lists of tokens, tokens with how likely they were, pairs of progress, at last None or what
            went wrong.
        owed: tokens that are settled but were not told yet, where it had to give way to others.
        again: it had to give way, so its prompt was read before.
        gone: whoever asked does not listen any more.
    """

    prompt: Trail
    sampling: Sampling
    limit: int
    stops: frozenset[int]
    suppress: tuple[int, ...] = ()
    reluctant: Mapping[int, float] | None = None
    constraint: Constraint | None = None
    keep: bool = True
    weighed: bool = False
    outbox: SimpleQueue[Any] = field(default_factory=SimpleQueue)
    owed: tuple[int, ...] = ()
    again: bool = False
    gone: bool = False

    def listen(
        self,
        progress: Progress | None,
        restored: Callable[[int], None] | None = None,
        weigh: Callable[[Likely], None] | None = None,
    ) -> Iterator[int]:
        """The tokens as they come; ends with them, or raises what went wrong.

        Args:
            progress, restored, weigh: see `model.engine.engine.Engine.generate`.
        """
        begun = False
        while (told := self.outbox.get()) is not None:
            if isinstance(told, BaseException):
                raise told
            if isinstance(told, list):
                yield from told
                continue
            if isinstance(told, Likely):
                if weigh:
                    weigh(told)
                yield told.token
                continue
            if restored and not begun:
                restored(told[0])
            if progress and (begun or told[0]):
                progress(*told)
            begun = True


@dataclass(eq=False, slots=True)
class Sequence:
    """A request that is being answered.

    Attributes:
        request: what was asked.
        known: its tokens in the pool, and its pages.
        row: its row in the pool.
        feed: tokens that were said and are not in the pool yet: the next one, and those that must follow.
        said: all that was said.
        fresh: the page that it got and has not written to, or the page of nobody.
    """

    request: Request
    known: Known
    row: int
    feed: deque[int]
    said: list[int]
    fresh: int = 0

    @property
    def at(self) -> int:
        """The position of the next token that is fed."""
        return len(self.known.ids)

    @property
    def left(self) -> int:
        """How many tokens may still be said."""
        return self.request.limit - len(self.said)

    @property
    def free(self) -> bool:
        """Whether the device alone decides what comes next."""
        return self.request.constraint is None

    @property
    def over(self) -> bool:
        """Whether no more is said."""
        constraint = self.request.constraint
        ended = constraint is not None and constraint.ended
        return ended or self.said[-1] in self.request.stops or not self.left

    def settle(self, chosen: list[int]) -> None:
        """What the device has chosen is said, and told unless it is to be weighed.

        Raises:
            ConstraintError: the constraint does not allow it.
        """
        request = self.request
        if request.constraint is None:
            said = chosen
            self.feed.append(said[-1])
        else:
            said = settle(chosen[0], request.constraint, request.stops, self.left)
            self.feed.extend(said)
        self.said += said
        if not request.weighed:
            request.outbox.put(said)

    def took(self, tokens: list[int]) -> None:
        """The pool holds these tokens too."""
        self.known.ids = np.append(self.known.ids, np.asarray(tokens, np.int32))


def settle(chosen: int | None, constraint: Constraint, stops: frozenset[int], left: int) -> list[int]:
    """The tokens that stand, with those that must follow.

    Args:
        chosen: what the device has chosen under the mask; None: it was not asked yet.
        constraint: takes them.
        stops: tokens that end the text.
        left: how many may be said.

    Raises:
        ConstraintError: the constraint does not allow it.
    """
    tokens: list[int] = []
    forced = list(constraint.forced()) if chosen is None else [chosen]
    while forced and left > len(tokens) and not constraint.ended:
        for each in forced[: left - len(tokens)]:
            tokens.append(constraint.take(each, left - len(tokens) - 1))
            if tokens[-1] in stops or constraint.ended:
                return tokens
            if tokens[-1] != each:
                break
        forced = list(constraint.forced())
    return tokens
