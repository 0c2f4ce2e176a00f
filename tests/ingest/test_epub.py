import contextlib
import io
import zipfile

import PIL.Image
import pytest
from damaged import outcomes

from gemcli.errors import InputError, UsageError
from gemcli.ingest.epub import read
from gemcli.ingest.epub_package import chapters, encrypted
from gemcli.ingest.ranges import parse
from gemcli.ingest.source import EmptyError, Source
from gemcli.parts import Image

CONTAINER = """<?xml version="1.0"?><container><rootfiles>
<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>"""
PACKAGE = """<?xml version="1.0"?><package xmlns:dc="x"><metadata><dc:title>The &amp; Book</dc:title>
<dc:creator>A. Writer</dc:creator><meta name="cover" content="i"/></metadata><manifest>
<item id="one" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="two" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="three" href="text/three.xhtml" media-type="application/xhtml+xml"/>
<item id="toc" href="toc.ncx" media-type="application/x-dtbncx+xml"/>{extra}</manifest>
<spine toc="toc"><itemref idref="one"/><itemref idref="two"/><itemref idref="three"/></spine></package>"""
NCX = """<?xml version="1.0"?><!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://example.org/ncx.dtd">
<ncx><navMap><navPoint><navLabel><text>Part I</text></navLabel><content src="text/one.xhtml"/>
<navPoint><navLabel><text>Chapter 1</text></navLabel><content src="text/two%20b.xhtml#start"/>
</navPoint></navPoint></navMap></ncx>"""
NAV = """<html><body><nav epub:type="landmarks"><ol><li><a href="text/one.xhtml">Cover</a></li></ol></nav>
<nav epub:type="toc"><ol><li><a href="text/one.xhtml">First</a><ol>
<li><a href="text/two%20b.xhtml">Inner</a></li></ol>
</li><li><a href="text/three.xhtml">Last</a></li></ol></nav></body></html>"""
ONE = """<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>
<h1>PART  I</h1><p>Once <a id="x"/>upon</p><img src="../img/p.png" alt="A map"/>
<p>a <a href="two%20b.xhtml">time</a></p>
</body></html>"""


def png():
    stream = io.BytesIO()
    PIL.Image.new("RGB", (30, 40), "blue").save(stream, "PNG")
    return stream.getvalue()


def members(**changes):
    made = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": PACKAGE.format(extra=""),
        "OEBPS/toc.ncx": NCX,
        "OEBPS/text/one.xhtml": ONE,
        "OEBPS/text/two b.xhtml": "<html><body><p>In the chapter</p><h2>A section</h2></body></html>",
        "OEBPS/text/three.xhtml": "<html><body><p>Still in it</p></body></html>",
        "OEBPS/img/p.png": png(),
    }
    made.update({name.replace("__", "/"): content for name, content in changes.items()})
    return {name: content for name, content in made.items() if content is not None}


def packed(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def book(files, **options):
    source = Source("a.epub", None, "application/epub+zip", packed(files), **options)
    return read(source, lambda done, total: None)


def texts(document):
    return [
        (part.anchor.page, part.heading, part.text) for part in document.parts if not isinstance(part, Image)
    ]


def test_a_book():
    document = book(members())
    assert document.meta == {"pages": 3, "title": "The & Book", "author": "A. Writer"}
    assert document.warnings == ()
    assert texts(document) == [
        (1, "PART I", "# PART I\n\nOnce upon\n\n"),
        (1, "PART I", "a time\n"),
        (2, "Part I › Chapter 1", "In the chapter\n\n## A section\n"),
        (3, "Part I › Chapter 1", "Still in it\n"),
    ]
    picture = document.parts[1]
    assert isinstance(picture, Image)
    assert (picture.anchor.page, picture.alt, picture.pixels().size) == (1, "A map", (30, 40))


def test_the_list_of_epub_3():
    assert chapters(NAV.encode(), "OEBPS/nav.xhtml") == {
        "OEBPS/text/one.xhtml": ("First",),
        "OEBPS/text/two b.xhtml": ("First", "Inner"),
        "OEBPS/text/three.xhtml": ("Last",),
    }
    extra = '<item id="nav" href="nav.xhtml" properties="nav"/>'
    files = members(**{"OEBPS/nav.xhtml": NAV, "OEBPS/book.opf": PACKAGE.format(extra=extra)})
    assert [heading for _, heading, _ in texts(book(files))][-2:] == ["First › Inner", "Last"]


def test_pages_can_be_chosen():
    document = book(members(), selection=parse("2-3", "page"))
    assert [page for page, _, _ in texts(document)] == [2, 3]
    with pytest.raises(UsageError, match="has 3 pages"):
        book(members(), selection=parse("4", "page"))
    with pytest.raises(UsageError, match="has no lines"):
        book(members(), selection=parse("1", "line"))
    clipped = book(members(), selection=parse("3-9", "page", exact=False))
    assert clipped.warnings == ("has 3 pages: of range 3-9, 3 was read",)


def test_what_is_missing_is_said():
    document = book(members(**{"OEBPS/text/two b.xhtml": None, "OEBPS/img/p.png": None}))
    assert document.warnings == (
        "damaged or missing, not read: page 2",
        "pictures that are not in the book, not read: 1",
    )
    assert "[image: A map]" in texts(document)[0][2]


def test_without_a_package_file_the_pages_are_read_as_they_stand():
    document = book(members(**{"META-INF/container.xml": None, "OEBPS/book.opf": None}))
    assert [text for _, _, text in texts(document)][-1] == "Still in it\n"
    assert "order of its pages" in document.warnings[0]
    assert texts(book(members(**{"META-INF/container.xml": "<junk"}))) == texts(book(members()))


def test_outside_of_the_book_nothing_is_read():
    page = '<html><body>a<img src="http://example.org/x.png"/><img src="../../../etc/passwd"/>b</body></html>'
    document = book(members(**{"OEBPS/text/three.xhtml": page}))
    assert document.warnings == ("pictures that are not in the book, not read: 2",)


def test_copy_protection():
    scheme = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
    sealed = (
        '<encryption><EncryptedData><EncryptionMethod Algorithm="{}"/><CipherData>'
        '<CipherReference URI="{}"/></CipherData></EncryptedData></encryption>'
    )
    with pytest.raises(InputError, match="copy protection"):
        book(members(**{"META-INF/encryption.xml": sealed.format(scheme, "OEBPS/text/one.xhtml")}))
    assert encrypted(sealed.format("http://www.idpf.org/2008/embedding", "f.otf").encode()) == set()


def test_nothing_to_read():
    with pytest.raises(InputError, match="names no page"):
        book({"mimetype": "application/epub+zip"})
    with pytest.raises(EmptyError):
        book(members(**{f"OEBPS/text/{name}.xhtml": "<p>" for name in ("one", "two b", "three")}))
    with pytest.raises(InputError, match="cut short"):
        read(Source("a.epub", None, "", packed(members())[:-40]), lambda done, total: None)


def test_damage():
    counts = outcomes(read, packed(members()), "application/epub+zip")
    assert counts["read"] > 20
    assert counts["refused"] > 20


def test_damage_inside():
    import random

    whole = members()
    read_all = 0
    for seed in range(100):
        generator = random.Random(seed)
        files = dict(whole)
        name = generator.choice(
            ["META-INF/container.xml", "OEBPS/book.opf", "OEBPS/toc.ncx", "OEBPS/text/one.xhtml"]
        )
        data = bytearray(files[name].encode())
        for _ in range(generator.choice([1, 5, 30])):
            at = generator.randrange(len(data))
            data[at : at + generator.randrange(3)] = generator.choice(
                [b"<", b"\xff", b"", b"/>", b"..", b'"']
            )
        files[name] = bytes(data)
        with contextlib.suppress(InputError):
            assert book(files).parts
            read_all += 1
    assert read_all > 70
