import io
import random
import sys

import numpy as np
import pytest
from heic import heic
from PIL import Image, ImageCms, ImageDraw

from gemcli.errors import InputError, UsageError
from gemcli.ingest import animation, image
from gemcli.ingest.flatten import MAX_SIDE
from gemcli.ingest.image import read
from gemcli.ingest.ranges import parse
from gemcli.ingest.sniff import sniff
from gemcli.ingest.source import EmptyError, KindError, Source
from gemcli.ingest.wants import Wants

TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
    "ICO": "image/vnd.microsoft.icon",
    "JPEG2000": "image/jp2",
}


def corners(size=(60, 40)):
    """Red, green, blue and yellow quarters, from the upper left, row by row."""
    width, height = size
    image = Image.new("RGB", size, "red")
    draw = ImageDraw.Draw(image)
    draw.rectangle((width // 2, 0, width, height // 2 - 1), "lime")
    draw.rectangle((0, height // 2, width // 2 - 1, height), "blue")
    draw.rectangle((width // 2, height // 2, width, height), "yellow")
    return image


def encoded(image, form, **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def look(data, form, **options):
    media_type = TYPES.get(form, form)
    return read(Source("pictures/a.bin", None, media_type, data, **options), lambda done, total: None)


def close(image, place, colour, within=30):
    return max(abs(a - b) for a, b in zip(image.getpixel(place), colour, strict=True)) <= within


@pytest.mark.parametrize("form", TYPES)
def test_each_format_is_one_picture(form):
    size = (64, 64) if form == "ICO" else (60, 40)
    options = {"quality": 90} if form in ("JPEG", "AVIF", "WEBP") else {}
    document = look(encoded(corners(size), form, **options), form)
    (part,) = document.parts
    shown = part.pixels()
    assert (part.width, part.height) == shown.size == size
    assert shown.mode == "RGB"
    right, low = size[0] - 9, size[1] - 9
    assert close(shown, (8, 8), (255, 0, 0))
    assert close(shown, (right, 8), (0, 255, 0))
    assert close(shown, (8, low), (0, 0, 255))
    assert close(shown, (right, low), (255, 255, 0))
    assert document.warnings == ()
    assert part.key == document.sha256
    assert part.anchor.label() == ""
    assert document.meta == {"width": size[0], "height": size[1], "format": form}


@pytest.mark.parametrize("form", TYPES)
def test_each_format_is_told_by_its_bytes(form):
    data = encoded(corners((64, 64)), form)
    assert sniff(Source("a.bin", None, data=data)) == TYPES[form]


@pytest.mark.parametrize("options", [{"big_tiff": True}, {"compression": "tiff_deflate", "big_tiff": True}])
def test_a_tiff_of_the_large_kind(options):
    data = encoded(corners(), "TIFF", **options)
    assert sniff(Source("a.bin", None, data=data)) == "image/tiff"
    assert close(look(data, "TIFF").parts[0].pixels(), (8, 8), (255, 0, 0))


@pytest.mark.parametrize("form", ["JPEG", "TIFF", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_set_upright(form, orientation):
    turns = Image.Transpose
    to_camera = {
        1: None,
        2: turns.FLIP_LEFT_RIGHT,
        3: turns.ROTATE_180,
        4: turns.FLIP_TOP_BOTTOM,
        5: turns.TRANSPOSE,
        6: turns.ROTATE_90,
        7: turns.TRANSVERSE,
        8: turns.ROTATE_270,
    }[orientation]
    stored = corners() if to_camera is None else corners().transpose(to_camera)
    exif = Image.Exif()
    exif[0x0112] = orientation
    (part,) = look(encoded(stored, form, exif=exif), form).parts
    shown = part.pixels()
    assert (part.width, part.height) == shown.size == (60, 40)
    assert close(shown, (8, 8), (255, 0, 0), 60)
    assert close(shown, (50, 8), (0, 255, 0), 60)
    assert close(shown, (8, 30), (0, 0, 255), 60)


@pytest.mark.parametrize(
    ("image", "form", "expected"),
    [
        (Image.new("L", (30, 30), 90), "PNG", (90, 90, 90)),
        (Image.new("1", (30, 30), 1), "TIFF", (255, 255, 255)),
        (Image.new("LA", (30, 30), (0, 0)), "PNG", (255, 255, 255)),
        (Image.new("RGBA", (30, 30), (255, 0, 0, 128)), "PNG", (255, 127, 127)),
        (Image.new("RGBA", (30, 30), (0, 0, 0, 0)), "WEBP", (255, 255, 255)),
        (Image.new("RGBA", (30, 30), (0, 0, 0, 0)), "GIF", (255, 255, 255)),
        (Image.new("CMYK", (30, 30), (0, 255, 255, 0)), "JPEG", (255, 0, 0)),
        (Image.new("CMYK", (30, 30), (0, 255, 255, 0)), "TIFF", (255, 0, 0)),
        (Image.new("LAB", (30, 30), (136, 208, 195)), "TIFF", (250, 3, 11)),
        (Image.fromarray(np.full((30, 30), 32896, np.uint16)), "PNG", (128, 128, 128)),
        (Image.fromarray(np.full((30, 30), 32896, np.uint16)), "TIFF", (128, 128, 128)),
        (Image.fromarray(np.array([[0, 2048, 4095]] * 3, np.uint16)), "TIFF", (128, 128, 128)),
        (Image.fromarray(np.array([[0, 0.5, 1]] * 3, np.float32)), "TIFF", (128, 128, 128)),
        (Image.fromarray(np.array([[-4, 0, 4]] * 3, np.float32)), "TIFF", (128, 128, 128)),
        (Image.fromarray(np.array([[np.nan] * 3] * 3, np.float32)), "TIFF", (0, 0, 0)),
        (Image.fromarray(np.array([[70000, 70000, 70000]] * 3, np.int32)), "TIFF", (0, 0, 0)),
    ],
)
def test_every_mode_becomes_rgb(image, form, expected):
    (part,) = look(encoded(image, form), form).parts
    shown = part.pixels()
    assert shown.mode == "RGB"
    assert close(shown, (shown.width // 2, shown.height // 2), expected, 3)


def test_a_palette_with_a_transparent_entry_stands_on_white():
    image = corners().convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    clear = image.getpixel((5, 5))
    (part,) = look(encoded(image, "PNG", transparency=clear), "PNG").parts
    assert close(part.pixels(), (5, 5), (255, 255, 255))
    assert close(part.pixels(), (50, 5), (0, 255, 0))


def test_an_embedded_profile_is_followed():
    swapped = bytearray(
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"sRGB", b"test")
    )
    swapped = bytes(swapped).replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))
    tags = {swapped[at : at + 4]: at for at in range(132, 132 + 12 * swapped[131], 12)}
    profile = bytearray(swapped)
    red, blue = tags[b"rXYZ"] + 4, tags[b"bXYZ"] + 4
    profile[red : red + 8], profile[blue : blue + 8] = swapped[blue : blue + 8], swapped[red : red + 8]
    (part,) = look(encoded(Image.new("RGB", (30, 30), "red"), "PNG", icc_profile=bytes(profile)), "PNG").parts
    assert close(part.pixels(), (5, 5), (0, 0, 255), 3)
    (part,) = look(encoded(Image.new("RGB", (30, 30), "red"), "PNG", icc_profile=bytes(200)), "PNG").parts
    assert close(part.pixels(), (5, 5), (255, 0, 0), 3)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "1", "I;16"])
def test_a_large_one_is_made_smaller_in_its_shape(mode):
    size = (MAX_SIDE + 1000, 200)
    image = Image.new("RGB", size, "black")
    ImageDraw.Draw(image).rectangle((size[0] // 2, 0, *size), "white")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    (part,) = look(encoded(image if mode == "I;16" else image.convert(mode), "PNG"), "PNG").parts
    assert (part.width, part.height) == size
    shown = part.pixels()
    assert shown.size == (MAX_SIDE, round(200 * MAX_SIDE / size[0]))
    assert shown.getpixel((MAX_SIDE // 2 - 4, 80)) == (0, 0, 0)
    assert shown.getpixel((MAX_SIDE // 2 + 4, 80)) == (255, 255, 255)


def pages(count, **options):
    images = [Image.new("RGB", (40 + 10 * page, 50), (20 * page, 0, 0)) for page in range(1, count + 1)]
    return encoded(images[0], "TIFF", save_all=True, append_images=images[1:], **options)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_pages_of_a_tiff(compression):
    document = look(pages(4, compression=compression), "TIFF")
    assert [part.anchor.page for part in document.parts] == [1, 2, 3, 4]
    assert [part.width for part in document.parts] == [50, 60, 70, 80]
    assert {part.role for part in document.parts} == {"page"}
    assert len({part.key for part in document.parts}) == 4
    for part in (*document.parts, *reversed(document.parts), document.parts[1], document.parts[1]):
        shown = part.pixels()
        assert shown.size == (part.width, part.height)
        assert shown.getpixel((3, 3)) == (20 * part.anchor.page, 0, 0)
    assert document.meta["pages"] == 4


def test_heic_turned_and_several_in_one_file(monkeypatch):
    data = heic(corners(), turns=1)
    (part,) = look(data, "image/heic").parts
    assert (part.width, part.height) == part.pixels().size == (40, 60)
    assert close(part.pixels(), (8, 8), (0, 255, 0))
    assert close(part.pixels(), (30, 8), (255, 255, 0))
    document = look(heic(corners(), Image.new("RGB", (80, 64), "blue")), "image/heic")
    assert [(part.anchor.page, part.width, part.role) for part in document.parts] == [
        (1, 60, "picture"),
        (2, 80, "picture"),
    ]
    assert close(document.parts[1].pixels(), (9, 9), (0, 0, 255))
    assert close(document.parts[0].pixels(), (8, 8), (255, 0, 0))
    assert document.meta["format"] == "HEIC"
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(InputError, match="no library for it is installed") as error:
        look(data, "image/heic")
    assert error.value.hint == 'pip install "gemcli[images]"'


def test_avif_by_the_name_of_heif():
    data = encoded(corners(), "AVIF")
    assert data[8:12] == b"avif"
    document = look(data[:8] + b"mif1" + data[12:], "image/heic")
    assert document.meta["format"] == "AVIF"


def test_pages_are_chosen():
    document = look(pages(5), "TIFF", selection=parse("2,4-", "page"))
    assert [part.anchor.page for part in document.parts] == [2, 4, 5]
    assert document.parts[1].pixels().getpixel((3, 3)) == (80, 0, 0)
    document = look(pages(2), "TIFF", selection=parse("2-7", "page", exact=False))
    assert [part.anchor.page for part in document.parts] == [2]
    assert document.warnings == ("has 2 pages: of range 2-7, 2 was read",)
    with pytest.raises(UsageError, match="has 5 pages"):
        look(pages(5), "TIFF", selection=parse("6", "page"))
    with pytest.raises(UsageError, match="has 1 page"):
        look(encoded(corners(), "PNG"), "PNG", selection=parse("2", "page"))
    with pytest.raises(UsageError, match="is a PNG image: it has no lines"):
        look(encoded(corners(), "PNG"), "PNG", selection=parse("2", "line"))


def test_a_tiffs_thumbnails_are_no_pages():
    small, large = Image.new("RGB", (16, 16)), corners()
    stream = io.BytesIO()
    large.save(stream, "TIFF", save_all=True, append_images=[small], tiffinfo={254: 0})
    data = stream.getvalue()
    assert len(look(data, "TIFF").parts) == 2
    with Image.open(io.BytesIO(data)) as picture:
        picture.seek(1)
        at = picture._frame_pos[1]
    entries = int.from_bytes(data[at : at + 2], "little")
    marked = bytearray(data)
    for entry in range(at + 2, at + 2 + 12 * entries, 12):
        if data[entry : entry + 2] == (254).to_bytes(2, "little"):
            marked[entry + 8] = 1
    (part,) = look(bytes(marked), "TIFF").parts
    assert (part.width, part.anchor.page) == (60, None)


def test_pages_behind_damage_are_missed_and_said(monkeypatch):
    data = bytearray(pages(5, compression="tiff_lzw"))
    with Image.open(io.BytesIO(data)) as picture:
        picture.seek(4)
        third, fourth = picture._frame_pos[2:4]
    strips = data[: third + 200].rindex(b"\x11\x01")  # where the third page's strips lie
    data[strips + 8 : strips + 12] = b"\xff\xff\xff\x7f"
    document = look(bytes(data), "TIFF")
    assert [part.anchor.page for part in document.parts] == [1, 2, 4, 5]
    assert document.warnings == ("damaged or too large, and not read: page 3",)
    entries = int.from_bytes(data[fourth : fourth + 2], "little")
    after = fourth + 2 + 12 * entries  # where the next page is told
    data[after : after + 4] = b"\xff\xff\xff\x7f"
    document = look(bytes(data), "TIFF")
    assert [part.anchor.page for part in document.parts] == [1, 2, 4]
    assert "is damaged: pages behind page 5 cannot be found" in document.warnings
    monkeypatch.setattr(image, "MAX_PAGES", 3)
    document = look(pages(5), "TIFF")
    assert len(document.parts) == 3
    assert document.warnings == ("has more than 3 pages: the others are not read",)


def moving(count, form="GIF", duration=100, still=0, size=(64, 48)):
    """A white square that walks over black; then it stands `still` for so many frames."""
    frames = []
    for place in range(count):
        frame = Image.new("RGB", size)
        left = 3 * min(place, count - still - 1)
        ImageDraw.Draw(frame).rectangle((left, 10, left + 9, 20), "white")
        frames.append(frame)
    if still:  # an encoder would merge equal frames
        for place, frame in enumerate(frames[-still:]):
            frame.putpixel((0, 47), (1 + place % 3, 0, 0))
    options = {"lossless": True} if form == "WEBP" else {}
    return encoded(
        frames[0], form, save_all=True, append_images=frames[1:], duration=duration, loop=0, **options
    )


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "AVIF"])
def test_frames_of_an_animation_in_their_time(form):
    document = look(moving(6, form), form)
    assert [part.anchor.seconds[0] for part in document.parts] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert document.parts[-1].anchor.seconds[1] == pytest.approx(0.6)
    assert {part.role for part in document.parts} == {"frame"}
    assert document.warnings == ()
    assert document.meta["frames"] == 6
    assert document.meta["duration"] == pytest.approx(0.6)
    for order in ([0, 1, 2, 3, 4, 5], [3, 1, 5, 0]):
        for place in order:
            shown = document.parts[place].pixels()
            assert shown.size == (64, 48)
            assert close(shown, (3 * place + 5, 15), (255, 255, 255), 60)
            assert close(shown, (3 * place + 22, 15), (0, 0, 0), 60)


def test_frames_that_repeat_are_dropped_and_counted():
    document = look(moving(9, still=5), "GIF")
    assert len(document.parts) == 4
    assert document.parts[-1].anchor.seconds == pytest.approx((0.3, 0.9))
    assert document.warnings == ("5 of 9 frames repeat the one before; they are left out",)


def test_frames_are_thinned_to_the_number_wanted():
    document = look(moving(16), "GIF", wants=Wants(max_frames=4))
    assert [part.anchor.seconds[0] for part in document.parts] == pytest.approx([0, 0.5, 1.0, 1.5])
    assert document.warnings == (
        "of 16 differing frames 4 are read, evenly spread; --max-frames sets how many",
    )
    assert len(look(moving(16), "GIF", wants=Wants(max_frames=1)).parts) == 1


def test_frames_of_the_time_and_rate_wanted():
    document = look(moving(16), "GIF", wants=Wants(start=0.5, end=1.0))
    assert [part.anchor.seconds[0] for part in document.parts] == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9])
    document = look(moving(16), "GIF", clip=(1.3, None), wants=Wants(start=0.5))
    assert [part.anchor.seconds[0] for part in document.parts] == pytest.approx([1.3, 1.4, 1.5])
    document = look(moving(16), "GIF", wants=Wants(fps=2))
    assert [part.anchor.seconds[0] for part in document.parts] == pytest.approx([0, 0.5, 1.0, 1.5])
    with pytest.raises(InputError, match=r"lasts 1.6 s: no frame lies within"):
        look(moving(16), "GIF", wants=Wants(start=9))


def test_an_animation_without_end_is_stopped(monkeypatch):
    monkeypatch.setattr(animation, "MAX_WATCHED", 10 * (1 << 16))
    document = look(moving(16), "GIF")
    assert len(document.parts) == 10
    assert document.warnings == ("is very long: frames from 1.0 s on (number 11) are missing",)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_an_animation_cut_short_says_from_when_on(form):
    data = moving(16, form)
    try:
        document = look(data[: len(data) * 2 // 3], form)
    except InputError:
        assert form == "WEBP"  # its decoder wants the whole of it
        return
    assert 3 < len(document.parts) < 16
    assert "is cut short" in document.warnings[-1] or "is damaged" in document.warnings[-1]
    assert document.parts[-1].pixels().size == (64, 48)


def test_a_turned_animation_is_set_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [corners(), corners().transpose(Image.Transpose.ROTATE_180)]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], exif=exif, lossless=True)
    document = look(data, "WEBP")
    for part, colour in zip(document.parts, ((0, 0, 255), (0, 255, 0)), strict=True):
        assert (part.width, part.height) == part.pixels().size == (40, 60)
        assert close(part.pixels(), (8, 8), colour)


def test_the_camera_is_told_but_neither_place_nor_time():
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x010E] = "Canon", "Canon EOS 5D", "A cat\non a mat"
    exif[0x0132] = "2024:01:02 03:04:05"
    exif.get_ifd(0x8769).update({0x829A: 1 / 125, 0x829D: 2.8, 0x8827: 200, 0x920A: 35.0})
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 0.0)})
    document = look(encoded(corners(), "JPEG", exif=exif), "JPEG")
    assert document.parts[0].alt == "A cat on a mat"
    assert document.meta == {
        "width": 60,
        "height": 40,
        "format": "JPEG",
        "camera": "Canon EOS 5D",
        "exposure": "1/125 s, f/2.8, ISO 200, 35 mm",
    }


def test_what_is_no_picture_is_refused():
    with pytest.raises(EmptyError, match="is empty"):
        look(b"", "PNG")
    with pytest.raises(KindError, match="is a JPEG XL image: convert it"):
        look(b"\xff\x0a123", "image/jxl")
    with pytest.raises(InputError, match="is damaged: it begins as a PNG image, but it cannot be opened"):
        look(b"\x89PNG\r\n\x1a\nno more", "PNG")


def noise(size=(120, 100), seed=1):
    return Image.frombytes("RGB", size, random.Random(seed).randbytes(size[0] * size[1] * 3))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "GIF"])
def test_of_a_picture_cut_short_the_rest_is_read(form):
    data = encoded(noise(), form)
    document = look(data[: len(data) * 3 // 5], form)
    (part,) = document.parts
    assert part.pixels().size == (120, 100)
    assert len(document.warnings) == 1
    assert "is cut short" in document.warnings[0]


def test_a_progressive_jpeg_cut_short_is_shown_coarse():
    image = Image.effect_mandelbrot((400, 300), (-3, -2.5, 2, 2.5), 50).convert("RGB")
    data = encoded(image, "JPEG", progressive=True)
    document = look(data[: len(data) * 3 // 5], "JPEG")
    assert "is shown coarse" in document.warnings[0]
    shown = np.asarray(document.parts[0].pixels(), np.float32)
    assert np.abs(shown - np.asarray(image, np.float32)).mean() < 10


@pytest.mark.parametrize("form", TYPES)
def test_of_a_picture_cut_at_its_beginning_nothing_is(form):
    data = encoded(noise(), form)
    with pytest.raises(InputError, match=r"pictures/a\.bin .*damaged"):
        look(data[:60], form)


def test_a_photograph(material, tmp_path):
    with Image.open(material("astronaut.png")) as original:
        photo = original.convert("RGB")
    document = read(Source("astronaut.png", material("astronaut.png"), "image/png"), lambda done, total: None)
    (part,) = document.parts
    assert (part.width, part.height) == photo.size == (512, 512)
    assert np.array_equal(np.asarray(part.pixels()), np.asarray(photo))
    exif = Image.Exif()
    exif[0x0112] = 8
    turned = photo.transpose(Image.Transpose.ROTATE_270)
    path = tmp_path / "a.jpg"
    turned.crop((0, 0, 512, 400)).save(path, quality=95, exif=exif)
    (part,) = read(Source("a.jpg", path, "image/jpeg"), lambda done, total: None).parts
    assert (part.width, part.height) == (400, 512)
    expected = np.asarray(turned.crop((0, 0, 512, 400)).transpose(Image.Transpose.ROTATE_90), np.float32)
    assert np.abs(np.asarray(part.pixels(), np.float32) - expected).mean() < 3
