"""A request answered by another gemcli: files are found and sent from here, events come back."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from gemcli import wire, worker
from gemcli.client.address import Address, parse
from gemcli.client.errors import BrokeOffError
from gemcli.client.link import Link, Refused
from gemcli.errors import GemcliError, InputError
from gemcli.events import Error, Event, Init, Progress, Result, Token, Warning
from gemcli.failure import failure
from gemcli.ident import new_id
from gemcli.ingest.collect import gather
from gemcli.ingest.ranges import check_clip
from gemcli.ingest.source import Source, unreadable
from gemcli.parts import Document
from gemcli.request import Request
from gemcli.turns import Turn
from gemcli.worker import Emit

_TRIES = 3
_BLOCK = 1 << 20


class Remote(GemcliError):
    """What failed there, with the exit code that it has here.

    Args:
        error: what the other gemcli told.
    """

    def __init__(self, error: Error) -> None:
        super().__init__(error.message, error.hint)
        self.exit_code = error.code


def answer(request: Request, host: str, cancelled: threading.Event | None = None) -> Generator[Event]:
    """The events of an answer that the gemcli at `host` gives, the same as if it were given here.

    Raises:
        GemcliError: whatever fails here or there, after its `Error` and `Result`.
        UsageError: `host` is no address.
    """
    run = _Run(request, parse(host))
    try:
        with closing(worker.stream(run.work, cancelled)) as events:
            for event in events:
                if isinstance(event, Result):
                    run.result = event
                else:
                    run.note(event)
                    yield event
        if run.failed is not None:
            raise Remote(run.failed)
    except GeneratorExit:
        run.link.close()
        raise
    except BaseException as error:
        run.link.close()
        why = failure(error)
        interrupted = isinstance(error, KeyboardInterrupt)
        if not interrupted and run.failed is None:
            yield Error(why.code, why.message, why.hint)
        yield Result(run.ended(why.to_json(), "interrupt" if interrupted else None))
        raise
    yield from run.end()


@dataclass(frozen=True, slots=True)
class _File:
    """A file to be sent: where it is, and the hash of its bytes."""

    source: Source
    sha256: str
    size: int


class _Run:
    """One request on its way."""

    def __init__(self, request: Request, address: Address) -> None:
        self.link = Link(address, os.environ.get("GEMCLI_API_KEY", "").strip() or None)
        self.result: Result | None = None
        self.failed: Error | None = None
        self._over = False
        self._shown: tuple[Document, ...] | None = None
        self._request = request
        self._address = address
        self._init: Init | None = None
        self._said: list[str] = []
        self._warnings: list[str] = []

    def note(self, event: Event) -> None:
        """Remember what is needed if it breaks off."""
        if isinstance(event, Init):
            self._init = event
        elif isinstance(event, Token):
            self._said.append(event.text)
        elif isinstance(event, Warning):
            self._warnings.append(event.message)
        elif isinstance(event, Error):
            self.failed = event

    def end(self) -> Generator[Event]:
        """The result, kept in this machine's history first where it is to be."""
        assert self.result is not None, "an answer without a result is a failure"
        data, turn = self.result.data, None
        if self._shown is not None:
            turn = Turn(self._request.question, str(data["answer"]), self._shown)
        if self._request.log and turn is not None:
            from gemcli.history.record import record

            for message in record(self._request, data, turn):
                yield Warning(message)
                data = {**data, "warnings": [*self._warnings, message]}
        yield Result(data, turn)

    def ended(self, error: dict[str, object], finish: str | None) -> dict[str, object]:
        """The contract's object of an answer that did not come to its end."""
        from gemcli.ui.json_out import error_object

        if self.result is not None:
            return self.result.data
        known = {
            "id": self._init.id if self._init else self._request.conversation or new_id(),
            "model": self._init.model if self._init else self._request.model or "",
            "answer": "".join(self._said),
            "warnings": list(self._warnings),
            "finish_reason": finish,
        }
        return error_object(0, "", **known) | {"error": error}

    def work(self, emit: Emit) -> None:
        """Find the files, ask, upload what is not there, and pass on what comes back."""
        request = self._request
        for notice in request.notices:
            emit(Warning(notice))
        check_clip(request.wants.start, request.wants.end)
        gathered = partial(_files, request=request, emit=emit)
        files = [_hashed(each) for each in request.sources] + gathered(request.files, request.stdin)
        earlier: list[dict[str, Any]] = [
            {
                "question": turn.question,
                "answer": turn.answer,
                "documents": wire.documents_to_json(turn.documents),
            }
            for turn in request.earlier
        ]
        others: list[_File] = []
        for file, answered in request.examples:
            shown = gathered((file,), "never")
            others += shown
            earlier.append({"question": request.question, "answer": answered, "sources": _shapes(shown)})
        body = {
            "protocol": wire.PROTOCOL,
            "question": request.question,
            "request": wire.request_to_json(request),
            "sources": _shapes(files),
            "documents": wire.documents_to_json(request.shown),
            "earlier": earlier,
            "turn": request.log or request.conversation is not None,
        }
        by_hash = {each.sha256: each for each in [*files, *others]}
        for _ in range(_TRIES):
            try:
                self._follow(body, emit)
                return
            except Refused as refused:
                missing = refused.body.get("missing")
                if refused.status != 409 or not isinstance(missing, list):
                    raise
                self._upload([by_hash[name] for name in missing if name in by_hash], emit)
        raise GemcliError(f"{self._address.shown} does not keep the files that are sent to it")

    def _follow(self, body: dict[str, Any], emit: Emit) -> None:
        for line in self.link.lines("/gemcli/v1/answer", body):
            if line.get("type") == "turn":
                self._shown = wire.documents_from(line["documents"])
                continue
            event = wire.event_from(line)
            if event is not None:
                emit(event)
            if isinstance(event, Result | Error):
                self._over = True
        if not self._over:
            raise BrokeOffError(f"{self._address.shown} broke off in the middle of an answer")

    def _upload(self, files: Sequence[_File], emit: Emit) -> None:
        total, done = sum(each.size for each in files), 0
        headers = {wire.PRIVATE: "1"} if self._request.private else {}
        for each in files:
            emit(Progress("ingest", done, total, "bytes", each.source.name))
            report = partial(_report, emit, done, total, each.source.name)
            with each.source.open() as stream:
                body = _Told(stream, each, report)
                try:
                    self.link.put(f"/gemcli/v1/blobs/{each.sha256}", body, each.size, headers)
                except Refused as refused:
                    if refused.code != "wrong_hash":
                        raise
                    raise InputError(f"{each.source.name} changed while it was sent", "Ask again.") from None
            done += each.size


def _report(emit: Emit, before: int, total: int, name: str, done: int) -> None:
    emit(Progress("ingest", before + done, total, "bytes", name))


class _Told:
    """The first bytes of a file, as many as were announced; it tells how far it was read."""

    def __init__(self, stream: Any, file: _File, report: Callable[[int], None]) -> None:
        self._stream = stream
        self._file = file
        self._report = report
        self._done = 0

    def read(self, _: int = -1) -> bytes:
        """The next bytes.

        Raises:
            InputError: there are fewer than there were.
        """
        block = self._stream.read(min(_BLOCK, self._file.size - self._done))
        if not block and self._done < self._file.size:
            raise InputError(f"{self._file.source.name} became shorter while it was sent", "Ask again.")
        self._done += len(block)
        self._report(self._done)
        return block


def _files(names: Sequence[str], stdin: Any, *, request: Request, emit: Emit) -> list[_File]:
    found = gather(
        names,
        on_event=emit,
        stdin=stdin,
        keep_going=request.keep_going,
        offline=request.offline,
    )
    return [_hashed(each) for each in found]


def _hashed(source: Source) -> _File:
    if source.data is not None:
        return _File(source, source.sha256(), len(source.data))
    assert source.path is not None, "what is no file was taken into memory"
    try:
        size = source.path.stat().st_size
        sha256 = source.sha256()
        if source.path.stat().st_size != size:  # somebody writes it: what was there at first is sent
            sha256 = _beginning(source, size)
    except OSError as error:
        raise unreadable(source.name, error) from error
    return _File(source, sha256, size)


def _beginning(source: Source, size: int) -> str:
    """SHA-256 of the first bytes of a file, hex."""
    hasher = hashlib.sha256()
    with source.open() as stream:
        while size and (block := stream.read(min(_BLOCK, size))):
            hasher.update(block)
            size -= len(block)
    return hasher.hexdigest()


def _shapes(files: Sequence[_File]) -> list[dict[str, Any]]:
    return [wire.source_to_json(each.source, each.sha256) for each in files]
