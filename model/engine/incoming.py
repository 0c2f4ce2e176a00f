"""A request whose prompt is being read: what its reading leaves for others, and what is said first."""

from __future__ import annotations

import numpy as np

from model.cache.state import State
from model.cache.trail import Trail
from model.engine.decode import choose, first_token, without_unlikely
from model.engine.reading import Reading
from model.engine.sequence import Request, settle
from model.engine.slots import Known
from model.errors import FormatError
from model.sampling.likely import likely
from model.sampling.sampler import Sampler


class Incoming:
    """A request whose prompt is being read.

    It is told of the states on the way (`model.cache.prefix.Prefixes`) and keeps those that others may go on
    from.
    """

    def __init__(self, request: Request, exact: bool) -> None:
        self.request = request
        self.reading: Reading | None = None
        self.pages: list[int] = []
        self.names: dict[int, str] = {}
        self.snapshots: dict[int, State] = {}
        self.said: list[int] = []
        self.begun = False
        self.over = False
        self._exact = exact

    def inherit(self, known: Known, length: int) -> None:
        """It goes on from the first tokens of another sequence."""
        self.names = {at: name for at, name in known.names.items() if at <= length}
        self.snapshots = {at: state for at, state in known.snapshots.items() if at <= length}

    def begin(self, reading: Reading) -> None:
        """Choose what is said first, and tell it.

        Raises:
            ConstraintError, FormatError: as `Engine.generate`.
        """
        request, logits = self.request, reading.logits
        if not np.isfinite(np.asarray(logits)).all():
            raise FormatError("the model computes numbers that are not finite: its weights are damaged")
        if request.reluctant:
            logits = without_unlikely(logits, request.reluctant)
        sampler, position = Sampler.of(request.sampling, request.suppress), len(request.prompt)
        constraint = request.constraint
        self.begun = True
        if request.owed:
            self.said, request.owed = list(request.owed), ()
        elif constraint is None:
            self.said = [first_token(sampler, logits, position)]
        elif not constraint.ended:
            self.said = settle(None, constraint, request.stops, request.limit)
            if not self.said:
                chosen = int(choose(sampler, logits, constraint.mask(), np.int32(position)))
                self.said = settle(chosen, constraint, request.stops, request.limit)
        ended = constraint is not None and constraint.ended
        self.over = ended or self.said[-1] in request.stops or len(self.said) >= request.limit
        if request.weighed and self.said:
            request.outbox.put(likely(reading.logits[None], 0, self.said[0]))
            self.over = self.over and len(self.said) == 1  # the others are weighed as they are read
        elif self.said:
            request.outbox.put(self.said)

    def find(self, trail: Trail) -> int:
        return 0

    def recall(self, trail: Trail, room: int) -> None:
        return None

    def keep(self, trail: Trail, index: int, state: State) -> None:
        step = trail.steps[index]
        self.names[step.end] = step.name
        if self._exact and (step.end in trail.marks or index == len(trail.steps) - 2):
            self.snapshots[step.end] = state.snapshot()
