"""Where a request meets the model: it waits for its turn, its answer is followed and counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Mapping
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gemcli.errors import SchemaError
from gemcli.events import Event, Result
from gemcli.server.gate import Gate
from gemcli.server.limits import Limits
from gemcli.server.metrics import Metrics
from gemcli.server.work import Begin, follow

_T = TypeVar("_T")
_UNHELD = {"cache-control": "no-cache", "x-accel-buffering": "no"}  # by a proxy between us


class Gone(Exception):
    """The client went away; nobody is left to be told of it."""


class Desk:
    """Takes requests to the model.

    Args:
        gate: whose turn it is.
        metrics: what is counted.
        limits: how long an answer may take.
    """

    def __init__(self, gate: Gate, metrics: Metrics, limits: Limits) -> None:
        self._gate = gate
        self._metrics = metrics
        self._limits = limits

    async def events(self, model: str, begin: Begin) -> AsyncGenerator[Event]:
        """The events of an answer, once it has its turn; closing this ends it.

        Raises:
            Fault: too many wait, or it took too long.
            Exception: whatever ended the answer.
        """
        came = time.perf_counter()
        async with self._gate.inside(model):
            self._metrics.waited(time.perf_counter() - came)
            try:
                async with aclosing(follow(begin, self._limits.answer_s)) as events:
                    async for event in events:
                        if isinstance(event, Result) and is_answer(event.data):
                            self._metrics.answered(event.data)
                        yield event
            except (asyncio.CancelledError, GeneratorExit):
                self._metrics.ended("cancelled")
                raise
            except SchemaError:
                raise  # it was counted as an answer
            except BaseException:
                self._metrics.ended("error")
                raise


def is_answer(result: Mapping[str, Any]) -> bool:
    """Whether a result counts as an answer: also one that was cut, too short for its schema."""
    return result["error"] is None or result["error"]["code"] == SchemaError.exit_code


class Streamed:
    """A response that is sent as it comes into being, for as long as the client is there.

    Args:
        blocks: its body; closed at the end, or when the client goes away.
        media_type: of the body.
    """

    def __init__(self, blocks: AsyncGenerator[bytes], media_type: str) -> None:
        self._blocks = blocks
        self._media_type = media_type

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it.

        Raises:
            Gone: the client went away.
        """
        await attended(Request(scope, receive), self._send(send))

    async def _send(self, send: Send) -> None:
        headers = {"content-type": self._media_type, **_UNHELD}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        async with aclosing(self._blocks) as blocks:
            await send({"type": "http.response.start", "status": 200, "headers": raw})
            async for block in blocks:
                await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def attended(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """Do something as long as the client is there.

    Raises:
        Gone: it went away; the work was cancelled.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Gone
        return task.result()
    finally:
        for each in (task, gone):
            each.cancel()
        await _ended(task)
        await _ended(gone)


async def pulsed(events: AsyncGenerator[Event], every: float) -> AsyncGenerator[Event | None]:
    """Events as they come; None after each `every` seconds without one."""
    following: asyncio.Future[Event] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({following}, timeout=every)
            if not done:
                yield None
                continue
            task, following = following, None
            try:
                event = task.result()
            except StopAsyncIteration:
                return
            yield event
    finally:
        if following is not None:
            following.cancel()
            await _ended(following)
        await events.aclose()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _ended(task: Awaitable[Any]) -> None:
    with suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
        await task
