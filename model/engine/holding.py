"""The pool on the device and the accounts of it on the host, kept in step."""

from __future__ import annotations

import jax
import numpy as np

from model.cache import pool as pools
from model.cache.pool import NOWHERE, PAGE, Pool
from model.cache.state import State
from model.cache.trail import Trail
from model.engine import plan, together
from model.engine.engine import Engine
from model.engine.slots import Known, Pages, Shelf, pages_for

_GROWTH = 4  # times as many pages, when there are too few


class Holding:
    """What all sequences have in memory.

    Args:
        engine: whose sequences they are.
        slots: rows of the pool.
        pages: of the pool: to begin with, and at most.

    Attributes:
        shelf: the sequences in the pool.
        rows: the rows that nobody has.
        held: the pool, once there is one; a step takes it and leaves another.
    """

    def __init__(self, engine: Engine, slots: int, pages: tuple[int, int]) -> None:
        config = engine.decoder.config
        self._engine = engine
        self._exact, self._paged = pools.has_rows(config), pools.has_pages(config)
        self._slots, self._most = slots, pages[1]
        self._pages = Pages(pages[0] if self._paged else 1)
        self._spare: tuple[State, Known] | None = None
        self.shelf = Shelf(exact=self._exact, most=slots)
        self.rows = list(range(slots - 1, -1, -1))
        self.held: Pool | None = None

    def pool(self) -> Pool:
        """The pool, made when it is first needed."""
        if self.held is None:
            config, count = self._engine.decoder.config, self._pages.count
            pool = together.empty(config, count, self._slots + 1, self._engine.cache_bits)
            self.held = pool
            return pool
        return self.held

    def empty(self, tokens: int) -> State:
        """An empty state with room for so many tokens; the last one's memory serves again where it can."""
        spare, self._spare = self._spare, None
        if spare is None or spare[0].room != plan.slots(tokens):
            return self._engine.new_state(tokens)
        return together.trimmed(spare[0], np.int32(0))

    def share(self, known: Known, length: int) -> list[int]:
        """The whole pages of a sequence's first tokens, for one more to stand on."""
        pages = known.pages[: length // PAGE]
        self._pages.share(pages)
        return pages

    def leave(self, pages: list[int]) -> None:
        """One stands on these pages no more."""
        self._pages.leave(pages)

    def taken(self, known: Known, length: int, prompt: Trail) -> State:
        """The first tokens of a sequence in the pool, which a prompt begins with, as a state for all of it.

        Where the last state that was made begins with them, too, nothing is copied: so it is when questions
        about a document come one by one.
        """
        if self._spare is not None:
            spare, of = self._spare
            if spare.room == plan.slots(len(prompt)) and self.shelf.common(of, prompt) >= length:
                self._spare = None
                return together.trimmed(spare, np.int32(length))
        count = pages_for(length) if self._paged else 0
        state = self.empty(len(prompt))
        return together.taken(
            self.pool(),
            state,
            known.snapshots.get(length),
            _padded(known.pages[:count], state),
            np.int32(count),
            np.int32(length),
        )

    def enter(self, known: Known, state: State, length: int, shared: list[int]) -> int | None:
        """Move a sequence into the pool.

        Args:
            known: gets its pages.
            state: its state, used up.
            length: tokens that it holds.
            shared: its first pages, which are there already.

        Returns:
            Its row; None where there is no room.
        """
        count = pages_for(length) if self._paged else 0
        own = self._get(count - len(shared))
        if own is None:
            return None
        row, pages = self.rows[-1], [*shared, *own]
        try:
            self.held = together.put(
                self.pool(),
                state,
                np.int32(row),
                _padded(pages, state),
                np.int32(len(shared)),
                np.int32(count),
            )
        except BaseException:
            self._pages.leave(own)
            raise
        known.pages = pages
        self.rows.pop()
        self._spare = None if self._exact else (state, Known(known.ids, known.soft, []))
        self.shelf.enter(known)
        return row

    def extend(self, known: Known, tokens: int) -> list[int] | None:
        """See that a sequence has pages for so many tokens; those that are new, None where there are none."""
        if not self._paged:
            return []
        pages = self._get(max(pages_for(tokens) - len(known.pages), 0))
        known.pages += pages or []
        return pages

    def end(self, known: Known, row: int) -> None:
        """A sequence has ended; what it holds stays while there is room."""
        self.rows.append(row)
        for dropped in self.shelf.end(known):
            self._pages.leave(dropped.pages)

    def _get(self, count: int) -> list[int] | None:
        """So many pages; None where there are none left even without those of ended sequences."""
        while self._pages.free < count:
            if self._pages.count < self._most:
                self._grow(min(self._pages.count * _GROWTH, self._most))
            elif (known := self.shelf.drop()) is not None:
                self._pages.leave(known.pages)
            else:
                return None
        return self._pages.get(count)

    def _grow(self, pages: int) -> None:
        """Have so many pages, or never more than now where there is no memory for them."""
        try:
            if self.held is not None:
                self.held = together.larger(self.held, pages)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            self._most = self._pages.count
        else:
            self._pages.grow(pages)


def _padded(pages: list[int], state: State) -> np.ndarray:
    """Pages as int32 [n], for as many as the state has."""
    full = np.full((state.room or PAGE) // PAGE, NOWHERE, np.int32)
    full[: len(pages)] = pages
    return full
