"""The answer for programs: one JSON object at the end, or one for each event."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping

from gemcli.errors import EXIT_INTERRUPTED
from gemcli.events import Error, Event, Init, Progress, Result, Thought, Token, Warning, to_json
from gemcli.failure import failure
from gemcli.ui.sanitize import BIDI, Sanitizer, clean
from gemcli.ui.streams import Out

_PROGRESS_EVERY = 0.25  # seconds

_EMPTY: dict[str, object] = {
    "schema_version": 1,
    "id": "",
    "answer": "",
    "data": None,
    "model": "",
    "finish_reason": None,
    "citations": [],
    "usage": dict.fromkeys(
        ("prompt_tokens", "cached_tokens", "completion_tokens", "drafted_tokens", "accepted_tokens")
    ),
    "timings": dict.fromkeys(
        ("import_s", "load_s", "ingest_s", "prefill_s", "first_token_s", "decode_tokens_per_s", "total_s")
    ),
    "read": dict.fromkeys(("overflow", "tokens_read", "tokens_given")),
    "plan": {},
    "warnings": [],
    "error": None,
}


def dumps(value: object, *, indent: int | None = None, terminal: bool = False) -> str:
    """JSON as the contract has it: characters as they are, without controls; null for infinite numbers.

    Args:
        value: anything; what JSON has no type for becomes text.
        indent: spaces a level, None for one line.
        terminal: escape the bidirectional controls, which would reorder what a terminal shows.
    """
    text = json.dumps(_plain(value), ensure_ascii=False, indent=indent, allow_nan=False)
    return BIDI.sub(lambda found: f"\\u{ord(found.group()):04x}", text) if terminal else text


def document(value: object, *, terminal: bool) -> str:
    """A whole JSON document with its newline: indented for the eyes on a terminal, one line elsewhere."""
    return dumps(value, indent=2 if terminal else None, terminal=terminal) + "\n"


def error_object(code: int, message: str, **known: object) -> dict[str, object]:
    """The contract's answer object for an answer that failed.

    Args:
        code: the exit code.
        message: what went wrong.
        known: keys of the object whose values are known nevertheless.
    """
    return {**_EMPTY, **known, "error": {"code": code, "message": message}}


class _Collected:
    """What is known of an answer before its result."""

    def __init__(self) -> None:
        self._init = Init("", "")
        self._answer: list[str] = []
        self._warnings: list[str] = []
        self._error: Error | None = None
        self.finished = False

    @property
    def error_told(self) -> bool:
        """Whether an error event came."""
        return self._error is not None

    def take(self, event: Event) -> None:
        match event:
            case Init():
                self._init = event
            case Token(text):
                self._answer.append(text)
            case Warning(message):
                self._warnings.append(message)
            case Error():
                self._error = event
            case Result():
                self.finished = True

    def result(self, data: Mapping[str, object]) -> dict[str, object]:
        """The result's object, with the error that was told before it."""
        if self._error is not None and data.get("error") is None:
            return {**data, "error": {"code": self._error.code, "message": self._error.message}}
        return dict(data)

    def failed(self, ending: BaseException | None) -> tuple[Error, dict[str, object]] | None:
        """The error and the object of an answer that ended without a result; None when nothing failed."""
        error = self._error or _as_error(ending)
        if error is None or self.finished:
            return None
        known: dict[str, object] = {"id": self._init.id, "model": self._init.model}
        known["answer"] = "".join(self._answer)
        known["warnings"] = self._warnings
        if isinstance(ending, KeyboardInterrupt) or error.code == EXIT_INTERRUPTED:
            known["finish_reason"] = "interrupt"
        return error, error_object(error.code, error.message, **known)


class JsonView:
    """``-o json``: exactly one object, also when the answer fails."""

    shows_thoughts = False

    def __init__(self, out: Out) -> None:
        self._out = out
        self._collected = _Collected()

    def show(self, event: Event) -> None:
        """Collect; the result is printed."""
        finished = self._collected.finished
        self._collected.take(event)
        if isinstance(event, Result) and not finished:
            self._print(self._collected.result(event.data))

    def paint(self) -> None:
        """Nothing: there is nothing to see before the end."""

    def prepare(self) -> None:
        """Nothing."""

    def step_aside(self) -> str:
        """Nothing is in the way."""
        return ""

    def close(self, failure: BaseException | None) -> None:
        """Print the object of a failure."""
        failed = self._collected.failed(failure)
        if failed is not None:
            self._print(failed[1])
            self._collected.finished = True

    def _print(self, data: Mapping[str, object]) -> None:
        self._out.write(document(data, terminal=self._out.is_terminal), "backslashreplace")


class JsonLinesView:
    """``-o stream-json``: a line for each event, progress a few times a second."""

    shows_thoughts = True

    def __init__(self, out: Out, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._collected = _Collected()
        self._answer = Sanitizer(terminal=False)
        self._thinking = Sanitizer(terminal=False)
        self._held: Progress | None = None  # progress that came too soon after the last
        self._stage = ""
        self._next_progress = float("-inf")

    def show(self, event: Event) -> None:
        """Print the event's line, or hold progress back until it is due or the last of its stage."""
        if isinstance(event, Progress):
            self._progress(event)
            return
        self._release()
        match event:
            case Token(text):
                self._text(Token, self._answer.push(text))
            case Thought(text):
                self._text(Thought, self._thinking.push(text))
            case Result(data):
                if not self._collected.finished:
                    self._flush_text()
                    self._print(to_json(Result(self._collected.result(data))))
            case _:
                self._print(to_json(event))
        self._collected.take(event)

    def paint(self) -> None:
        """Nothing: every line leaves when it comes."""

    def prepare(self) -> None:
        """Nothing."""

    def step_aside(self) -> str:
        """Nothing is in the way."""
        return ""

    def close(self, failure: BaseException | None) -> None:
        """After a failure: its error, unless it was told, and the object as the result."""
        self._release()
        failed = self._collected.failed(failure)
        if failed is None:
            return
        self._flush_text()
        error, data = failed
        if not self._collected.error_told:
            self._print(to_json(error))
        self._print(to_json(Result(data)))
        self._collected.finished = True

    def _progress(self, event: Progress) -> None:
        if event.stage != self._stage:
            self._release()
            self._stage = event.stage
            self._next_progress = float("-inf")
        now = self._clock()
        if now >= self._next_progress or event.done == event.total:
            self._held = None
            self._next_progress = now + _PROGRESS_EVERY
            self._print(to_json(event))
        else:
            self._held = event

    def _release(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            self._print(to_json(held))

    def _text(self, kind: type[Token | Thought], text: str) -> None:
        if text:
            self._print(to_json(kind(text)))

    def _flush_text(self) -> None:
        self._text(Thought, self._thinking.flush())
        self._text(Token, self._answer.flush())

    def _print(self, value: object) -> None:
        self._out.write(dumps(value, terminal=self._out.is_terminal) + "\n", "backslashreplace")


def _as_error(ending: BaseException | None) -> Error | None:
    """How an exception that ends an answer reads; None for none and for a planned exit with code 0."""
    if ending is None:
        return None
    planned = getattr(ending, "exit_code", None) if isinstance(ending, RuntimeError) else None
    if isinstance(ending, SystemExit):
        planned = ending.code or 0
    if planned is None:
        why = failure(ending)
        return Error(why.code, why.message, why.hint)
    code = planned if isinstance(planned, int) else 1
    return Error(code, f"ended with exit code {code}") if code else None


def _plain(value: object) -> object:
    """A value of JSON's own types: clean strings, finite numbers; arrays as lists, the rest as text."""
    if isinstance(value, str):
        return clean(value, terminal=False)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    listed = getattr(value, "tolist", None)
    return _plain(listed() if callable(listed) else str(value))
