"""A recording or a video as a container: opened within bounds, its streams told apart.

FFmpeg is kept from what a file could make it do: only containers of sound and pictures are tried (no
playlist, no list of other files), nothing but the file itself is opened, and a picture's size is bounded
before it is decoded.
"""

from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING

from gemcli.errors import InputError
from gemcli.ingest.kinds import kind_name
from gemcli.ingest.source import EmptyError, Source, unreadable

if TYPE_CHECKING:
    from av import VideoStream
    from av.container import InputContainer
    from av.stream import Stream

#: Pixels of a video's picture at most: 8K, and a little.
MAX_PIXELS = 40_000_000

#: The containers that are tried, by FFmpeg's names.
FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,asf_o,au,avi,caf,dv,eac3,flac,flv,h264,hevc,m4v,matroska,webm,"
    "mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,mpegvideo,mxf,ogg,rm,tta,w64,wav,wv"
)

_OPTIONS = {
    "format_whitelist": FORMATS,
    "protocol_whitelist": "file",
    "max_pixels": str(MAX_PIXELS),
    "max_streams": "100",
}
_REPAIR = "fetch it again, or try to repair it: ffmpeg -i IN -c copy OUT.mkv"
_BIG_PIXELS = 4_000_000


def open_media(source: Source) -> InputContainer:
    """Open a source; the caller closes it.

    Raises:
        InputError: it is empty, no recording or video, or its index is missing.
    """
    import av
    from av.error import FFmpegError

    size = _size(source)
    if size == 0:
        raise EmptyError(f"{source.name} is empty")
    # The prefix keeps a name such as "http:x.mp4" from being taken for an address.
    file = BytesIO(source.data) if source.data is not None else f"file:{source.path}"
    try:
        return av.open(file, "r", options=dict(_OPTIONS), metadata_errors="replace")
    except (FFmpegError, ValueError) as error:
        raise unopened(source, error) from error


def unopened(source: Source, error: Exception) -> InputError:
    """What a failure to open a source means to a person."""
    if isinstance(error, PermissionError | FileNotFoundError):
        return unreadable(source.name, error)
    kind = kind_name(source.media_type) if source.media_type else "a recording or a video"
    head = source.head(12)
    if head[4:8] == b"ftyp":
        return InputError(
            f"{source.name} is cut short or damaged: the index that {kind} needs is missing (no moov)",
            _REPAIR,
        )
    return InputError(
        f"{source.name} is damaged: it begins as {kind}, but nothing in it can be played", _REPAIR
    )


def moving_pictures(container: InputContainer) -> VideoStream | None:
    """The video stream that is meant to be seen: no cover art or thumbnails; the largest of several."""
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    found = [
        each
        for each in container.streams.video
        if each.codec_context is not None and not each.disposition & still
    ]
    default = [each for each in found if each.disposition & Disposition.default] or found
    return max(default, key=lambda each: _pixels(each), default=None)


def first_choice(streams: list[Stream]) -> Stream | None:
    """The stream that a player would take: the default one, or the first."""
    from av.stream import Disposition

    known = [each for each in streams if each.codec_context is not None]
    return next((each for each in known if each.disposition & Disposition.default), next(iter(known), None))


def prepare(stream: VideoStream) -> None:
    """Decode with several threads, fewer where each holds a large picture, and no absurd picture at all."""
    context = stream.codec_context
    context.options = {"max_pixels": str(MAX_PIXELS)}
    context.thread_type = "AUTO"
    context.thread_count = min(os.cpu_count() or 1, 2 if _pixels(stream) > _BIG_PIXELS else 8)


def _pixels(stream: VideoStream) -> int:
    return stream.codec_context.width * stream.codec_context.height


def _size(source: Source) -> int:
    with source.open() as stream:
        return stream.seek(0, os.SEEK_END)
