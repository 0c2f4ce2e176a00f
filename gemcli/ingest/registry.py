"""Which function reads which kind of file: media type → ``module:function``.

A handler is ``read(source: Source, report: Report) -> Document`` and raises `InputError`.  It is named
by a string, so that its libraries are loaded only for a file that needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

from gemcli.ingest.source import Report, Source
from gemcli.parts import Document

#: What the handlers read, for messages.
READABLE = "text, PDF, office and web documents, mail, e-books, subtitles, images, recordings and videos"

_TEXT = "gemcli.ingest.text:read"
_SHEET = "gemcli.ingest.sheet:read"
_DELIMITED = "gemcli.ingest.delimited:read"
_JSON = "gemcli.ingest.json_file:read"
_SUBTITLES = "gemcli.ingest.subtitles:read"
_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."

HANDLERS: dict[str, str] = {
    "application/pdf": "gemcli.ingest.pdf:read",
    _OOXML + "wordprocessingml.document": "gemcli.ingest.docx:read",
    _OOXML + "presentationml.presentation": "gemcli.ingest.pptx:read",
    _OOXML + "spreadsheetml.sheet": _SHEET,
    _ODF + "spreadsheet": _SHEET,
    "application/x-ole-storage": _SHEET,
    _ODF + "text": "gemcli.ingest.odf:read",
    _ODF + "presentation": "gemcli.ingest.odf:read",
    "application/epub+zip": "gemcli.ingest.epub:read",
    "text/html": "gemcli.ingest.html:read",
    "message/rfc822": "gemcli.ingest.mail:read",
    "application/x-ipynb+json": "gemcli.ingest.notebook:read",
    "application/json": _JSON,
    "application/x-ndjson": _JSON,
    "text/csv": _DELIMITED,
    "text/tab-separated-values": _DELIMITED,
    "text/x-subrip": _SUBTITLES,
    "text/vtt": _SUBTITLES,
    "text/x-ssa": _SUBTITLES,
    "image/svg+xml": "gemcli.ingest.svg:read",
    "image/*": "gemcli.ingest.image:read",
    **dict.fromkeys(("audio/*", "video/*"), "gemcli.ingest.recording:read"),
    "text/*": _TEXT,
    **dict.fromkeys(("application/yaml", "application/toml"), _TEXT),
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
