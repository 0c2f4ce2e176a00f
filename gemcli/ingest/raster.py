"""Picture files through Pillow, made safe: measured before they are unpacked, their failures `InputError`.

What was decoded before the damage is kept, and what is missing is said.
"""

from __future__ import annotations

import io
import logging
import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, BinaryIO

from gemcli.errors import GemcliError, InputError
from gemcli.ingest.flatten import MAX_SIDE
from gemcli.ingest.kinds import kind_name
from gemcli.ingest.quiet import quiet
from gemcli.ingest.source import KindError, Source

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

#: Pixels above which no file is opened; Pillow's own limit is near it.
MAX_PIXELS = 178_000_000

#: Bytes that a picture takes at most while it is decoded; making it smaller takes up to half as much again.
MAX_DECODED = 560_000_000

#: Bytes of a file that its decoder holds as a whole.
MAX_HELD_FILE = 200_000_000

#: Pillow's names of the formats that a media type may turn out to be.
FORMATS: dict[str, tuple[str, ...]] = {
    "image/png": ("PNG",),
    "image/jpeg": ("JPEG",),
    "image/gif": ("GIF",),
    "image/webp": ("WEBP",),
    "image/bmp": ("BMP", "DIB"),
    "image/tiff": ("TIFF",),
    "image/avif": ("AVIF", "HEIF"),
    "image/heic": ("HEIF", "AVIF"),
    "image/vnd.microsoft.icon": ("ICO",),
    "image/jp2": ("JPEG2000",),
    "image/vnd.adobe.photoshop": ("PSD",),
}

# Without a handler of its own what Pillow logs about damage would be printed to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_ONE_BYTE = ("1", "L", "P")
_TWO_BYTES = ("I;16", "I;16B", "I;16L", "I;16N")
#: Bytes a pixel of decoders that hold the picture several times over, as measured.
_DECODER_BYTES = {"WEBP": 16, "AVIF": 11, "HEIF": 11, "JPEG2000": 20, "PSD": 8, "ICO": 12}
_HOLDS_FILE = ("WEBP", "AVIF", "HEIF", "JPEG2000", "ICO")
_MAX_ENDED = 64_000_000
_ICON_SIDE = 4096
_ROWS_PER_STRIP = 278
_STRIP_BYTES = 279
_TILE_BYTES = 325
_ORIENTATION = 274


@contextmanager
def opened(source: Source) -> Iterator[ImageFile]:
    """A picture file, its header read and its size found bearable.

    Whatever Pillow raises inside the block becomes an `InputError`.

    Raises:
        InputError: it is damaged, too large to be unpacked, or needs a library that is not installed.
        KindError: it is of a format that is not read.
    """
    from PIL import Image as pillow

    formats = FORMATS.get(source.media_type)
    if formats is None:
        kind = kind_name(source.media_type)
        raise KindError(f"{source.name} is {kind}: convert it first: magick IN OUT.png", kind)
    with source.open() as stream:
        if formats[0] == "HEIF" and not _is_avif(stream):
            _add_heif(source)
        elif "HEIF" in formats:
            formats = ("AVIF",)
        _check_file(source, formats, stream)
        with failures_told(source), pillow.open(stream, formats=formats) as picture:
            check_size(source, picture)
            yield picture  # type: ignore[misc]  # every opener of `FORMATS` gives an ImageFile


@contextmanager
def failures_told(source: Source) -> Iterator[None]:
    """Any failure of Pillow becomes an `InputError`; its warnings, of oddities in metadata, are not shown."""
    from PIL import UnidentifiedImageError
    from PIL.Image import DecompressionBombError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except GemcliError:
        raise
    except UnidentifiedImageError:
        raise InputError(
            f"{source.name} is damaged: it begins as {kind_name(source.media_type)}, but it cannot be opened",
            _AGAIN,
        ) from None
    except (DecompressionBombError, MemoryError):
        raise InputError(f"{source.name} holds too many pixels to be unpacked", _SMALLER) from None
    except Exception as error:  # each decoder of Pillow has its own
        raise InputError(
            f"{source.name} is damaged: this {kind_name(source.media_type).split(' ', 1)[1]} "
            f"cannot be decoded ({_reason(error)})",
            _AGAIN,
        ) from error


def load(picture: ImageFile) -> str | None:
    """Decode the current frame.

    Returns:
        What is missing, as a phrase after the file's name, where only a part could be decoded; else None.

    Raises:
        Exception: Pillow's own where nothing could be decoded; see `opened`.
    """
    try:
        with quiet() if getattr(picture, "use_load_libtiff", False) else nullcontext():
            picture.load()
    except Exception as error:  # each decoder of Pillow has its own
        if picture._im is None or picture.im.size != picture.size or isinstance(error, MemoryError):
            raise
        picture.tile = []  # Pillow would decode again, and fail again
        box = picture.getbbox(alpha_only=False)
        height = picture.height
        rows = box[3] - box[1] if box else 0
        if rows < max(2, height // 50):
            if picture.info.get("progressive") and _coarse(picture):
                return "is cut short or damaged: it is shown coarse, and grey where nothing of it is left"
            raise
        lost = f"is cut short or damaged ({_reason(error)})"
        if rows >= height - 1:  # of a format that gives every row a little at a time
            return f"{lost}: parts of the picture are missing"
        return f"{lost}: about {max(1, round(100 - 100 * rows / height))} % of the picture are missing"
    return None


def _coarse(picture: ImageFile) -> bool:
    """Decode a progressive JPEG, which comes out at its end only, as if it ended where its data do."""
    from PIL import Image as pillow

    stream = picture.fp
    if stream is None:
        return False
    stream.seek(0)
    data = stream.read(_MAX_ENDED) + b"\xff\xd9"
    with pillow.open(io.BytesIO(data), formats=("JPEG",)) as ended:
        scale = round(ended.width / picture.width)
        ended.draft(None, (max(1, ended.width // scale), max(1, ended.height // scale)))  # type: ignore[arg-type]
        ended.load()
        if ended.size != picture.size or ended.mode != picture.mode:
            return False
        picture.im = ended.im
    return True


def draft(picture: ImageFile, side: int) -> None:
    """Let a JPEG be decoded at a fraction of its size, its longer side still `side` pixels at least."""
    longer = max(picture.size)
    wanted = (max(1, picture.width * side // longer), max(1, picture.height * side // longer))
    picture.draft(None, wanted)  # type: ignore[arg-type]  # None keeps the mode


def check_size(source: Source, picture: ImageFile) -> None:
    """Refuse what cannot be unpacked in bounded memory."""
    width, height = picture.size
    needs = _bytes_needed(picture)
    if width * height > MAX_PIXELS or needs > MAX_DECODED:
        takes = f", which would take {needs / 1e9:.1f} GB" if needs > MAX_DECODED else ""
        raise InputError(
            f"{source.name} is {width:,} x {height:,} pixels: too large to be unpacked{takes}", _SMALLER
        )


def _bytes_needed(picture: ImageFile) -> int:
    pixels = picture.width * picture.height
    mode = picture.mode
    each = 1 if mode in _ONE_BYTE else 2 if mode in _TWO_BYTES else 4
    kind = picture.format or ""
    if kind in ("JPEG", "MPO"):
        scale = 1
        while scale < 8 and max(picture.size) >= 2 * scale * MAX_SIDE:
            scale *= 2
        # A progressive one keeps two bytes for every sample until its end is reached.
        return each * pixels // scale**2 + (_samples(picture) * 2 if picture.info.get("progressive") else 0)
    if kind == "TIFF":
        turned = each if _tag(picture, _ORIENTATION) not in (None, 1) else 0
        return (each + turned) * pixels + _largest_strip(picture)
    if kind in ("GIF", "PNG") and getattr(picture, "is_animated", False):
        return 12 * pixels  # the frame, the one before, and the canvas
    return _DECODER_BYTES.get(kind, each) * pixels


def _samples(picture: ImageFile) -> int:
    """Samples of all components of a JPEG, after their subsampling."""
    layers = getattr(picture, "layer", None) or [(0, 1, 1)] * 3
    across, down = (max(layer[place] for layer in layers) or 1 for place in (1, 2))
    parts = sum(layer[1] * layer[2] for layer in layers)
    return picture.width * picture.height * parts // (across * down)


def _largest_strip(picture: ImageFile) -> int:
    """Bytes of a TIFF's largest strip or tile, unpacked and as it lies in the file."""
    if picture.info.get("compression") == "raw":
        return 0  # read as it lies there, a little at a time
    rows = _tag(picture, _ROWS_PER_STRIP)
    rows = min(rows, picture.height) if isinstance(rows, int) else 256
    packed = [_tag(picture, tag) for tag in (_STRIP_BYTES, _TILE_BYTES)]
    largest = max((max(each) for each in packed if isinstance(each, tuple) and each), default=0)
    return rows * picture.width * max(1, len(picture.getbands())) + int(largest)


def _tag(picture: ImageFile, number: int) -> object:
    tags = getattr(picture, "tag_v2", None)
    return tags.get(number) if tags is not None else None


def _check_file(source: Source, formats: tuple[str, ...], stream: BinaryIO) -> None:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if formats[0] in _HOLDS_FILE and size > MAX_HELD_FILE:
        raise InputError(
            f"{source.name} is a picture of {size / 1e6:,.0f} MB: too large to be read", _SMALLER
        )
    if formats == ("ICO",) and _widest_icon(stream.read(_ICON_HEAD), stream) > _ICON_SIDE:
        raise InputError(
            f"{source.name} is an icon that claims to be of absurd size: it is not unpacked", _AGAIN
        )


_ICON_HEAD = 6 + 16 * 64


def _widest_icon(head: bytes, stream: BinaryIO) -> int:
    """The longest side of an icon's pictures: Pillow unpacks the first when it opens the file."""
    longest = 0
    for at in range(6, len(head) - 15, 16):
        if (at - 6) // 16 >= struct.unpack_from("<H", head, 4)[0]:
            break
        stream.seek(struct.unpack_from("<I", head, at + 12)[0])
        start = stream.read(24)
        if len(start) == 24:
            png = start.startswith(b"\x89PNG")
            longest = max(
                longest, *map(abs, struct.unpack_from(">II" if png else "<ii", start, 16 if png else 4))
            )
    stream.seek(0)
    return longest


def _is_avif(stream: BinaryIO) -> bool:
    """Whether an ISO media file is AVIF by any of its brands."""
    head = stream.read(256)
    stream.seek(0)
    size = int.from_bytes(head[:4], "big")
    return b"avif" in head[8:size] or b"avis" in head[8:size]


def _add_heif(source: Source) -> None:
    try:
        from pi_heif import register_heif_opener
    except ImportError:
        raise InputError(
            f"{source.name} is {kind_name(source.media_type)}: no library for it is installed",
            'pip install "gemcli[images]"',
        ) from None
    register_heif_opener()


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 100 else text[:99] + "…"


_AGAIN = "fetch it again, or save it once more with the program that shows it"
_SMALLER = "make it smaller first: magick IN -resize 4096x4096 OUT"
