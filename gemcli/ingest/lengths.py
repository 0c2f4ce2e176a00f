"""Whether the end of a recording is missing: what the head of the file declares against what was found."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gemcli.ingest.source import Source
from gemcli.ingest.times import clock

if TYPE_CHECKING:
    from av.container import InputContainer

#: Containers that say in their head how long they are; for the others FFmpeg guesses from the size.
_DECLARES = frozenset({"mov", "matroska", "w64", "flac", "aiff", "asf", "caf", "mxf"})

#: Seconds by which a recording may be shorter than it says: the last frame, rounding, padding.
_SLACK = 1.0

#: What a WAV file says of its length when it was written as a stream, or beyond.
_STREAMED = 0xFFFFFF00

#: Bytes that may be missing of one: padding that some programs count and do not write.
_RIFF_SLACK = 64

#: The layout of an Ogg page (RFC 3533, 6): its head is followed by the lengths of its segments, at most 255.
_OGG_HEAD = 27
_OGG_LARGEST = _OGG_HEAD + 255 + 255 * 255
_OGG_LAST = 0x04


def missing_end(
    source: Source, container: InputContainer, end: float, origin: float, damage: str
) -> list[str]:
    """A sentence where less was found than declared, or nothing.

    Args:
        source, container: what was read.
        end: seconds at which the last that was found ends.
        origin: seconds of the container's clock at which the recording starts.
        damage: what stopped the reading, if anything did.
    """
    import av

    said, size = _riff_bytes(source)
    if size + _RIFF_SLACK < said < _STREAMED:  # FFmpeg makes do with what is there
        return [f"ends early: it holds {size:,} of {said:,} bytes; what follows {clock(end)} is missing"]
    kind = container.format.name.split(",")[0]
    declares = kind in _DECLARES or (kind == "mp3" and _counts_frames(source))
    declared = (container.duration or 0) / av.time_base if declares else 0.0
    # Some count from the clock's zero, some from the first frame.
    lasts = end + max(0.0, origin)
    if kind == "ogg" and _is_unfinished_ogg(source):
        return [f"ends early, it seems: its end is not marked as such; what follows {clock(end)} is missing"]
    if declared - lasts > max(_SLACK, 0.02 * min(declared, end)):
        whole = clock(declared + 0.1)
        return [f"ends early: it says that it lasts {whole}, but what follows {clock(end)} is missing"]
    return [f"is damaged after {clock(end)}; what follows is missing"] if damage and end else []


def _riff_bytes(source: Source) -> tuple[int, int]:
    """The bytes that a WAV or AVI file says it has, and those that it has; 0 for other files."""
    with source.open() as stream:
        head = stream.read(8)
        size = stream.seek(0, os.SEEK_END)
    return (int.from_bytes(head[4:], "little") + 8 if head.startswith(b"RIFF") else 0), size


def _is_unfinished_ogg(source: Source) -> bool:
    """Whether the last page of an Ogg file is not all there, or not the last of its stream."""
    with source.open() as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 2 * _OGG_LARGEST))  # the last page, and a tag that some write behind it
        tail = stream.read()
    at = tail.rfind(b"OggS\0")
    page = tail[at:] if at >= 0 else b""
    if len(page) < _OGG_HEAD:
        return True
    segments = page[_OGG_HEAD : _OGG_HEAD + page[26]]
    whole = len(segments) == page[26] and len(page) >= _OGG_HEAD + len(segments) + sum(segments)
    return not (whole and page[5] & _OGG_LAST)


def _counts_frames(source: Source) -> bool:
    """Whether an MP3 begins with a frame that says how many there are."""
    with source.open() as stream:
        head = stream.read(10)
        if head.startswith(b"ID3"):
            size = sum(
                (byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False)
            )
            stream.seek(10 + size)
        else:
            stream.seek(0)
        first = stream.read(256)
    return any(mark in first for mark in (b"Xing", b"Info", b"VBRI"))
