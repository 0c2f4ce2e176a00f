"""An answer that is finished, failed or interrupted becomes a turn of the history.

Keeping it never fails an answer: what cannot be kept is told in a sentence.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemcli.errors import GemcliError, InputError
from gemcli.history.store import append
from gemcli.history.values import Record, Seen
from gemcli.parts import Audio, Document, Image, Part, Text
from gemcli.turns import Turn

if TYPE_CHECKING:
    from gemcli.request import Request

_OWN = ("answer", "finish_reason", "id", "model", "plan", "schema_version")
_NO_SETTING = (
    "question", "model", "system", "files", "sources", "shown", "examples", "earlier", "stdin", "started",
    "conversation", "notices", "log", "private", "keep", "schema",
)  # fmt: skip
_HASTE_S = 1.0  # to wait for other writers when the person wants it to end


def record(
    request: Request, result: Mapping[str, Any], turn: Turn, examples: tuple[Turn, ...] = ()
) -> list[str]:
    """Keep a turn; returns what the person should know, a sentence each.

    Args:
        request: what was asked.
        result: the contract's answer object.
        turn: the question, the answer as far as it came, and the documents as they were sent.
        examples: turns that the model was shown before it as if they had been asked.
    """
    told: list[str] = []
    at = time.time() - (time.perf_counter() - request.started)
    ending = result["finish_reason"] or "error"
    common = Record(
        conversation=str(result["id"]),
        at=at,
        question="",
        answer="",
        model=str(result["model"]),
        system=request.system,
        options=options_of(request),
    )
    turns = [
        (
            replace(common, question=each.question, answer=each.answer, kind="example", sources=_names(each)),
            each,
        )
        for each in examples
    ]
    details = {name: value for name, value in result.items() if name not in _OWN}
    asked = replace(
        common,
        question=turn.question,
        answer=turn.answer,
        ending=str(ending),
        details=details,
        sources=_names(turn),
    )
    turns.append((asked, turn))
    patience = _HASTE_S if ending == "interrupt" else None
    try:
        try:
            append([(own, _seen(each, at)) for own, each in turns], told.append, patience=patience)
        except (InputError, OSError) as error:
            bare = [(own, _seen(each, at, text_only=True)) for own, each in turns]
            append(bare, told.append, patience=patience)
            why = error.message if isinstance(error, InputError) else error.strerror or str(error)
            told.append(f"pictures and sound of this answer are not in the history: {why}")
    except (GemcliError, OSError) as error:
        why = error.message if isinstance(error, GemcliError) else error.strerror or str(error)
        told.append(f"this answer is not in the history: {why}")
    return told


def options_of(request: Request) -> dict[str, Any]:
    """The settings of a request that are not the defaults, as JSON values.

    ``model`` is the word that names the same model from anywhere, where one was given.
    """
    found: dict[str, Any] = {}
    if request.model is not None:
        path = Path(request.model).expanduser()
        found["model"] = str(path.absolute()) if path.exists() else request.model
    for field in fields(request):
        value = getattr(request, field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if field.name in _NO_SETTING or value == default:
            continue
        if is_dataclass(value) and not isinstance(value, type):
            bare = type(value)()
            value = {name: each for name, each in asdict(value).items() if each != getattr(bare, name)}
        plain = list(value) if isinstance(value, tuple) else value
        if _is_json(plain):
            found[field.name] = plain
    return found


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_json(each) for name, each in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or isinstance(value, str | int | float | bool)


def _names(turn: Turn) -> tuple[str, ...]:
    return tuple(dict.fromkeys(document.source for document in turn.documents))


def _seen(turn: Turn, at: float, *, text_only: bool = False) -> list[Seen]:
    return [_found(_without_media(each) if text_only else each, at) for each in turn.documents]


def _found(document: Document, at: float) -> Seen:
    """A document with the file that it came from, so that a change of that can be told later."""
    path = Path(document.source)
    try:
        stat = path.stat()
        if not path.is_file():
            return Seen(document)
        path = path.absolute()
    except (OSError, ValueError):  # a URL, stdin, a file inside an archive
        return Seen(document)
    if stat.st_mtime_ns > at * 1e9:  # changed since it was read, perhaps
        return Seen(document, path)
    return Seen(document, path, stat.st_size, stat.st_mtime_ns)


def _without_media(document: Document) -> Document:
    parts: list[Part] = []
    for part in document.parts:
        if isinstance(part, Image | Audio):
            what = "picture" if isinstance(part, Image) else "sound"
            parts.append(Text(f"(a {what} that was not kept)", part.anchor, via="note"))
        else:
            parts.append(part)
    return replace(document, parts=tuple(parts))
