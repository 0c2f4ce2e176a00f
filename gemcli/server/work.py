"""An answer that is made in a thread, followed from the event loop, and ended when nobody waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing

from gemcli.events import Event
from gemcli.server.faults import Fault

Begin = Callable[[threading.Event], Generator[Event]]


async def follow(begin: Begin, within: float) -> AsyncGenerator[Event]:
    """Events of an answer, in order; an exception that ends it is raised here after them.

    Closing the generator, or cancelling the task that runs it, ends the answer.

    Args:
        begin: gives the answer's events; its argument, once set, ends them.
        within: seconds after which it is ended.

    Raises:
        Fault: it took too long.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Event | BaseException | None] = asyncio.Queue()
    cancelled = threading.Event()

    def put(item: Event | BaseException | None) -> None:
        if not cancelled.is_set():
            try:
                loop.call_soon_threadsafe(queue.put_nowait, item)
            except RuntimeError:  # the loop is closed: the server has ended
                cancelled.set()

    def body() -> None:
        try:
            with closing(begin(cancelled)) as events:
                for event in events:
                    put(event)
        except BaseException as error:
            put(error)
        else:
            put(None)

    threading.Thread(target=body, name="gemcli-answer", daemon=True).start()
    late = Fault(504, f"the answer took more than {within:,.0f} seconds", kind="server_error", code="timeout")
    alarm = loop.call_later(within, queue.put_nowait, late)
    try:
        while (item := await queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        alarm.cancel()
        cancelled.set()
