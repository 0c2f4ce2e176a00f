"""Damaged and absurd picture files: read or refused, in bounded time and memory, whatever decoders do."""

import io
import json
import os
import random
import struct
import subprocess
import sys
import zlib

import pytest
from heic import heic
from PIL import Image

VARIANTS = 220
SECONDS = 60
MAX_RSS = 1000  # MB

#: Reads damaged variants of a file, and all pixels; a decoder that crashes ends it without the last line.
PROGRAM = r"""
import json, random, sys, time
from pathlib import Path
from gemcli.errors import InputError
from gemcli.ingest.image import read
from gemcli.ingest.source import Source

whole = sys.stdin.buffer.read()
media_type, variants, limit = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
counts = {"whole": 0, "warned": 0, "refused": 0}
began, slowest = time.monotonic(), 0.0
for seed in range(variants):
    generator = random.Random(seed)
    data = bytearray(whole)
    for _ in range(generator.choice([0, 1, 1, 3, 10, 40]) if variants > 1 else 0):
        at = generator.choice([generator.randrange(len(data)), generator.randrange(min(len(data), 300))])
        kind = generator.randrange(5)
        if kind < 2:
            data[at] ^= 1 << generator.randrange(8)
        elif kind == 2:
            data[at : at + 4] = generator.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"])
        elif kind == 3:
            del data[at : at + generator.randrange(1, 60)]
        else:
            data[at:at] = generator.randbytes(generator.randrange(1, 60))
        if len(data) < 20:
            break
    if seed % 4 == 3:
        del data[generator.randrange(len(data)) :]
    start = time.monotonic()
    try:
        document = read(Source("a", None, media_type, bytes(data or b"\0")), lambda done, total: None)
        for part in document.parts:
            shown = part.pixels()
            assert shown.mode == "RGB" and max(shown.size) <= 4096
            scale = min(1, 4096 / max(part.width, part.height))
            assert abs(shown.width - part.width * scale) <= 1, (shown.size, part)
            assert abs(shown.height - part.height * scale) <= 1, (shown.size, part)
        counts["warned" if document.warnings else "whole"] += 1
    except InputError as error:
        assert error.message.startswith("a "), error.message
        counts["refused"] += 1
        counts["why"] = error.message
    slowest = max(slowest, time.monotonic() - start)
    if time.monotonic() - began > limit:
        break
try:
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) >> 10
except OSError:
    peak = 0
print(json.dumps(counts | {"slowest": slowest, "peak": peak}))
"""


def run(data, media_type, variants=VARIANTS):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, media_type, str(variants), str(SECONDS)],
        input=data,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        timeout=3 * SECONDS,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert done.stderr == b""
    return json.loads(done.stdout)


def picture(seed=0, size=(90, 70)):
    """Smooth below, noise above: what is coded by tables and what is not."""
    noise = Image.frombytes("RGB", size, random.Random(seed).randbytes(3 * size[0] * size[1]))
    noise.paste(Image.linear_gradient("L").resize((size[0], size[1] // 2)), (0, size[1] // 2))
    return noise


def encoded(form, frames=1, mode="RGB", **options):
    images = [picture(seed).convert(mode) for seed in range(frames)]
    stream = io.BytesIO()
    more = {"save_all": True, "append_images": images[1:]} if frames > 1 else {}
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    if form in ("JPEG", "TIFF", "WEBP"):
        options["exif"] = exif
    images[0].save(stream, form, **more, **options)
    return stream.getvalue()


KINDS = {
    "png": lambda: (encoded("PNG"), "image/png"),
    "png in a palette, animated": lambda: (encoded("PNG", 3, "P"), "image/png"),
    "jpeg": lambda: (encoded("JPEG"), "image/jpeg"),
    "jpeg, progressive, CMYK": lambda: (encoded("JPEG", mode="CMYK", progressive=True), "image/jpeg"),
    "gif, animated": lambda: (encoded("GIF", 4), "image/gif"),
    "webp": lambda: (encoded("WEBP", exact=True, mode="RGBA"), "image/webp"),
    "webp, animated": lambda: (encoded("WEBP", 3), "image/webp"),
    "bmp": lambda: (encoded("BMP"), "image/bmp"),
    "tiff": lambda: (encoded("TIFF", 2), "image/tiff"),
    "tiff, lzw": lambda: (encoded("TIFF", 3, compression="tiff_lzw"), "image/tiff"),
    "tiff, jpeg": lambda: (encoded("TIFF", compression="jpeg"), "image/tiff"),
    "tiff, fax": lambda: (encoded("TIFF", 2, "1", compression="group4"), "image/tiff"),
    "avif": lambda: (encoded("AVIF", 2, speed=10), "image/avif"),
    "heic": lambda: (heic(picture(1), picture(2)), "image/heic"),
    "icon": lambda: (encoded("ICO", mode="RGBA"), "image/vnd.microsoft.icon"),
    "icon of bitmaps": lambda: (encoded("ICO", mode="RGBA", bitmap_format="bmp"), "image/vnd.microsoft.icon"),
    "jpeg 2000": lambda: (encoded("JPEG2000"), "image/jp2"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_damaged(kind):
    data, media_type = KINDS[kind]()
    counts = run(data, media_type)
    assert counts["whole"] + counts["warned"] + counts["refused"] == VARIANTS
    assert counts["whole"] >= VARIANTS // 20  # some variants are not damaged at all
    assert counts["refused"] >= VARIANTS // 20
    assert counts["slowest"] < 15
    assert counts["peak"] < MAX_RSS


def chunk(kind, data):
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def flat_png(width, height, colour):
    """A PNG of zeros, made without holding it."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    packer = zlib.compressobj(1)
    row = bytes(1 + width * channels)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_a_hundred_million_pixels_of_jpeg_are_read_in_bounded_memory():
    stream = io.BytesIO()
    Image.new("L", (12_000, 9_000), 200).save(stream, "JPEG")
    counts = run(stream.getvalue(), "image/jpeg", variants=1)
    assert counts["whole"] == 1
    assert counts["peak"] < 400


def test_a_hundred_million_pixels_of_png_are_read_in_bounded_memory():
    counts = run(flat_png(11_500, 9_000, colour=2), "image/png", variants=1)
    assert counts["whole"] == 1
    assert counts["peak"] < MAX_RSS


@pytest.mark.parametrize(
    ("width", "height", "colour"), [(12_500, 12_500, 2), (60_000, 60_000, 0), (2_000_000_000, 100, 0)]
)
def test_what_would_not_fit_is_refused_before_it_is_unpacked(width, height, colour):
    header = flat_png(width if width < 100_000 else 1, 3, colour)
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    bomb = header[:8] + chunk(b"IHDR", head) + header[33:]
    counts = run(bomb, "image/png", variants=1)
    assert counts["refused"] == 1
    assert "pixels" in counts["why"]
    assert counts["peak"] < 150


def test_an_icon_with_an_absurd_picture_is_refused():
    png = flat_png(9_000, 9_000, colour=6)
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(png), 22) + png
    counts = run(icon, "image/vnd.microsoft.icon", variants=1)
    assert counts["refused"] == 1
    assert "absurd" in counts["why"]
    assert counts["peak"] < 150
