"""Work in a thread of its own, seen as a stream of events by the thread that shows them.

The main thread thus never waits inside compiled code: an interrupt reaches it at once, whatever the model is
doing.  The work notices that nobody listens any more the next time it reports something, and stops there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from queue import Empty, SimpleQueue

from gemcli.events import Event

Emit = Callable[[Event], None]

PATIENCE_S = 0.5
"""How long a consumer that goes away waits for the work to notice."""

TICK_S = 0.25
"""How long a wait for the next event may be: Windows tells of an interrupt only between two waits."""


class Abandoned(BaseException):
    """Raised inside the work where it reports to a consumer that is gone; not for anyone else to catch."""


class Cancelled(KeyboardInterrupt):
    """Raised by `stream` when its `cancelled` is set: nobody waits for the answer any more."""


def stream(work: Callable[[Emit], None], cancelled: threading.Event | None = None) -> Generator[Event]:
    """Run `work(emit)` in a thread and yield what it emits, in order.

    `cancelled` ends it from any thread, also while nothing is emitted, by raising `Cancelled` here.

    An exception of the work is raised here, after everything that it emitted before.  When the generator is
    closed, or an exception is thrown into it, the work is told to stop and given `PATIENCE_S` to do so.
    """
    queue: SimpleQueue[Event | _End] = SimpleQueue()
    abandoned = threading.Event()

    def emit(event: Event) -> None:
        if abandoned.is_set():
            raise Abandoned
        queue.put(event)

    def body() -> None:
        try:
            work(emit)
        except BaseException as error:
            queue.put(_End(error))
        else:
            queue.put(_End(None))

    thread = threading.Thread(target=body, name="gemcli-work", daemon=True)
    thread.start()
    try:
        while True:
            if cancelled is not None and cancelled.is_set():
                raise Cancelled
            try:
                item = queue.get(timeout=TICK_S)
            except Empty:
                continue
            if isinstance(item, _End):
                break
            yield item
        if item.error is not None:
            raise item.error
    finally:
        abandoned.set()
        thread.join(PATIENCE_S)


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error
