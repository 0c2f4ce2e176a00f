import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gemcli.errors import InputError, UsageError
from gemcli.ingest import svg
from gemcli.ingest.ranges import parse
from gemcli.ingest.source import EmptyError, Source
from gemcli.ingest.svg import read
from gemcli.ingest.svg_clean import clean
from gemcli.parts import Image, Text

HEAD = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
RED = '<rect width="50" height="50" fill="red"/>'


def drawing(inside, size='width="100" height="50"', before=""):
    return f"{before}<svg {HEAD} {size}>{inside}</svg>".encode()


def look(data, **options):
    return read(Source("a.svg", None, "image/svg+xml", data, **options), lambda done, total: None)


def test_a_drawing_is_a_picture_and_the_words_in_it():
    words = (
        '<title>Sales</title><text x="3" y="40">North <tspan dy="9">and</tspan> South</text><text>East</text>'
    )
    document = look(drawing(words + RED))
    image, text = document.parts
    assert isinstance(image, Image)
    assert isinstance(text, Text)
    shown = image.pixels()
    assert (image.width, image.height) == shown.size == (1024, 512)
    assert shown.mode == "RGB"
    assert shown.getpixel((100, 100)) == (255, 0, 0)
    assert shown.getpixel((1000, 100)) == (255, 255, 255)
    assert text.text == "North and South\nEast"
    assert image.alt == "Sales"
    assert image.key == document.sha256
    assert document.warnings == ()
    assert document.meta == {"format": "SVG", "width": 100, "height": 50, "title": "Sales"}


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ('viewBox="0 0 30 60"', (512, 1024)),
        ('width="50%" viewBox="0 0 30 60"', (512, 1024)),
        ('width="2in" viewBox="0 0 30 60"', (512, 1024)),
        ('width="2000" height="1000"', (2000, 1000)),
        ('width="1e9" height="1e9"', (4096, 4096)),
        ("", (1024, 1024)),
    ],
)
def test_a_drawing_of_any_size_gets_a_sensible_one(size, expected):
    (image,) = look(drawing(RED, size)).parts
    assert (image.width, image.height) == image.pixels().size == expected


def test_what_lies_outside_is_never_read(tmp_path, monkeypatch):
    pixel = tmp_path / "secret.png"
    from PIL import Image as pillow

    pillow.new("RGB", (10, 10), "blue").save(pixel)
    monkeypatch.chdir(tmp_path)
    for href in (str(pixel), pixel.as_uri(), "secret.png", "http://127.0.0.1:9/x.png", "//host/x.png"):
        size = 'width="50" height="50"'
        inside = f'<image xlink:href="{href}" {size}/><image href="{href}" {size}/>'
        document = look(drawing(inside))
        assert document.parts[0].pixels().getpixel((50, 50)) == (255, 255, 255)
        assert document.warnings == (f"refers to what is outside of it, which is never fetched: {href[:60]}",)
        assert href not in clean(drawing(inside), "a.svg").xml


def test_styles_and_entities_reach_nothing_outside():
    inside = '<style>@import url("http://h/a.css"); rect {fill: url(http://h/b.svg#c)}</style><rect style="mask:url(file:///d)"/>'
    cleaned = clean(drawing(inside), "a.svg")
    assert "http://h" not in cleaned.xml
    assert "file:" not in cleaned.xml
    assert len(cleaned.blocked) == 3
    before = '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    cleaned = clean(drawing("<text>a&x;b</text>", before=before), "a.svg")
    assert cleaned.lines == ["ab"]
    assert cleaned.blocked == ["entity x"]


def test_what_lies_inside_is_kept():
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPj/HwADBwIAMCbHYQAAAABJRU5ErkJggg=="
    inside = (
        '<defs><linearGradient id="g"><stop stop-color="lime"/></linearGradient>'
        '<rect id="r" width="50" height="50"/></defs><use xlink:href="#r" fill="url(#g)"/>'
        f'<image x="50" width="50" height="50" href="data:image/png;base64,{png}"/>'
    )
    document = look(drawing(inside))
    assert document.warnings == ()
    shown = document.parts[0].pixels()
    assert shown.getpixel((100, 100)) == (0, 255, 0)
    assert shown.getpixel((900, 100)) != (255, 255, 255)
    before = '<!DOCTYPE svg [<!ENTITY ns "http://www.w3.org/2000/svg">]>'
    document = look(
        f'{before}<svg xmlns="&ns;" width="9" height="9"><rect width="9" height="9"/></svg>'.encode()
    )
    assert document.parts[0].pixels().getpixel((9, 9)) == (0, 0, 0)
    assert document.warnings == ()


def test_html_inside_is_read_where_it_cannot_be_drawn():
    html = '<foreignObject width="9" height="9"><div xmlns="http://www.w3.org/1999/xhtml"><p>One</p><p>Two</p></div></foreignObject>'
    document = look(drawing(f"<switch>{html}<text>Two</text></switch>"))
    assert document.parts[1].text == "One\nTwo"
    assert document.warnings == ("holds HTML, which is not drawn; the words in it are read",)


def laughs():
    inner = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    return drawing("<text>&l9;</text>", before=f'<!DOCTYPE svg [<!ENTITY l0 "lol">{inner}]>')


def entities():
    return drawing("<text>&b;</text>" * 500, before=f'<!DOCTYPE svg [<!ENTITY b "{"b" * 400_000}">]>')


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (laughs(), "defines entities by entities"),
        (entities(), "by its entities"),
        (drawing("<g>" * 300 + "</g>" * 300), "more than 250 elements inside one another"),
        (drawing("", 'width="0" height="9"'), "cannot be drawn"),
        (b"<html><body/></html>", "begins with <html>"),
        (b"no markup", "named as an SVG but is none"),
    ],
)
def test_bombs_and_what_is_no_drawing_are_refused(data, message):
    with pytest.raises(InputError, match=message):
        look(data)


def test_a_drawing_without_end_is_stopped(monkeypatch):
    monkeypatch.setattr(svg, "MAX_SECONDS", 2)
    noise = '<feTurbulence numOctaves="1000000"/>'
    with pytest.raises(InputError, match="to be drawn"):
        look(drawing(f'<filter id="f">{noise}</filter><rect width="99" height="49" filter="url(#f)"/>'))


def test_a_drawing_of_endless_memory_is_stopped():
    pattern = '<pattern id="p" width="9e5" height="9e5" patternUnits="userSpaceOnUse">' + RED + "</pattern>"
    huge = '<rect width="99" height="49" fill="url(#p)" transform="scale(1000)"/>'
    try:
        parts, why = look(drawing(pattern + huge)).parts, ""
    except InputError as error:
        parts, why = (), error.message
    assert parts or "memory or time" in why  # the renderer may make nothing of it


def test_the_message_names_the_file_and_what_to_do():
    with pytest.raises(EmptyError, match=r"a\.svg is empty"):
        look(b" \n")
    with pytest.raises(UsageError, match="neither pages nor lines"):
        look(drawing(RED), selection=parse("1", "page"))
    assert look(drawing(RED), selection=parse("1", "page", exact=False)).parts


def test_without_the_library_the_words_are_read(monkeypatch):
    monkeypatch.setattr(svg, "find_spec", lambda name: None)
    document = look(drawing("<text>Words</text>"))
    assert [part.text for part in document.parts] == ["Words"]
    assert 'pip install "gemcli[images]"' in document.warnings[0]
    with pytest.raises(InputError, match="no library for it is installed") as error:
        look(drawing(RED))
    assert error.value.hint == 'pip install "gemcli[images]"'


def test_of_a_drawing_cut_short_the_beginning_is_drawn():
    data = drawing(RED + "<g>" + "<text>Tail</text>" * 9)
    document = look(data[:-60])
    assert document.parts[0].pixels().getpixel((100, 100)) == (255, 0, 0)
    assert "is cut short or damaged" in document.warnings[0]


def test_damage_never_gets_through(monkeypatch):
    whole = drawing(
        '<style>.a{fill:lime}</style><title>T</title><text x="1" y="9">Some words</text>'
        '<path class="a" d="M0 0 L9 9 C1 2 3 4 5 6 Z"/><g transform="rotate(9)"><circle r="5" cx="9"/></g>'
        * 3
    )
    outcomes = {"read": 0, "refused": 0}
    drawn = []
    real = svg._drawn

    def seldom(made, size, name):  # the renderer has a process of its own, which takes its time
        if len(drawn) % 12 == 0:
            drawn.append(real(made, size, name))
        else:
            drawn.append(drawn[0])
        return drawn[-1]

    monkeypatch.setattr(svg, "_drawn", seldom)
    for seed in range(200):
        generator = random.Random(seed)
        data = bytearray(whole)
        for _ in range(generator.choice([1, 2, 8])):
            data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        del data[generator.choice([len(data), generator.randrange(1, len(data))]) :]
        try:
            document = look(bytes(data))
            assert document.parts
            outcomes["read"] += 1
        except InputError:
            outcomes["refused"] += 1
    assert sum(outcomes.values()) == 200
    assert outcomes["read"] > 50
    assert outcomes["refused"] > 5
    assert len(drawn) > 50
    assert "resvg_py" not in sys.modules


_WAITS = """
import sys
from pathlib import Path
from gemcli.ingest import svg
from gemcli.ingest.source import Source
svg.read(Source(sys.argv[1], Path(sys.argv[1]), "image/svg+xml"), lambda done, total: None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the orphans")
def test_nothing_goes_on_drawing_when_nobody_waits(tmp_path):
    noise = '<feTurbulence numOctaves="1000000"/>'
    endless = f'<filter id="f">{noise}</filter><rect width="99" height="49" filter="url(#f)"/>'
    (tmp_path / "a.svg").write_bytes(drawing(endless))
    waits = subprocess.Popen([sys.executable, "-c", _WAITS, str(tmp_path / "a.svg")])
    child = _soon(lambda: _child(waits.pid))
    _soon(lambda: b"resvg" in Path(f"/proc/{child}/maps").read_bytes())
    waits.kill()
    waits.wait()
    _soon(lambda: _status(child)[0] == "Z")


def _status(process):
    """State and parent of a process; a zombie, none, where it is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return ["Z", ""]


def _child(process):
    all_of_them = (each.name for each in Path("/proc").iterdir() if each.name.isdecimal())
    return next((each for each in all_of_them if _status(each)[1] == str(process)), None)


def _soon(found):
    until = time.monotonic() + 15
    while not (value := found()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return value
