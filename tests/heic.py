"""A writer of small HEIC files (ISO/IEC 23008-12), since the libraries that read them do not write them."""

from __future__ import annotations

import re
import struct
from fractions import Fraction

import av
import numpy as np
import PIL.Image


def heic(*pictures: PIL.Image.Image, turns: int = 0) -> bytes:
    """A HEIC file of pictures of even sides, the first the main one, each to be turned left so many times."""
    coded = [_coded(picture) for picture in pictures]
    ftyp = _box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")
    length = len(ftyp) + len(_meta(pictures, coded, turns, 0))
    return (
        ftyp + _meta(pictures, coded, turns, length + 8) + _box(b"mdat", b"".join(each[1] for each in coded))
    )


def _coded(picture: PIL.Image.Image) -> tuple[bytes, bytes]:
    """The decoder's configuration (hvcC) and the picture's data, as one key frame of HEVC."""
    codec = av.CodecContext.create("libx265", "w")
    codec.width, codec.height = picture.size
    codec.pix_fmt = "yuv420p"
    codec.time_base = Fraction(1, 25)
    codec.options = {"x265-params": "log-level=none:keyint=1:info=0:crf=8", "preset": "ultrafast"}
    frame = av.VideoFrame.from_ndarray(np.asarray(picture.convert("RGB")), format="rgb24")
    frames = (frame.reformat(format="yuv420p"), None)  # None ends the stream
    stream = b"".join(bytes(packet) for each in frames for packet in codec.encode(each))
    units = [unit for unit in re.split(rb"\x00?\x00\x00\x01", stream) if unit]
    heads = {kind: [unit for unit in units if unit[0] >> 1 & 63 == kind] for kind in (32, 33, 34)}
    pictures = [unit for unit in units if unit[0] >> 1 & 63 < 32]
    sequence = heads[33][0].replace(b"\0\0\x03", b"\0\0")
    config = b"\x01" + sequence[3:15] + b"\xf0\x00\xfc\xfd\xf8\xf8\x00\x00\x0f" + bytes([len(heads)])
    for kind, found in heads.items():
        config += bytes([0x80 | kind]) + struct.pack(">H", len(found))
        config += b"".join(struct.pack(">H", len(unit)) + unit for unit in found)
    return config, b"".join(struct.pack(">I", len(unit)) + unit for unit in pictures)


def _meta(
    pictures: tuple[PIL.Image.Image, ...], coded: list[tuple[bytes, bytes]], turns: int, at: int
) -> bytes:
    """The properties of the pictures; the data of the first lie at byte `at` of the file."""
    items, places, properties, uses = b"", b"", b"", b""
    for number, (picture, (config, data)) in enumerate(zip(pictures, coded, strict=True), 1):
        items += _full(b"infe", struct.pack(">HH", number, 0) + b"hvc1\0", version=2)
        places += struct.pack(">HHHII", number, 0, 1, at, len(data))
        at += len(data)
        properties += _box(b"hvcC", config) + _full(b"ispe", struct.pack(">II", *picture.size))
        properties += _box(b"irot", bytes([turns]))
        first = 3 * number - 2
        uses += struct.pack(">HB", number, 3) + bytes([0x80 | first, first + 1, 0x80 | first + 2])
    count = len(pictures)
    return _full(
        b"meta",
        _full(b"hdlr", bytes(4) + b"pict" + bytes(13))
        + _full(b"pitm", struct.pack(">H", 1))
        + _full(b"iinf", struct.pack(">H", count) + items)
        + _full(b"iloc", b"\x44\x00" + struct.pack(">H", count) + places)
        + _box(b"iprp", _box(b"ipco", properties) + _full(b"ipma", struct.pack(">I", count) + uses)),
    )


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def _full(kind: bytes, content: bytes, version: int = 0) -> bytes:
    return _box(kind, bytes([version, 0, 0, 0]) + content)
