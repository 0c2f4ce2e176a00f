"""What another gemcli is told while it waits, and when its answer is ended."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from starlette.requests import Request as HttpRequest

from gemcli import wire
from gemcli.events import Event, Result
from gemcli.request import Request
from gemcli.server.app import Api
from gemcli.server.blobs import Blobs
from gemcli.server.desk import Gone
from gemcli.server.gate import Gate
from gemcli.server.limits import Limits
from gemcli.server.metrics import Metrics
from gemcli.server.own import Own
from gemcli.server.served import Served

DATA = b"It is gold.\n"
NAME = hashlib.sha256(DATA).hexdigest()
RESULT: dict[str, Any] = {
    "answer": "Yes.",
    "error": None,
    "finish_reason": "stop",
    "usage": {"prompt_tokens": 1, "cached_tokens": 0, "completion_tokens": 1},
    "timings": {"total_s": 0.0},
}


@dataclass
class Model:
    """Says its answer after a while; what stands for the models of a server."""

    takes_s: float = 0.0
    base: Request = field(default_factory=lambda: Request("", model="m"))

    def resolve(self, wanted: str) -> str:
        return "m"

    def spec(self, name: str) -> str:
        return name

    def turns(self, request: Request, past: object, cancelled: threading.Event) -> tuple[()]:
        return ()

    def answer(self, name: str, request: Request, cancelled: threading.Event) -> Generator[Event]:
        cancelled.wait(self.takes_s)
        (source,) = request.sources
        yield Result(RESULT | {"answer": source.read().decode()})


async def asked(api: Api, blobs: Blobs, gone: asyncio.Event | None = None) -> list[bytes]:
    """The pieces of the body of an answer; `gone`: the client goes away."""
    sent = wire.request_to_json(Request("What?"))
    source = {"name": "a.md", "sha256": NAME}
    body = {"protocol": wire.PROTOCOL, "question": "What?", "request": sent, "sources": [source]}
    come = [{"type": "http.request", "body": json.dumps(body).encode()}]

    async def receive() -> Any:
        if come:
            return come.pop()
        await (gone or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    pieces: list[bytes] = []

    async def send(message: Any) -> None:
        if message.get("body"):
            pieces.append(message["body"])

    scope: Any = {"type": "http", "method": "POST", "path": "/gemcli/v1/answer", "headers": []}
    response = await Own(api, blobs, {}).answer(HttpRequest(scope, receive))
    await response(scope, receive, send)
    return pieces


async def blocks() -> AsyncIterator[bytes]:
    yield DATA


def api_of(model: Model, limits: Limits, defects: list[BaseException]) -> Api:
    return Api(cast(Served, model), limits, False, Metrics(), Gate(1, 4), defects.append)


def test_who_waits_for_its_turn_is_told_so_and_its_files_stay() -> None:
    """A client takes a server that says nothing for two minutes for a dead one."""
    limits, now = Limits(pulse_s=0.05), [0.0]

    async def scene() -> list[bytes]:
        api = api_of(Model(), limits, [])
        with Blobs(limits, lambda: now[0]) as blobs:
            await blobs.put(NAME, blocks())
            ahead = asyncio.Event()

            async def other() -> None:
                async with api.gate.inside("m"):
                    await ahead.wait()

            first = asyncio.create_task(other())
            await asyncio.sleep(0)
            waiting = asyncio.create_task(asked(api, blobs))
            await asyncio.sleep(0.4)
            now[0] += 2 * limits.keep_s
            blobs.missing([])  # what nobody holds is forgotten
            ahead.set()
            pieces = await asyncio.wait_for(waiting, 10)
            await first
            assert not api.gate.running
            return pieces

    *pulses, last = asyncio.run(scene())
    assert len(pulses) >= 3
    assert set(pulses) == {b"\n"}
    assert json.loads(last)["answer"] == DATA.decode()


def test_an_answer_that_took_too_long_is_no_defect() -> None:
    defects: list[BaseException] = []
    limits = Limits(pulse_s=0.05, answer_s=0.2)

    async def scene() -> list[bytes]:
        with Blobs(limits) as blobs:
            await blobs.put(NAME, blocks())
            return await asyncio.wait_for(asked(api_of(Model(30.0), limits, defects), blobs), 10)

    last = json.loads(asyncio.run(scene())[-1])
    assert (last["type"], last["code"]) == ("error", 1)
    assert "took more than" in last["message"]
    assert not defects


def test_who_goes_away_while_it_waits_leaves_nothing_behind() -> None:
    limits = Limits(pulse_s=0.05)

    async def scene() -> None:
        api = api_of(Model(), limits, [])
        with Blobs(limits) as blobs:
            await blobs.put(NAME, blocks())
            async with api.gate.inside("m"):
                for wait_s in (0.0, 0.2):  # before its first line, and behind some
                    gone = asyncio.Event()
                    waiting = asyncio.create_task(asked(api, blobs, gone))
                    while not api.gate.waiting:
                        await asyncio.sleep(0.01)
                    await asyncio.sleep(wait_s)
                    gone.set()
                    with pytest.raises(Gone):
                        await asyncio.wait_for(waiting, 10)
                    assert api.gate.waiting == 0
                    assert [blob.users for blob in blobs._blobs.values()] == [0]
            assert api.gate.running == 0

    asyncio.run(scene())
