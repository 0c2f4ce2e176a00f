"""The server as an application: its paths, and what each does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp

from gemcli import __version__
from gemcli.errors import SchemaError
from gemcli.events import Event, Progress, Result, Thought, Token
from gemcli.server import asked, metrics, replies
from gemcli.server.body import Coming, take
from gemcli.server.desk import Desk, Streamed, attended, is_answer, pulsed
from gemcli.server.faults import fault
from gemcli.server.fields import parse
from gemcli.server.gate import Gate
from gemcli.server.guard import Guard, Rules
from gemcli.server.limits import Limits
from gemcli.server.metrics import Metrics
from gemcli.server.paths import Handler, Paths
from gemcli.server.replies import Replies
from gemcli.server.served import Served

_BEGUN = ("prefill", "think")  # stages at which all that a client can do wrong has been found


@dataclass(frozen=True, slots=True)
class Api:
    """The paths of a server.

    Attributes:
        served: its models.
        limits: its bounds.
        may_fetch: whether images may be named by their addresses.
        metrics: what is counted.
        gate: whose turn it is.
        failed: told of defects.
        coming: the bodies under way.
    """

    served: Served
    limits: Limits
    may_fetch: bool
    metrics: Metrics
    gate: Gate
    failed: Callable[[BaseException], None]
    coming: Coming = field(default_factory=Coming)

    @property
    def fingerprint(self) -> str:
        """What tells versions of the server apart."""
        return f"gemcli-{__version__}"

    async def health(self, _: Request) -> ASGIApp:
        """``GET /health``: that it lives, and what it does."""
        state = {"status": "ok", "running": self.gate.running, "waiting": self.gate.waiting}
        return JSONResponse(state)

    async def tell(self, _: Request) -> ASGIApp:
        """``GET /metrics``."""
        text = self.metrics.text(self.gate.running, self.gate.waiting)
        return PlainTextResponse(text, media_type=metrics.CONTENT_TYPE)

    async def models(self, request: Request) -> ASGIApp:
        """``GET /v1/models`` and ``GET /v1/models/NAME``."""
        names = await asyncio.to_thread(self.served.names)
        wanted = request.path_params["rest"]
        if wanted:
            return JSONResponse(self._model(await asyncio.to_thread(self.served.resolve, wanted)))
        return JSONResponse({"object": "list", "data": [self._model(each) for each in names]})

    def _model(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self.served.since, "owned_by": "gemcli"}

    async def chat(self, request: Request) -> ASGIApp:
        """``POST /v1/chat/completions``."""
        body = await take(request, self.limits, self.coming)
        wanted = await asyncio.to_thread(self._chat, body)
        model = await asyncio.to_thread(self.served.resolve, wanted.model)
        begin = partial(self.served.converse, model, wanted.conversation, dict(wanted.options))
        events = Desk(self.gate, self.metrics, self.limits).events(model, begin)
        made = Replies(model, self.fingerprint)
        if not wanted.stream:
            return JSONResponse(await attended(request, _collected(events, made, wanted.options["logprobs"])))
        first = await attended(request, _begun(events))
        return Streamed(self._chunks(first, events, made, wanted.stream_usage), "text/event-stream")

    def _chat(self, body: bytes) -> asked.Asked:
        return asked.chat(parse(body), may_fetch=self.may_fetch, max_tokens=self.limits.max_tokens)

    async def _chunks(
        self, first: list[Event], events: AsyncGenerator[Event], made: Replies, usage: bool
    ) -> AsyncGenerator[bytes]:
        """The events as OpenAI's stream; what goes wrong from now on is its last piece."""
        pulse = pulsed(_chained(first, events), self.limits.pulse_s)
        try:
            yield replies.sent(made.begin())
            async for event in pulse:
                match event:
                    case None:
                        yield replies.STILL_HERE
                    case Token(text, logprobs):
                        yield replies.sent(made.text(text, logprobs))
                    case Thought(text):
                        yield replies.sent(made.thought(text))
                    case Result(data) if (data := _cut(data))["error"] is None:
                        yield replies.sent(made.end(data))
                        if usage:
                            yield replies.sent(made.usage(data))
            yield replies.DONE
        except SchemaError:
            yield replies.DONE
        except Exception as error:
            found = fault(error)
            if not found.expected:
                self.failed(error)
            yield replies.sent(found.body())
        finally:
            await pulse.aclose()
            await events.aclose()  # where the client was gone before the first of them was asked for


def _cut(result: dict[str, Any]) -> dict[str, Any]:
    """A result; one too short for its schema is no failure in this API, which says that it was cut."""
    if result["error"] is None or not is_answer(result):
        return result
    return {**result, "error": None, "finish_reason": "length"}


async def _collected(events: AsyncGenerator[Event], made: Replies, logprobs: int | None) -> dict[str, Any]:
    """The whole answer, with its tokens where `logprobs` of each are asked for."""
    thoughts: list[str] = []
    tokens: list[dict[str, object]] = []
    result: dict[str, Any] = {}
    try:
        async for event in events:
            if isinstance(event, Thought):
                thoughts.append(event.text)
            elif isinstance(event, Token):
                tokens += event.logprobs or ()
            elif isinstance(event, Result):
                result = _cut(event.data)
    except SchemaError:
        pass  # the result says it
    finally:
        await events.aclose()
    return made.whole(result, "".join(thoughts), None if logprobs is None else tokens)


async def _begun(events: AsyncGenerator[Event]) -> list[Event]:
    """The events up to the first that tells that the request is a good one.

    Raises:
        Exception: it is none.
    """
    first: list[Event] = []
    try:
        async for event in events:
            first.append(event)
            if isinstance(event, Token | Thought) or (isinstance(event, Progress) and event.stage in _BEGUN):
                break
    except BaseException:
        await events.aclose()
        raise
    return first


async def _chained(first: list[Event], events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
    try:
        for event in first:
            yield event
        async for event in events:
            yield event
    finally:
        await events.aclose()


def application(
    api: Api,
    rules: Rules,
    *,
    log: Callable[[str], None],
    extra: Mapping[str, Mapping[str, Handler]] | None = None,
) -> ASGIApp:
    """The whole server.

    Args:
        api: what is done.
        rules: who may ask.
        log: told of every request, in a line.
        extra: more paths.
    """
    paths = Paths(
        {
            "/health": {"GET": api.health},
            "/metrics": {"GET": api.tell},
            "/v1/models": {"GET": api.models},
            "/v1/models/*": {"GET": api.models},
            "/v1/chat/completions": {"POST": api.chat},
            **(extra or {}),
        }
    )

    def path_of(path: str) -> str | None:
        found = paths.find(path)
        return found and found[0]

    app: ASGIApp = Guard(
        paths, rules, api.metrics, path_of, log=log, failed=api.failed, send_s=api.limits.send_s
    )
    if rules.origins:
        from starlette.middleware.cors import CORSMiddleware

        app = CORSMiddleware(app, allow_origins=rules.origins, allow_methods=["*"], allow_headers=["*"])
    return app
