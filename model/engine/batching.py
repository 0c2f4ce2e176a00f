"""Many prompts answered at once by one engine, each exactly as if it were alone.

A `Batcher` is an `Engine` whose `generate` may be called from many threads.  The rest of an engine it leaves
as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.engine.engine import Engine, Progress
from model.errors import BusyError
from model.load import Model
from model.prompt import Soft
from model.sampling.sampler import Sampling


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a `Batcher` is.

    Attributes:
        running: requests that are being answered.
        waiting: those that wait for a slot.
        slots: most that are answered at once.
        queue: most that may wait.
    """

    running: int
    waiting: int
    slots: int
    queue: int

    @property
    def full(self) -> bool:
        """Whether one more request would be refused."""
        return self.running >= self.slots and self.waiting >= self.queue


class Batcher(Engine):
    """An engine that answers up to `slots` requests at once; up to `queue` more wait.

    Args:
        engine: whose weights and tables it uses.
        slots: most answers at once.
        queue: most requests that wait for a slot.
    """

    def __init__(self, engine: Engine, *, slots: int = 1, queue: int = 64) -> None:
        vars(self).update(vars(engine))  # the same weights and tables, not more of them
        self._slots, self._queue = slots, queue
        self._running = self._waiting = 0
        self._turn = threading.Condition()

    @property
    def load(self) -> Load:
        """How busy it is now."""
        with self._turn:
            return Load(self._running, self._waiting, self._slots, self._queue)

    def generate(
        self,
        ids: Sequence[int],
        *,
        sampling: Sampling,
        limit: int,
        stop: Collection[int] = (),
        suppress: Collection[int] = (),
        progress: Progress | None = None,
        soft: Sequence[Soft] = (),
        reluctant: Mapping[int, float] | None = None,
        **others: Any,
    ) -> Iterator[int]:
        """As `Engine.generate`; callable from many threads.  Closing the iterator frees its slot at once.

        Raises:
            BusyError: as many requests wait as may; with the first token asked for, like all that follow.
            ContextOverflowError, FormatError: as there.
        """
        with self._turn:
            if self._running >= self._slots:
                if self._waiting >= self._queue:
                    raise BusyError(self._running, self._waiting)
                self._waiting += 1
                self._turn.wait_for(lambda: self._running < self._slots)
                self._waiting -= 1
            self._running += 1
        try:
            yield from super().generate(
                ids,
                sampling=sampling,
                limit=limit,
                stop=stop,
                suppress=suppress,
                progress=progress,
                soft=soft,
                reluctant=reluctant,
                **others,
            )
        finally:
            with self._turn:
                self._running -= 1
                self._turn.notify()

    def close(self) -> None:
        """End all answers that are under way; the batcher cannot be used again."""


def batched(model: Model, *, slots: int | None = None, queue: int = 64) -> Model:
    """The model, able to answer many prompts at once: `stream` may be called from many threads.

    Args:
        model: from `model.load.load`; its weights are shared, not copied.
        slots: most answers at once; None: as many as memory allows, 32 at most.
        queue: most requests that wait for a slot; with more `BusyError` is raised.

    Returns:
        A model whose `engine` is a `Batcher`: `engine.load` tells how busy it is, `engine.close()` ends it.
    """
    return Model(model.card, Batcher(model.engine, slots=slots or 1, queue=queue), model.senses)
