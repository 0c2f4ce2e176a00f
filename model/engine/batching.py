"""Many prompts answered at once by one engine, each exactly as if it were alone.

A `Batcher` is an `Engine` whose `generate` may be called from many threads.  The rest of an engine it leaves
as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from model.cache.pool import PAGE
from model.engine.engine import Engine, Progress
from model.engine.scheduler import Scheduler
from model.engine.sequence import Request
from model.engine.session import Session
from model.engine.slots import pages_for
from model.engine.speculative import Drafter
from model.errors import ContextOverflowError, DeviceError, UnsupportedModelError
from model.footprint import cache_bytes, fixed_bytes, kv_bytes_per_token
from model.load import Model
from model.memory import available_bytes
from model.prompt import Soft
from model.reach import is_sparse
from model.sampling.constraint import Constraint
from model.sampling.likely import Likely
from model.sampling.sampler import Sampling

MOST_SLOTS = 32
"""More rows make a step longer, and no token cheaper."""

_PAGES_EACH = 2  # pages that a slot has from the start
_UNKNOWN = 4_000_000_000  # bytes that are taken to be left where the system does not tell


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
    """An engine that answers up to `slots` requests at once, first come first served; up to `queue` wait.

    What one sequence has computed others go on from, while it runs and after: their common beginning is read
    once.  Besides, all takes from and adds to the engine's own kept prefixes.

    Args:
        engine: whose weights, tables and kept prefixes it uses; of one device.
        slots: most answers at once; None: as many as memory allows, `MOST_SLOTS` at most.
        queue: most requests that wait for a slot.

    Raises:
        DeviceError: the engine computes on several devices.
        UnsupportedModelError: its model attends sparsely.
    """

    def __init__(self, engine: Engine, *, slots: int | None = None, queue: int = 64) -> None:
        if engine.decoder.mesh is not None:
            raise DeviceError("many requests at once are answered on one device only: load it on one")
        if is_sparse(engine.decoder.config):
            raise UnsupportedModelError(
                "many requests at once are not answered with sparse attention: give --attention dense or "
                "extended, or a --context within the model's window"
            )
        vars(self).update(vars(engine))  # the same weights and tables, not more of them
        self._slots, pages = _share(engine, slots)
        self._queue = queue
        self._scheduler = Scheduler(engine, self._slots, queue, pages)

    @property
    def load(self) -> Load:
        """How busy it is now."""
        running, waiting = self._scheduler.counts()
        return Load(running, waiting, self._slots, self._queue)

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
        constraint: Constraint | None = None,
        marks: Sequence[int] = (),
        about: Sequence[str] = (),
        session: Session | None = None,
        keep: bool = True,
        restored: Callable[[int], None] | None = None,
        weigh: Callable[[Likely], None] | None = None,
        drafter: Drafter | None = None,
    ) -> Iterator[int]:
        """As `Engine.generate`, from any thread.  Closing the iterator frees its slot.

        Nothing is left to the session: what a conversation has computed is found without one.  No drafter is
        asked.

        Raises:
            BusyError: as many requests wait as may; like all others with the first token asked for.
            ModelError: it was closed.
            ConstraintError, ContextOverflowError, FormatError: as there.
        """
        if len(ids) + limit > self.window:
            raise ContextOverflowError(len(ids) + limit, self.window)
        if limit <= 0:
            return
        if session is not None:
            session.forget()
        request = Request(
            self.trail(ids, soft, marks, about),
            sampling,
            limit,
            frozenset(stop),
            tuple(suppress),
            reluctant,
            constraint,
            keep,
            weigh is not None,
        )
        self._scheduler.submit(request)
        try:
            yield from request.listen(progress, restored, weigh)
        finally:
            self._scheduler.leave(request)

    def close(self) -> None:
        """End all answers that are under way, with an error; the batcher cannot be used again."""
        self._scheduler.close()


def _share(engine: Engine, slots: int | None) -> tuple[int, tuple[int, int]]:
    """Slots, and pages of the pool to begin with and at most, for half of the memory that is left."""
    config, bits = engine.decoder.config, engine.cache_bits
    room = (available_bytes() or _UNKNOWN) // 2
    fixed, page = fixed_bytes(config, bits), kv_bytes_per_token(config, bits) * PAGE
    # A prompt on its way has a state of its own, of its whole length.
    room -= 2 * cache_bytes(config, min(engine.window, 8 * PAGE), bits)
    if slots is None:
        each = fixed + page * _PAGES_EACH
        slots = max(1, min(MOST_SLOTS, room // each if each else MOST_SLOTS))
    least = pages_for(engine.window) + 1
    most = (
        max(least, min((room - slots * fixed) // page, slots * pages_for(engine.window)) + 1) if page else 1
    )
    return slots, (min(most, slots * _PAGES_EACH + 1), most)


def batched(model: Model, *, slots: int | None = None, queue: int = 64) -> Model:
    """The model, able to answer many prompts at once: `stream` may be called from many threads.

    Args:
        model: from `model.load.load`; its weights are shared, not copied.
        slots, queue: see `Batcher`.

    Returns:
        A model whose `engine` is a `Batcher`: `engine.load` tells how busy it is, `engine.close()` ends it.

    Raises:
        DeviceError, UnsupportedModelError: see `Batcher`.
    """
    return Model(model.card, Batcher(model.engine, slots=slots, queue=queue), model.senses)
