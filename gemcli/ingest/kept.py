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

from gemcli.ingest.source import Report, Source
from gemcli.keep import Keep
from gemcli.parts import Anchor, Document, Image, Part, Text

#: Part of every key: raised when a handler reads more or better than before.
VERSION = 1

_WORTH_IT = 0.3  # seconds of reading

Read = Callable[[Source, Report], Document]


def read_or_recall(read: Read, source: Source, report: Report, keep: Keep) -> Document:
    """The document of a source: what was kept of it, or what its handler reads now.

    Raises:
        InputError, UsageError: the handler's.
    """
    if not keep.on:
        return read(source, report)
    restore = getattr(import_module(read.__module__), "picture", None)
    began = time.perf_counter()
    key = _key(source)
    kept = keep.get(*key)
    if kept is not None:
        return _document(kept, source, restore)
    document = read(source, report)
    whole = all(isinstance(part, Text) or (restore and isinstance(part, Image)) for part in document.parts)
    if whole and time.perf_counter() - began > _WORTH_IT:
        keep.put(_to_json(document), *key)
    return document


def _key(source: Source) -> tuple[object, ...]:
    selection = source.selection
    wanted = None if selection is None else (selection.unit, selection.spans, selection.exact)
    wants = replace(source.wants, archive=False, offline=False)  # these change nothing that is read
    return (VERSION, source.sha256(), source.media_type, wanted, source.clip, asdict(wants))


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
        "media_type": document.media_type,
        "sha256": document.sha256,
        "parts": parts,
        "warnings": document.warnings,
        "meta": dict(document.meta),
    }


def _document(
    kept: Mapping[str, Any], source: Source, restore: Callable[[Source, Image], Image] | None
) -> Document:
    def part(shape: Mapping[str, Any]) -> Part:
        anchor = Anchor(
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in shape["anchor"].items()
            }
        )
        if "image" not in shape:
            return Text(shape.get("text", ""), anchor, shape.get("heading", ""), shape.get("via", ""))
        assert restore is not None, "kept only where the handler finds pictures again"
        return restore(source, Image(pixels=_nowhere, anchor=anchor, **shape["image"]))

    return Document(
        source=source.name,
        media_type=kept["media_type"],
        sha256=kept["sha256"],
        parts=tuple(part(shape) for shape in kept["parts"]),
        warnings=tuple(kept["warnings"]),
        meta=kept["meta"],
    )


def _bare(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is not set."""
    return {name: value for name, value in values.items() if value not in (None, "")}


def _nowhere() -> Any:
    raise AssertionError("the handler puts its own function here")
