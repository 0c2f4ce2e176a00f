"""Who is answered now, who waits, and who is turned away: first come, first served.

Answers of one model run side by side.  Another model gets its turn once they have ended: the one who waits
for it is not overtaken for ever.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gemcli.server.faults import Fault


@dataclass(eq=False, slots=True)
class _Place:
    model: str
    turn: asyncio.Future[None]


class Gate:
    """Lets requests in.

    Args:
        parallel: how many are inside at once.
        queue: how many may wait.

    Attributes:
        running: how many are inside.
        since: when one entered or left last, by `time.monotonic`.
    """

    def __init__(self, parallel: int, queue: int) -> None:
        self._parallel = parallel
        self._queue = queue
        self._model = ""
        self._waiting: deque[_Place] = deque()
        self.running = 0
        self.since = time.monotonic()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def idle_s(self) -> float:
        """Seconds since there was last something to do."""
        return 0.0 if self.running or self._waiting else time.monotonic() - self.since

    @asynccontextmanager
    async def inside(self, model: str) -> AsyncIterator[None]:
        """Wait for the turn, and be inside until the block ends.

        Args:
            model: which one is wanted.

        Raises:
            Fault: too many wait already.
        """
        if self._waiting or not self._may_enter(model):
            await self._wait(model)
        else:
            self._enter(model)
        try:
            yield
        finally:
            self.running -= 1
            self.since = time.monotonic()
            self._let_in()

    async def _wait(self, model: str) -> None:
        if len(self._waiting) >= self._queue:
            raise Fault(
                429,
                f"{len(self._waiting)} requests wait for their turn already: try again later",
                kind="rate_limit_error",
                code="queue_full",
                retry_after=max(1, len(self._waiting) // max(1, self._parallel)),
            )
        place = _Place(model, asyncio.get_running_loop().create_future())
        self._waiting.append(place)
        try:
            await place.turn
        except asyncio.CancelledError:
            if place.turn.done() and not place.turn.cancelled():  # let in and gone at the same moment
                self.running -= 1
            elif place in self._waiting:
                self._waiting.remove(place)
            self._let_in()
            raise

    def _may_enter(self, model: str) -> bool:
        return self.running < self._parallel and (self.running == 0 or model == self._model)

    def _enter(self, model: str) -> None:
        self.running += 1
        self.since = time.monotonic()
        self._model = model

    def _let_in(self) -> None:
        while self._waiting:
            place = self._waiting[0]
            if place.turn.cancelled():  # gone, and about to hear of it
                self._waiting.popleft()
                continue
            if not self._may_enter(place.model):
                return
            self._waiting.popleft()
            self._enter(place.model)
            place.turn.set_result(None)
