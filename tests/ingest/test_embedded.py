import io
import random
import zlib

import pytest
from PIL import Image

from gemcli.errors import InputError
from gemcli.ingest.embedded import MAX_SIDE, Pictures, embedded_image
from gemcli.parts import Anchor


def encoded(size, form="PNG", mode="RGB", color=0, **options):
    stream = io.BytesIO()
    Image.new(mode, size, color).save(stream, form, **options)
    return stream.getvalue()


def test_a_picture_keeps_its_place_and_what_is_said_of_it():
    image = embedded_image(encoded((60, 40), color=(255, 0, 0)), Anchor(page=3), " a\nred  one ")
    assert image is not None
    assert (image.width, image.height, image.anchor.page, image.alt) == (60, 40, 3, "a red one")
    assert image.pixels().size == (60, 40)
    assert image.pixels().mode == "RGB"
    assert image.pixels().getpixel((5, 5)) == (255, 0, 0)


def test_the_key_follows_the_bytes():
    red, blue = (embedded_image(encoded((60, 40), color=color)) for color in ("red", "blue"))
    assert red is not None
    assert blue is not None
    assert red.key != blue.key
    again = embedded_image(encoded((60, 40), color="red"), key="mine")
    assert again is not None
    assert again.key == "mine"


@pytest.mark.parametrize("form", ["JPEG", "TIFF", "WEBP"])
def test_it_is_turned_as_it_is_to_be_seen(form):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = embedded_image(encoded((60, 40), form, exif=exif))
    assert image is not None
    assert (image.width, image.height) == image.pixels().size == (40, 60)


def test_sixteen_bits_become_eight():
    image = embedded_image(encoded((40, 40), mode="I;16", color=128 * 257))
    assert image is not None
    assert image.pixels().getpixel((3, 3)) == (128, 128, 128)


def test_what_is_transparent_stands_on_white():
    image = embedded_image(encoded((40, 40), mode="RGBA", color=(0, 0, 0, 0)))
    assert image is not None
    assert image.pixels().getpixel((3, 3)) == (255, 255, 255)


def test_large_ones_are_made_smaller_in_their_shape():
    image = embedded_image(encoded((2 * MAX_SIDE, MAX_SIDE), mode="L"))
    assert image is not None
    assert (image.width, image.height) == (2 * MAX_SIDE, MAX_SIDE)
    assert image.pixels().size == (MAX_SIDE, MAX_SIDE // 2)


def test_ornaments_and_junk_are_no_pictures():
    assert embedded_image(encoded((16, 16))) is None
    assert embedded_image(encoded((400, 2))) is None
    assert embedded_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n") is None
    assert embedded_image(b"") is None


def test_a_bomb_is_not_opened():
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = (60_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    assert embedded_image(bomb) is None


def test_the_bytes_are_read_again_when_they_are_needed():
    calls = []

    def again():
        calls.append(1)
        return encoded((30, 30))

    image = embedded_image(again)
    assert image is not None
    assert len(calls) == 1
    image.pixels()
    assert len(calls) == 2


def test_what_is_not_shown_is_counted():
    pictures = Pictures()
    assert pictures.read(encoded((30, 30)), "a.png") is not None
    assert pictures.read(encoded((3, 3)), "b.png") is None
    assert pictures.warnings() == []
    assert pictures.read(b"junk", "c.emf") is None
    assert pictures.ornaments == 1
    assert pictures.warnings() == ["pictures that cannot be decoded, not read: c.emf"]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_damage_never_gets_through(form):
    noise = random.Random(form).randbytes(40 * 40 * 3)
    stream = io.BytesIO()
    Image.frombytes("RGB", (40, 40), noise).save(stream, form)
    whole = stream.getvalue()
    outcomes = {"shown": 0, "refused": 0}
    for seed in range(60):
        generator = random.Random(seed)
        data = bytearray(whole)
        for _ in range(generator.choice([1, 4, 20])):
            data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        del data[generator.choice([len(data), generator.randrange(len(data))]) :]
        image = embedded_image(bytes(data))
        try:
            shown = image is not None and image.pixels().mode == "RGB"
        except InputError:
            shown = False
        outcomes["shown" if shown else "refused"] += 1
    assert outcomes["refused"] > 0
    assert sum(outcomes.values()) == 60
