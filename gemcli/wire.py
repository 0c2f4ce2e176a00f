"""A request and the events of its answer as they travel between two gemclis.

The one that is asked answers with the very lines of ``-o stream-json``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from gemcli.events import Error, Event, Init, Note, Progress, Result, Thought, Token, Warning
from gemcli.ingest.ranges import Selection
from gemcli.ingest.source import Source
from gemcli.ingest.wants import Wants
from gemcli.parts import Document, Image, Part, Text

if TYPE_CHECKING:
    from gemcli.request import Request

PROTOCOL = 1
"""Raised when an older server would misunderstand a newer client, or the other way round."""

PRIVATE = "X-Gemcli-Private"
"""The header of an upload that is not to be written to disk."""

STAYS = frozenset(
    {
        "files", "sources", "shown", "earlier", "examples", "stdin", "notices", "log", "device", "offline",
        "started", "kv_bits", "attention", "draft_model", "speculate", "host", "question", "logprobs",
    }
)  # fmt: skip
"""Fields of a request that mean nothing elsewhere, or travel in another form."""

_KINDS: Mapping[str, type[Event]] = {
    each.__name__.lower(): each for each in (Init, Progress, Thought, Token, Note, Warning, Error)
}


def request_to_json(request: Request) -> dict[str, Any]:
    """What of a request travels as it is: JSON values."""
    found = {each.name: getattr(request, each.name) for each in fields(request) if each.name not in STAYS}
    wants = asdict(request.wants)
    del wants["offline"]
    schema = None if request.schema is None else request.schema.schema
    return {**found, "wants": wants, "stop": list(request.stop), "schema": schema}


def documents_to_json(documents: Iterable[Document]) -> list[str]:
    """Documents as they were sent to a model; of pictures and sounds only that they were there."""
    bare = [replace(each, parts=tuple(map(_told, each.parts))) for each in documents]
    if not bare:
        return []  # what packs them takes time to import
    from gemcli.history.documents import pack

    return [base64.b64encode(pack(each, lambda part: "")[1]).decode() for each in bare]


def documents_from(shapes: Iterable[str]) -> tuple[Document, ...]:
    """Documents out of their JSON.

    Raises:
        ValueError: they are none.
    """
    shapes = list(shapes)
    if not shapes:
        return ()
    from gemcli.history.documents import unpack

    return tuple(unpack(base64.b64decode(each, validate=True)) for each in shapes)


def _told(part: Part) -> Part:
    if isinstance(part, Text):
        return part
    kind = "a picture" if isinstance(part, Image) else "a sound"
    return Text(f"({kind} that the model was shown)", part.anchor, via="note")


def source_to_json(source: Source, sha256: str) -> dict[str, Any]:
    """A source, whose bytes travel apart under their hash."""
    return {
        "name": source.name,
        "sha256": sha256,
        "media_type": source.media_type,
        "selection": None if source.selection is None else asdict(source.selection),
        "clip": list(source.clip),
        "root": source.root,
        "is_plain": source.is_plain,
    }


def selection_from(shape: Mapping[str, Any]) -> Selection:
    """A range out of its JSON.

    Raises:
        ValueError: it is none.
    """
    try:
        spans = tuple((int(first), None if last is None else int(last)) for first, last in shape["spans"])
        if shape["unit"] not in ("page", "line") or any(first < 1 for first, _ in spans):
            raise ValueError("no range")
        return Selection(shape["unit"], spans, str(shape["text"])[:1000], bool(shape["exact"]))
    except (LookupError, TypeError) as error:
        raise ValueError("no range") from error


def event_from(line: Mapping[str, Any]) -> Event | None:
    """An event out of a line of ``stream-json``; None for one that is not known.

    Raises:
        ValueError: it is none.
    """
    kind = str(line.get("type"))
    if kind == "result":
        return Result({name: value for name, value in line.items() if name != "type"})
    if kind not in _KINDS:
        return None
    known = {each.name for each in fields(_KINDS[kind])}
    try:
        return _KINDS[kind](**{name: value for name, value in line.items() if name in known})
    except TypeError as error:
        raise ValueError(f"no {kind}: {error}") from error


def wants_from(shape: Mapping[str, Any]) -> Wants:
    """How files are to be read, out of its JSON.

    Raises:
        ValueError: it says something else.
    """
    known = {each.name: each.default for each in fields(Wants)}
    found = {name: value for name, value in shape.items() if name in known and name != "offline"}
    for name, value in found.items():
        usual = known[name]
        good = (
            value in ("auto", "text", "images")
            if name == "pdf"
            else isinstance(value, bool)
            if isinstance(usual, bool)
            else value is None or (isinstance(value, int | float) and not isinstance(value, bool))
        )
        if not good:
            raise ValueError(f"wants.{name}")
    return Wants(**found)
