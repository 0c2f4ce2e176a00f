import base64
import io

import PIL.Image
import pytest
from damaged import outcomes

from gemcli.errors import UsageError
from gemcli.ingest.html import decode_html, read
from gemcli.ingest.ranges import parse
from gemcli.ingest.source import EmptyError, KindError, Source
from gemcli.parts import Image, Text


def png():
    stream = io.BytesIO()
    PIL.Image.new("RGB", (30, 40), "red").save(stream, "PNG")
    return stream.getvalue()


PAGE = (
    b"<!doctype html><html><head><meta charset=utf-8><title> My\npage </title></head><body><h1>One</h1><p>a"
    b"<img alt='a red one' src='data:image/png;base64," + base64.b64encode(png()) + b"'>"
    b"<table><tr><th>k<th>v<tr><td>x<td>1</table><div hidden>no</div><h2>Two</h2><ul><li>b</ul></body></html>"
)


def quiet(done, total):
    raise AssertionError("a page has no progress")


def page(data, **options):
    return read(Source("a.html", None, "text/html", data, **options), quiet)


def test_a_page():
    document = page(PAGE)
    assert document.meta["title"] == "My page"
    assert document.meta["left_out"] == ["1 hidden element"]
    assert document.warnings == ()
    kinds = [type(part) for part in document.parts]
    assert kinds == [Text, Image, Text]
    first, picture, rest = document.parts
    assert isinstance(picture, Image)
    assert (picture.width, picture.height, picture.alt) == (30, 40, "a red one")
    assert picture.pixels().getpixel((1, 1)) == (255, 0, 0)
    assert (first.anchor.lines, rest.anchor.lines) == ((1, 4), (5, 11))
    assert document.meta["lines"] == 11


def test_lines_can_be_chosen():
    document = page(PAGE, selection=parse("1,9-11", "line"))
    texts = [part for part in document.parts if isinstance(part, Text)]
    assert [(part.text, part.anchor.lines, part.heading) for part in texts] == [
        ("# One\n", (1, 1), "One"),
        ("## Two\n\n- b\n", (9, 11), "One › Two"),
    ]
    with pytest.raises(UsageError, match="has 11 lines"):
        page(PAGE, selection=parse("12", "line"))
    with pytest.raises(UsageError, match="lines, not pages"):
        page(PAGE, selection=parse("1", "page"))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("<meta charset=iso-8859-1>“ä”".encode("cp1252"), "“ä”"),
        ("<meta http-equiv=x content='text/html; charset=gb2312'>鎔".encode("gb18030"), "鎔"),
        ("<?xml version='1.0' encoding='shift_jis'?><p>①</p>".encode("cp932"), "①"),
        ("\ufeff<p>ä".encode("utf-16-le"), "ä"),
        (b"\xef\xbb\xbf<meta charset=latin1><p>\xc3\xa4", "ä"),
        ("<p>Größe".encode(), "Größe"),
        ("<meta charset=utf-8><p>Größe und mehr Text".encode("cp1252"), "Größe und mehr Text"),
        ("<meta charset=bogus><p>ä".encode(), "ä"),
    ],
)
def test_encodings(data, text):
    assert decode_html(data).text.rpartition(">")[2] == text or text in decode_html(data).text


def test_the_header_is_stronger_than_the_page():
    assert "ж" in decode_html("<meta charset=iso-8859-1>ж".encode("cp1251"), "windows-1251").text


def test_pictures_that_cannot_be_decoded_are_said():
    document = page(b"a<img alt=chart src='data:image/png;base64,AAAA'>")
    assert document.parts[0].text == "a[image: chart]\n"
    assert document.warnings == ("pictures that cannot be decoded, not read: chart",)


def test_nothing_to_read():
    with pytest.raises(EmptyError):
        page(b" ")
    with pytest.raises(EmptyError, match="before its scripts run"):
        page(b"<title>App</title><div id=root></div><script>x</script>")
    with pytest.raises(KindError):
        page(bytes(range(256)) * 20)


def test_damage():
    counts = outcomes(
        read, PAGE, "text/html", words=(b"<", b"<!--", b"</table>", b"<table>", b"\0", b"<script>")
    )
    assert counts["read"] > 100
