"""Where a prompt's beginning may already be computed: the one protocol of everything that keeps states."""

from __future__ import annotations

from typing import Protocol

from model.cache.state import State
from model.cache.trail import Trail


class Prefixes(Protocol):
    """States kept from earlier prompts.

    `model.cache.disk.DiskPrefixes` keeps them in files, from one run to the next; `model.engine.session`
    keeps the last one in memory.
    """

    def find(self, trail: Trail) -> int:
        """Tokens that `recall` would give, as far as can be told without doing it."""
        ...

    def recall(self, trail: Trail, room: int) -> tuple[State, int] | None:
        """The state of as much of a prompt's beginning as is kept, and of how many tokens that is.

        The number is less than the prompt's, for its last token must be computed to know what follows; the
        state is the caller's to use up.

        Args:
            trail: the prompt.
            room: tokens that the state must have room for.

        Returns:
            None where nothing is kept.
        """
        ...

    def keep(self, trail: Trail, index: int, state: State) -> None:
        """Be told of a state.

        Args:
            trail: the prompt.
            index: of the step behind which the state stands.
            state: it stays the caller's: whatever is kept of it has been copied when this returns.
        """
        ...
