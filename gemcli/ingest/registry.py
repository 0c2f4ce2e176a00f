"""Which function reads which kind of file: media type → ``module:function``.

A handler is ``read(source: Source, report: Report) -> Document`` and raises `InputError`.  It is named
by a string, so that its libraries are loaded only for a file that needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

from gemcli.ingest.kinds import TEXT_SUFFIXES
from gemcli.ingest.source import Report, Source
from gemcli.parts import Document

#: What the handlers read, for messages.
READABLE = "text and PDF"

_TEXT = "gemcli.ingest.text:read"

HANDLERS: dict[str, str] = {
    "application/pdf": "gemcli.ingest.pdf:read",
    "text/*": _TEXT,
    **{media_type: _TEXT for media_type in TEXT_SUFFIXES.values() if not media_type.startswith("text/")},
}


class Handler(Protocol):
    """Reads one source into a document."""

    def __call__(self, source: Source, report: Report) -> Document: ...


def handler(media_type: str) -> Handler | None:
    """The function that reads `media_type`, or None where nothing does."""
    target = HANDLERS.get(media_type) or HANDLERS.get(media_type.partition("/")[0] + "/*")
    if target is None:
        return None
    module, _, function = target.partition(":")
    return getattr(import_module(module), function)
