"""What a file is, told by its bytes; its name only says which text it is."""

from __future__ import annotations

import re
import struct
from pathlib import PurePath
from typing import BinaryIO

from gemcli.errors import InputError
from gemcli.ingest.decode import looks_like_text
from gemcli.ingest.kinds import (
    BINARY,
    ISO_BRANDS,
    PDF,
    PLAIN,
    RIFF,
    SIGNATURES,
    TEXT_SUFFIXES,
    ZIP,
    ZIP_MEMBERS,
)
from gemcli.ingest.source import Source

#: Bytes at the start that are looked at.
HEAD = 1 << 14

_PDF_LATE = re.compile(rb"%PDF-[12]\.[0-9]")
_SVG = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*|<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg[\s>]", re.DOTALL)
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype html|html)[\s>]", re.I | re.S)
_MIMETYPE_LIMIT = 200


def sniff(source: Source) -> str:
    """The media type of a source; ``application/octet-stream`` for what is neither known nor text.

    Raises:
        InputError: the source cannot be read.
    """
    head = source.head(HEAD)
    media_type = sniff_head(head, source.name)
    if media_type == ZIP:
        with source.open() as stream:
            return _inside_zip(source.name, stream) or _torn_zip(head)
    return media_type


def sniff_head(head: bytes, name: str) -> str:
    """The media type of a file that begins with `head`; a zip is not looked into."""
    for offset, signature, media_type in SIGNATURES:
        if head.startswith(signature, offset):
            return media_type
    return _container(head) or _late_pdf(head, name) or _stream(head) or _text(head, name)


def text_type(name: str) -> str:
    """The media type of a text of that name."""
    return TEXT_SUFFIXES.get(PurePath(name).suffix.lower(), PLAIN)


def _container(head: bytes) -> str | None:
    """RIFF, AIFF, ISO base media and BMP, which say their kind behind a length."""
    if head.startswith(b"RIFF") and head[8:12] in RIFF:
        return RIFF[head[8:12]]
    if head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    if head[4:8] == b"ftyp":
        return ISO_BRANDS.get(head[8:12], "video/mp4")
    if head[4:8] in (b"moov", b"mdat", b"wide") and head[:1] == b"\0":
        return "video/quicktime"
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0" and head[15:18] == b"\0\0\0":
        return "image/bmp"
    return None


def _late_pdf(head: bytes, name: str) -> str | None:
    """A PDF behind some junk: readers accept its mark within the first 1,024 bytes.

    In a text it is only a quotation, unless the name insists.
    """
    match = _PDF_LATE.search(head[:1024])
    if match is None:
        return None
    named = PurePath(name).suffix.lower() == ".pdf"
    return PDF if named or not looks_like_text(head) else None


def _stream(head: bytes) -> str | None:
    """Streams without a header: a sync word that comes again after each frame or packet."""
    if len(head) > 376 and head[0] == head[188] == head[376] == 0x47:
        return "video/mp2t"
    if head[:1] == b"\xff" and not head.startswith((b"\xff\xfe", b"\xff\xff")) and len(head) > 3:
        sync, layer = head[1] & 0xE0, head[1] >> 1 & 3
        if head[1] & 0xF6 == 0xF0:
            return "audio/aac"
        if (
            sync == 0xE0
            and layer
            and head[2] >> 4 != 15
            and head[2] >> 2 & 3 != 3
            and not looks_like_text(head)
        ):
            return "audio/mpeg"
    return None


def _text(head: bytes, name: str) -> str:
    if not looks_like_text(head):
        return BINARY
    if _SVG.match(head):
        return "image/svg+xml"
    named = text_type(name)
    return "text/html" if named == PLAIN and _HTML.match(head) else named


def _inside_zip(name: str, stream: BinaryIO) -> str | None:
    """Office documents and e-books are zips: their first member or their folders tell.

    None where the list of contents cannot be read, or is too long to be.
    """
    import zipfile

    from gemcli.ingest.zipped import check_directory

    try:
        check_directory(name, stream)
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
            if "mimetype" in names and archive.getinfo("mimetype").file_size <= _MIMETYPE_LIMIT:
                declared = archive.read("mimetype").decode("ascii", "replace").strip()
                if declared.startswith("application/"):
                    return declared
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError):
        return None
    except (InputError, struct.error):
        return None
    for member, media_type in ZIP_MEMBERS:
        if any(name.startswith(member) for name in names):
            return media_type
    return ZIP


def _torn_zip(head: bytes) -> str:
    """What a zip without a list of contents was, told by its first members, so that its loss is named."""
    name_length = int.from_bytes(head[26:28], "little")
    extra_length = int.from_bytes(head[28:30], "little")
    if head[30 : 30 + name_length] == b"mimetype" and head[8:10] == b"\0\0":
        begin = 30 + name_length + extra_length
        declared = head[begin : begin + int.from_bytes(head[18:22], "little")].decode("ascii", "replace")
        if declared.startswith("application/") and len(declared) <= _MIMETYPE_LIMIT:
            return declared.strip()
    if head[30 : 30 + name_length] == b"[Content_Types].xml":
        for member, media_type in ZIP_MEMBERS:
            if member.encode() in head:
                return media_type
    return ZIP
