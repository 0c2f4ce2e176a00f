"""Documents that took long to read, kept on disk by content, so that the next question need not read them.

What is kept is text, anchors and where the pictures stand; the pixels stay in the file, and the handler's
``picture(source, part)`` finds them again.  Of handlers without one only documents of pure text are kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from importlib import import_module
from typing import Any

from gemcli.errors import InputError
from gemcli.ingest.source import Report, Source
from gemcli.keep import Keep
from gemcli.parts import Anchor, Document, Image, Part, Text

#: Part of every key: raised when a handler reads more or better than before.
VERSION = 2

_WORTH_IT = 0.3  # seconds of reading

Read = Callable[[Source, Report], Document]
Restore = Callable[[Source, Image], Image]


def read_or_recall(read: Read, source: Source, report: Report, keep: Keep) -> Document:
    """The document of a source: what was kept of it, or what its handler reads now.

    Raises:
        InputError, UsageError: the handler's.
    """
    if not keep.on:
        return read(source, report)
    restore: Restore | None = getattr(import_module(read.__module__), "picture", None)
    source = source.hashed()
    sha256 = source.sha256()
    key = _key(source, sha256)
    recalled = _document(keep.get(*key), source, restore)
    if recalled is not None:
        return recalled
    began, before = time.perf_counter(), source.stamp()
    document = read(source, report)
    whole = all(isinstance(part, Text) or (restore and isinstance(part, Image)) for part in document.parts)
    changed = document.sha256 != sha256 or source.stamp() != before  # while it was read
    if whole and not changed and time.perf_counter() - began > _WORTH_IT:
        keep.put(_to_json(document), *key)
    return document


def _key(source: Source, sha256: str) -> tuple[object, ...]:
    selection = source.selection
    wanted = None if selection is None else asdict(selection)
    wants = replace(source.wants, archive=False, offline=False)  # these change nothing that is read
    return (VERSION, sha256, source.media_type, wanted, source.clip, asdict(wants))


def _to_json(document: Document) -> dict[str, Any]:
    parts = []
    for part in document.parts:
        shape = {"anchor": _bare(asdict(part.anchor))}
        if isinstance(part, Text):
            shape |= _bare({"text": part.text, "heading": part.heading, "via": part.via})
        elif isinstance(part, Image):
            names = ("width", "height", "key", "alt", "role")
            shape |= {"image": {name: getattr(part, name) for name in names}}
        parts.append(shape)
    return {
        "source": document.source,
        "media_type": document.media_type,
        "sha256": document.sha256,
        "parts": parts,
        "warnings": document.warnings,
        "meta": dict(document.meta),
    }


def _document(kept: Any, source: Source, restore: Restore | None) -> Document | None:
    """What was kept; None where nothing was, it has another shape, or it names another file."""
    try:
        parts = [_part(shape) for shape in kept["parts"]]
        warnings = tuple(kept["warnings"])
        renamed = kept["source"] != source.name and any(kept["source"] in said for said in warnings)
        if renamed or not (restore or all(isinstance(part, Text) for part in parts)):
            return None
        document = Document(
            source=source.name,
            media_type=kept["media_type"],
            sha256=kept["sha256"],
            parts=(),
            warnings=warnings,
            meta=dict(kept["meta"]),
        )
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
    found: list[Part] = []
    for part in parts:
        if isinstance(part, Image) and restore is not None:
            try:
                part = restore(source, part)
            except InputError:
                return None
        found.append(part)
    return replace(document, parts=tuple(found))


def _part(shape: Mapping[str, Any]) -> Text | Image:
    place: dict[str, Any] = shape["anchor"]
    pairs: dict[str, Any] = {name: tuple(value) for name, value in place.items() if isinstance(value, list)}
    anchor = Anchor(**(place | pairs))
    if "image" in shape:
        return Image(pixels=_nowhere, anchor=anchor, **shape["image"])
    return Text(shape.get("text", ""), anchor, shape.get("heading", ""), shape.get("via", ""))


def _bare(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is not set."""
    return {name: value for name, value in values.items() if value not in (None, "")}


def _nowhere() -> Any:
    raise AssertionError("the handler puts its own function here")
