"""Documents as they were sent, as JSON and back: what a model was shown is there whatever became of the file.

Pictures and sounds are named; the files of these names hold them.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from functools import partial
from typing import Any, TypeVar

from gemcli.history import media
from gemcli.parts import Anchor, Audio, Document, Image, Part, Text

T = TypeVar("T")

_KINDS: dict[str, type[Text] | type[Image] | type[Audio]] = {"text": Text, "image": Image, "audio": Audio}
_CALLS = ("pixels", "samples")


def pack(document: Document, name_of: Callable[[Image | Audio], str]) -> tuple[str, bytes]:
    """(hash, bytes) of a document; the hash depends on nothing but what the document says.

    Args:
        document: as it was sent.
        name_of: the file that holds a picture or a sound.
    """
    value = {
        "source": document.source,
        "media_type": document.media_type,
        "sha256": document.sha256,
        "warnings": document.warnings,
        "meta": dict(document.meta),
        "parts": [_shape(part, name_of) for part in document.parts],
    }
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest(), zlib.compress(text)


def unpack(body: bytes) -> Document:
    """The document of `pack`; its pictures and sounds are read when they are asked for.

    Raises:
        ValueError: the bytes are damaged or of another kind.
    """
    try:
        value = json.loads(zlib.decompress(body).decode("utf-8", "surrogatepass"))
        return Document(
            source=value["source"],
            media_type=value["media_type"],
            sha256=value["sha256"],
            parts=tuple(_part(shape, value["source"]) for shape in value["parts"]),
            warnings=tuple(value["warnings"]),
            meta=value["meta"],
        )
    except (LookupError, TypeError, AttributeError, zlib.error) as error:
        raise ValueError(f"no document: {error}") from error


def _shape(part: Part, name_of: Callable[[Image | Audio], str]) -> dict[str, Any]:
    kind = next(name for name, each in _KINDS.items() if isinstance(part, each))
    shape = {
        field.name: getattr(part, field.name)
        for field in fields(part)
        if field.name not in ("anchor", *_CALLS) and getattr(part, field.name) not in (None, "")
    }
    anchor = {name: value for name, value in asdict(part.anchor).items() if value is not None}
    held = {} if isinstance(part, Text) else {"file": name_of(part)}
    return {"kind": kind, **shape, **({"anchor": anchor} if anchor else {}), **held}


def _part(shape: Mapping[str, Any], source: str) -> Part:
    kind = _KINDS[shape["kind"]]
    anchor = _made(
        Anchor,
        {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in shape.get("anchor", {}).items()
        },
    )
    values = {**shape, "anchor": anchor}
    if kind is Text:
        return _made(Text, {"text": "", **values})
    name = shape["file"]
    if kind is Image:
        return _made(Image, {**values, "pixels": partial(media.pixels, name, source)})
    return _made(Audio, {**values, "samples": partial(media.samples, name, source)})


def _made(kind: type[T], values: Mapping[str, Any]) -> T:
    """A value of our own from those of its fields that are there: an older or newer one has others."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in values.items() if name in known})
