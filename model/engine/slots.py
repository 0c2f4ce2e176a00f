"""Pages handed out to sequences, and what is kept in them of those that have ended.

A page belongs to everyone who stands on it and is free when the last has left: sequences that begin alike
share whole pages, and one that has ended stays, to be gone on from, until its pages are needed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.cache.pool import NOWHERE, PAGE
from model.cache.state import State
from model.cache.trail import Trail
from model.prompt import Soft

_WORTH = 16  # tokens: less is sooner computed than found


class Pages:
    """Which pages are free.

    Args:
        count: of all of them, the one that is nobody's included.
    """

    def __init__(self, count: int) -> None:
        self._users = [0] * count
        self._users[NOWHERE] = 1
        self._free = [page for page in range(count - 1, -1, -1) if page != NOWHERE]

    @property
    def count(self) -> int:
        """Of all of them."""
        return len(self._users)

    @property
    def free(self) -> int:
        """How many nobody has."""
        return len(self._free)

    def grow(self, count: int) -> None:
        """There are so many now."""
        self._free = [*range(count - 1, len(self._users) - 1, -1), *self._free]
        self._users += [0] * (count - len(self._users))

    def get(self, count: int) -> list[int]:
        """So many pages, of those that are free."""
        pages = [self._free.pop() for _ in range(count)]
        self.share(pages)
        return pages

    def share(self, pages: Sequence[int]) -> None:
        """One more stands on these pages."""
        for page in pages:
            self._users[page] += 1

    def leave(self, pages: Sequence[int]) -> list[int]:
        """One less does; returns those that are free now."""
        for page in pages:
            self._users[page] -= 1
        free = [page for page in pages if not self._users[page]]
        self._free += free
        return free


@dataclass(eq=False, slots=True)
class Known:
    """A sequence in the pool, running or ended.

    Attributes:
        ids: its tokens, as many as are in the pool.
        soft: what stands in the place of some of them.
        pages: its pages, in order.
        names: of the states behind its prompt's chunks, by length.
        snapshots: its memory of constant size at some of these.
    """

    ids: NDArray[np.int32]
    soft: tuple[Soft, ...]
    pages: list[int]
    names: dict[int, str] = field(default_factory=dict)
    snapshots: dict[int, State] = field(default_factory=dict)


class Shelf:
    """All sequences in the pool.

    Args:
        exact: only where chunks end alike, and the memory of constant size was copied, one sequence can go on
            from another; else behind any token.
        most: ended sequences that are kept.
    """

    def __init__(self, *, exact: bool, most: int) -> None:
        self.exact = exact
        self._most = most
        self._running: list[Known] = []
        self._ended: OrderedDict[int, Known] = OrderedDict()

    def enter(self, known: Known) -> None:
        """A sequence is in the pool."""
        self._running.append(known)

    def end(self, known: Known) -> list[Known]:
        """It has ended; returns what there is no more place for."""
        self._running.remove(known)
        if not len(known.ids):
            return [known]
        self._ended[id(known)] = known
        return [self._ended.popitem(last=False)[1]] if len(self._ended) > self._most else []

    def drop(self) -> Known | None:
        """Forget the ended sequence that was not needed for longest; None where there is none."""
        return self._ended.popitem(last=False)[1] if self._ended else None

    def find(self, prompt: Trail) -> tuple[Known, int] | None:
        """The sequence that begins most like a prompt, and how many tokens of it serve; not all of them."""
        best: tuple[Known, int] | None = None
        for known in (*self._running, *self._ended.values()):
            length = self.common(known, prompt)
            if length >= _WORTH and (best is None or length > best[1]):
                best = known, length
        if best is not None and id(best[0]) in self._ended:
            self._ended.move_to_end(id(best[0]))
        return best

    def common(self, known: Known, prompt: Trail) -> int:
        """How many tokens of a prompt, not all of them, a sequence's state serves for."""
        if self.exact:
            ends = [
                step.end
                for step in prompt.steps[:-1]
                if known.names.get(step.end) == step.name and step.end in known.snapshots
            ]
            return max(ends, default=0)
        most = min(len(known.ids), len(prompt) - 1)
        differs = np.flatnonzero(known.ids[:most] != np.asarray(prompt.ids[:most], np.int32))
        same = int(differs[0]) if differs.size else most
        # What is seen and heard counts as a whole.
        ours, theirs = _seen(known.soft, same), _seen(prompt.soft, same)
        for one in {*ours} ^ {*theirs}:
            same = min(same, one[0])
        for first, end, is_block, _ in ours:
            if is_block and first < same < end:
                same = first
        return same


def _seen(soft: Sequence[Soft], length: int) -> list[tuple[int, int, bool, str]]:
    return [(each.first, each.end, each.is_block, each.identity) for each in soft if each.first < length]


def pages_for(tokens: int) -> int:
    """Pages that hold so many tokens."""
    return -(-tokens // PAGE)
