import office
import pytest

from gemcli.errors import InputError, UsageError
from gemcli.ingest.odf import read
from gemcli.ingest.ranges import parse
from gemcli.parts import Image, Text

ODT = office.ODF + "text"
ODP = office.ODF + "presentation"


def document(source, data, media_type=ODT, **options):
    return read(source(data, media_type, **options), lambda done, total: None)


def test_a_text_in_its_order(source):
    first, picture, second = document(source, office.odt()).parts
    assert isinstance(first, Text)
    assert isinstance(picture, Image)
    assert isinstance(second, Text)
    assert first.text == "# Chapter\n\nSome  words[^1]\n\n[^1]: below\n\n"
    assert (picture.alt, picture.anchor.lines) == ("red", (5, 5))
    assert second.text == "- item\n\n| a | b |\n| --- | --- |\n\n"
    assert second.heading == "Chapter"


def test_slides_are_pages(source):
    found = document(source, office.odp(), ODP)
    assert [part.anchor.page for part in found.parts] == [1, 2, 3]
    assert found.parts[1].text == "# Title 2\n\nbody 2\n\nNotes: aside"
    assert found.parts[1].heading == "Title 2"
    one = document(source, office.odp(), ODP, selection=parse("3", "page"))
    assert [part.anchor.page for part in one.parts] == [3]
    with pytest.raises(UsageError, match="has 3 pages"):
        document(source, office.odp(), ODP, selection=parse("4", "page"))


def test_pictures_elsewhere_are_not_fetched(source):
    for target in ("http://127.0.0.1:9/a.png", "../a.png", "/etc/a.png"):
        data = office.odf(
            "text", f'<text:p>x<draw:frame><draw:image xlink:href="{target}"/></draw:frame></text:p>'
        )
        assert document(source, data).warnings == ("pictures that are stored elsewhere, not fetched: 1",)


def test_bad_texts(source):
    with pytest.raises(UsageError, match="no pages"):
        document(source, office.odt(), selection=parse("1", "page"))
    with pytest.raises(InputError, match="is empty"):
        document(source, office.odf("text", ""))
    with pytest.raises(InputError, match="document type"):
        document(source, office.packed({"content.xml": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}))
    manifest = {"META-INF/manifest.xml": b"<manifest:encryption-data/>"}
    with pytest.raises(InputError, match="password"):
        document(source, office.packed({"content.xml": b"?", **manifest}))


def test_damage_never_gets_through(source):
    office.outcomes(read, source, office.odt(), ODT)
    office.outcomes(read, source, office.odp(), ODP)
