"""The body of a request: within its size, and not slower than anybody can be who means it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from gemcli.server.desk import Gone
from gemcli.server.faults import Fault
from gemcli.server.limits import Limits

LINGER_S = 2.0
"""Seconds for which a body that is refused is read on, so that its client hears why."""


async def blocks(request: Request, limits: Limits, most: int) -> AsyncIterator[bytes]:
    """The body as it comes.

    Args:
        request: whose body it is.
        limits: how slow it may come.
        most: bytes that it may have.

    Raises:
        Fault: it is too long, too slow, or packed.
        Gone: the client went away.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Fault(415, "a packed body is not taken: send it without Content-Encoding")
    declared = request.headers.get("content-length", "")
    stream = request.stream()
    if declared.isdecimal() and int(declared) > most:
        if "expect" not in request.headers:  # who asks first has sent nothing yet
            await _drain(stream)
        raise _too_large(most)
    began, came = time.monotonic(), 0
    while True:
        try:
            async with asyncio.timeout(limits.body_s):
                block = await anext(stream)
        except StopAsyncIteration:
            return
        except ClientDisconnect:
            raise Gone from None
        except TimeoutError:
            raise _too_slow() from None
        came += len(block)
        if came > most:
            await _drain(stream)
            raise _too_large(most)
        spent = time.monotonic() - began - limits.body_s
        if spent > 0 and came < spent * limits.rate:
            raise _too_slow()
        if block:
            yield block


@dataclass(slots=True)
class Coming:
    """How many bytes of bodies are in memory while they come."""

    held: int = 0


async def take(request: Request, limits: Limits, coming: Coming) -> bytes:
    """The whole body of a request.

    Args:
        request, limits: as for `blocks`.
        coming: what comes with all requests together.

    Raises:
        Fault, Gone: as `blocks`; or too much comes at once.
    """
    taken: list[bytes] = []
    size = 0
    try:
        async for block in blocks(request, limits, limits.body_bytes):
            size += len(block)
            coming.held += len(block)
            if coming.held > max(limits.bodies_bytes, limits.body_bytes):
                raise Fault(
                    503,
                    "too much is being sent at once: try again later",
                    kind="server_error",
                    code="too_much_at_once",
                    retry_after=1,
                )
            taken.append(block)
        return b"".join(taken)
    finally:
        coming.held -= size


async def _drain(stream: AsyncIterator[bytes]) -> None:
    """Throw away what still comes, for a while: many clients only listen when they have sent everything."""
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(LINGER_S):
            async for _ in stream:
                pass


def _too_large(most: int) -> Fault:
    return Fault(413, f"the body is larger than {most:,} bytes", code="body_too_large")


def _too_slow() -> Fault:
    return Fault(408, "the body came too slowly", code="timeout")
