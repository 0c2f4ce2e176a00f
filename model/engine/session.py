"""One conversation in memory: the state of its last sequence stays, and the next prompt goes on from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.cache import pieces
from model.cache.state import State
from model.cache.trail import Trail
from model.prompt import Soft

_WORTH = 64  # tokens that must be spared by leaving the chunks that a run of its own would have
_Seen = tuple[int, int, bool, str]


@dataclass(slots=True)
class Session:
    """What is kept between two prompts of a conversation; give the same one to `Engine.generate` each time.

    A new prompt that begins as the last sequence did (the prompt and what was answered) goes on from where it
    leaves it.  Full caches forget any number of tokens; rings and recurrences go back to where a snapshot was
    taken: at the marks of a prompt, at its end, and at the end of the answer.
    """

    _ids: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    _soft: tuple[_Seen, ...] = ()
    _state: State | None = None
    _snapshots: dict[int, State] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """How many are held."""
        return len(self._ids) if self._state is not None else 0

    def find(self, trail: Trail) -> int:
        """See `model.cache.prefix.Prefixes`."""
        return self._point(trail) if self._state is not None else 0

    def recall(self, trail: Trail, room: int) -> tuple[State, int] | None:
        """See `model.cache.prefix.Prefixes`; the state may have less room than is asked for, and the session
        holds nothing until it is told again."""
        length = self.find(trail)
        state, self._state = self._state, None
        if state is None or not length:
            self.forget()
            return None
        if length < len(self._ids):
            state = state.trim(length, self._snapshots.get(length))
        self._snapshots = {at: each for at, each in self._snapshots.items() if at <= length}
        self._names = {at: each for at, each in self._names.items() if at <= length}
        return state, length

    def keep(self, trail: Trail, index: int, state: State) -> None:
        """See `model.cache.prefix.Prefixes`."""
        step = trail.steps[index]
        self._names[step.end] = step.name
        if step.end in trail.marks:
            self.remember(step.end, state)

    def remember(self, length: int, state: State) -> None:
        """Take a snapshot, where one is needed to come back to this length."""
        if pieces.turns(state):
            self._snapshots[length] = state.snapshot()

    def hold(self, ids: Sequence[int], soft: Sequence[Soft], state: State) -> None:
        """Take over the state of a sequence of tokens, which is the session's from now on."""
        self._ids = np.asarray(ids, np.int32)
        self._soft = _seen(soft, len(ids))
        self._state = state

    def forget(self) -> None:
        """Let go of everything."""
        self._ids, self._soft, self._state = np.zeros(0, np.int32), (), None
        self._snapshots.clear()
        self._names.clear()

    def _point(self, trail: Trail) -> int:
        """How many tokens of a prompt's beginning the state can be brought to hold."""
        assert self._state is not None, "a session that holds nothing was asked where to go on"
        same = self._same(trail)
        if same == len(self._ids):
            reach = same
        elif pieces.turns(self._state):
            reach = max((at for at in self._snapshots if at <= same), default=0)
        else:
            reach = same
        # On its own chunks a prompt computes what it would without us, bit by bit.
        own = [
            step.end
            for step in trail.steps
            if step.end <= reach
            and self._names.get(step.end) == step.name
            and (not pieces.turns(self._state) or step.end in self._snapshots or step.end == len(self._ids))
        ]
        exact = max(own, default=0)
        return exact if reach - exact < _WORTH else reach

    def _same(self, trail: Trail) -> int:
        """Tokens of a prompt's beginning that are those of the sequence, seen and heard alike; not all."""
        most = min(len(self._ids), len(trail) - 1)
        differs = np.flatnonzero(self._ids[:most] != np.asarray(trail.ids[:most], np.int32))
        same = int(differs[0]) if differs.size else most
        theirs = _seen(trail.soft, same)
        for ours, other in zip(_until(self._soft, same), theirs, strict=False):
            if ours != other:
                return min(same, ours[0], other[0])
        mine = _until(self._soft, same)
        for left in (*mine[len(theirs) :], *theirs[len(mine) :]):
            same = min(same, left[0])
        for begin, end in trail.whole:
            if begin < same < end:
                same = begin
        return same


def _seen(soft: Sequence[Soft], length: int) -> tuple[_Seen, ...]:
    return tuple((each.first, each.end, each.is_block, each.identity) for each in soft if each.first < length)


def _until(seen: Sequence[_Seen], length: int) -> tuple[_Seen, ...]:
    return tuple(each for each in seen if each[0] < length)
