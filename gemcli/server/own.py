"""Our own paths: another gemcli asks here, with files by hash, and is told the events of an answer."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from gemcli import __version__, wire
from gemcli.errors import GemcliError
from gemcli.events import Error, Event, Result, to_json
from gemcli.failure import failure
from gemcli.ingest.source import Source
from gemcli.parts import Document
from gemcli.server.app import Api
from gemcli.server.asked import schema_of
from gemcli.server.blobs import Blob, Blobs, check_name, lacking
from gemcli.server.body import blocks, take
from gemcli.server.desk import Desk, Streamed, attended, pulsed
from gemcli.server.faults import Fault, bad
from gemcli.server.fields import Fields, parse
from gemcli.server.paths import Handler
from gemcli.server.served import Past

_MOST_FILES = 100_000


Named = tuple[tuple[Source, str], ...]
"""Sources without their bytes, each with the hash of them."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A turn that is over: its files, or the documents as they were sent then."""

    question: str
    answer: str
    sources: Named
    documents: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What another gemcli asks.

    Attributes:
        model: the name it gives; "" for none.
        question: what is asked.
        fields: of `Request`.
        sources: inputs, with the hashes of their bytes.
        documents: inputs as they were sent before.
        earlier: turns before, likewise.
        turn: whether it wants to know what the model was shown.
    """

    model: str
    question: str
    fields: Mapping[str, Any]
    sources: Named
    documents: tuple[Document, ...]
    earlier: tuple[Earlier, ...]
    turn: bool = False

    @property
    def hashes(self) -> list[str]:
        """Every file that is needed."""
        return [
            sha256
            for sources in (self.sources, *(each.sources for each in self.earlier))
            for _, sha256 in sources
        ]


class Own:
    """Our own paths.

    Args:
        api: whose models and bounds they share.
        blobs: uploaded files.
        about: what is told of the server besides.
    """

    def __init__(self, api: Api, blobs: Blobs, about: Mapping[str, Any]) -> None:
        self._api = api
        self._about = about
        self._blobs = blobs

    def table(self) -> dict[str, dict[str, Handler]]:
        """The paths."""
        return {
            "/gemcli/v1": {"GET": self.hello},
            "/gemcli/v1/answer": {"POST": self.answer},
            "/gemcli/v1/blobs/*": {"PUT": self.put},
        }

    async def hello(self, _: HttpRequest) -> ASGIApp:
        """``GET /gemcli/v1``: who is there."""
        return JSONResponse(
            {
                "gemcli": __version__,
                "protocol": wire.PROTOCOL,
                "model": self._api.served.name,
                **self._about,
            }
        )

    async def put(self, request: HttpRequest) -> ASGIApp:
        """``PUT /gemcli/v1/blobs/SHA256``: a file."""
        name = request.path_params["rest"]
        check_name(name)
        body = blocks(request, self._api.limits, self._api.limits.blob_bytes)
        await self._blobs.put(name, body, private=wire.PRIVATE in request.headers)
        return JSONResponse({"sha256": name}, 201)

    async def answer(self, request: HttpRequest) -> ASGIApp:
        """``POST /gemcli/v1/answer``: a line for each event; 409 names the files that are to come first."""
        body = await take(request, self._api.limits, self._api.coming)
        asked = await asyncio.to_thread(read, parse(body))
        model = await asyncio.to_thread(self._api.served.resolve, asked.model)
        missing = self._blobs.missing(asked.hashes)
        if missing:
            raise lacking(missing)
        # Who waits long for its turn is told now and then that it is not forgotten; what can be told as a
        # status is known before the first of these.
        pulse = pulsed(self._waited(model, asked), self._api.limits.pulse_s)
        try:
            first = await attended(request, anext(pulse))
        except BaseException:
            await pulse.aclose()
            raise
        return Streamed(self._lines(first, pulse, asked.turn), "application/x-ndjson")

    async def _waited(self, model: str, asked: Question) -> AsyncGenerator[Event]:
        """The events of an answer once it has its turn; its files stay until then."""
        api = self._api
        with self._blobs.held(asked.hashes):
            begin = partial(self._events, model, asked)
            async with aclosing(Desk(api.gate, api.metrics, api.limits).events(model, begin)) as events:
                async for event in events:
                    yield event

    def _events(self, model: str, asked: Question, cancelled: threading.Event) -> Generator[Event]:
        with self._blobs.held(asked.hashes) as held:
            served = self._api.served
            most = self._api.limits.max_tokens
            wanted = asked.fields["max_tokens"]
            request = replace(
                served.base,
                **asked.fields,
                question=asked.question,
                model=served.spec(model),
                started=time.perf_counter(),
            )
            if most is not None:
                request = replace(request, max_tokens=min(most, wanted or most))
            request = replace(request, keep=request.keep and served.base.keep)
            past = [
                Past(each.question, each.answer, _filled(each.sources, held), each.documents)
                for each in asked.earlier
            ]
            earlier = served.turns(request, past, cancelled)
            sources = _filled(asked.sources, held)
            request = replace(request, sources=sources, shown=asked.documents, earlier=earlier)
            yield from served.answer(model, request, cancelled)

    async def _lines(
        self, first: Event | None, pulse: AsyncGenerator[Event | None], turn: bool
    ) -> AsyncGenerator[bytes]:
        """The events as lines; an empty line now and then while nothing happens.

        `turn`: what the model was shown is told too, for the history of whoever asks.
        """
        ended = False
        try:
            yield _line(first)
            async for event in pulse:
                if isinstance(event, Result):
                    ended = True
                    if turn and event.turn is not None:
                        shown = await asyncio.to_thread(wire.documents_to_json, event.turn.documents)
                        yield json.dumps({"type": "turn", "documents": shown}).encode() + b"\n"
                yield _line(event)
        except Fault as error:
            yield _line(Error(GemcliError.exit_code, error.message, None))
        except Exception as error:
            why = failure(error)
            if not why.expected:
                self._api.failed(error)
            if not ended:
                yield _line(Error(why.code, why.message, why.hint))
        finally:
            await pulse.aclose()


def read(body: Fields) -> Question:
    """What is asked.

    Raises:
        Fault: it is malformed, or of another version.
    """
    if body.integer("protocol", 1) != wire.PROTOCOL:
        raise bad(
            f"this server is gemcli {__version__} and speaks protocol {wire.PROTOCOL}: "
            "update the older of the two",
            "protocol",
            code="wrong_protocol",
        )
    request = body.object("request") or Fields({}, "request")
    return Question(
        model=request.text("model") or "",
        question=body.text("question") or "",
        fields=_settings(request),
        sources=_sources(body, "sources"),
        documents=_documents(body),
        earlier=tuple(map(_earlier, body.objects("earlier"))),
        turn=body.flag("turn"),
    )


def _earlier(turn: Fields) -> Earlier:
    question, answer = turn.text("question") or "", turn.text("answer") or ""
    return Earlier(question, answer, _sources(turn, "sources"), _documents(turn))


def _documents(of: Fields) -> tuple[Document, ...]:
    """Documents as they were sent before."""
    shapes = of.items("documents")
    try:
        if not all(isinstance(each, str) for each in shapes):
            raise ValueError("no text")
        return wire.documents_from(shapes)
    except ValueError:
        raise bad(f"{of.path('documents')} are no documents", of.path("documents")) from None


def _settings(request: Fields) -> dict[str, Any]:
    """The fields of a request that travel, checked as the command line checks its flags."""
    wants = request.object("wants")
    try:
        how = wire.wants_from(wants.data if wants else {})
    except ValueError as error:
        raise bad(f"request.{error} is malformed", f"request.{error}") from None
    stops = request.items("stop")
    if not all(isinstance(each, str) and each for each in stops):
        raise bad("request.stop must be a list of texts, none of them empty", "request.stop")
    schema = request.data.get("schema")
    policy = request.choice("overflow", "auto", "error", "select", "map", "head", "tail")
    return {
        "system": request.text("system"),
        "pages": request.text("pages"),
        "wants": replace(how, offline=True),
        "ocr": request.flag("ocr"),
        "keep_going": request.flag("keep_going"),
        "conversation": request.text("conversation"),
        "private": request.flag("private"),
        "schema": None if schema is None else schema_of(schema, "request.schema"),
        "cite": request.choice("cite", "no", "yes", "strict") or "no",
        "keep": request.flag("keep"),
        "context": request.integer("context", 16),
        "overflow": policy or "auto",
        "image_tokens": request.integer("image_tokens", 1),
        "max_tokens": request.integer("max_tokens", 1),
        "temperature": request.number("temperature", 0) or 0.0,
        "top_k": request.integer("top_k", 0) or 0,
        "top_p": request.number("top_p", 0, 1) or 1.0,
        "min_p": request.number("min_p", 0, 1) or 0.0,
        "seed": request.integer("seed", 0) or 0,
        "stop": tuple(stops),
        "think": request.flag("think"),
    }


def _sources(body: Fields, name: str) -> Named:
    found = list(body.objects(name))
    if len(found) > _MOST_FILES:
        raise bad(f"{body.path(name)} holds more than {_MOST_FILES:,} files", body.path(name))
    return tuple(_source(each) for each in found)


def _source(shape: Fields) -> tuple[Source, str]:
    """A source without its bytes, and their hash; its name is a label and no more."""
    sha256 = shape.needed_text("sha256")
    check_name(sha256)
    wanted = shape.object("selection")
    clip = shape.items("clip") or [None, None]
    good = all(each is None or (isinstance(each, int | float) and each >= 0) for each in clip)
    if len(clip) != 2 or not good:
        raise bad(f"{shape.path('clip')} must be two numbers", shape.path("clip"))
    try:
        selection = wire.selection_from(wanted.data) if wanted else None
    except ValueError:
        raise bad(f"{shape.path('selection')} is no range", shape.path("selection")) from None
    source = Source(
        shape.needed_text("name"),
        None,
        media_type=shape.text("media_type") or "",
        selection=selection,
        clip=(clip[0], clip[1]),
        root=shape.text("root"),
        is_plain=shape.flag("is_plain"),
    )
    return source, sha256


def _filled(sources: Named, held: Mapping[str, Blob]) -> tuple[Source, ...]:
    """The sources with their bytes."""
    return tuple(replace(source, path=held[name].path, data=held[name].data) for source, name in sources)


def _line(event: Event | None) -> bytes:
    if event is None:
        return b"\n"
    return json.dumps(to_json(event), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
