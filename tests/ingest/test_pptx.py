import office
import pytest
from material import material

from gemcli.errors import InputError, UsageError
from gemcli.ingest.pptx import read
from gemcli.ingest.ranges import parse
from gemcli.parts import Image, Text

PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"


def document(source, data, report=lambda done, total: None, **options):
    return read(source(data, PPTX, **options), report)


def test_slides_are_pages_in_the_order_of_reading(source):
    told = []
    found = document(source, office.deck(), lambda done, total: told.append((done, total)))
    first, second, picture = found.parts
    assert isinstance(first, Text)
    assert isinstance(second, Text)
    assert isinstance(picture, Image)
    assert first.text == "# First\n\npoint\n  - detail\n\nNotes: say this"
    assert (first.anchor.page, first.heading) == (1, "First")
    assert second.text == (
        "# Second\n\n| a | b |\n| --- | --- |\n| c | d |\n\nleft\n\nright\n\n"
        "Chart (bar)\n\n|  | North |\n| --- | --- |\n| Q1 | 1.1 |\n| Q2 | 0.3 |"
    )
    assert picture.anchor.page == 2
    assert found.meta["pages"] == 2
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_wanted_slides(source):
    found = document(source, office.deck(), selection=parse("2", "page"))
    assert {part.anchor.page for part in found.parts} == {2}
    with pytest.raises(UsageError, match="has 2 pages"):
        document(source, office.deck(), selection=parse("2-3", "page"))
    with pytest.raises(UsageError, match="slides, not lines"):
        document(source, office.deck(), selection=parse("2", "line"))
    clipped = document(source, office.deck(), selection=parse("2-9", "page", exact=False))
    assert clipped.warnings == ("has 2 slides: of range 2-9, 2 was read",)


def test_hidden_slides_are_told(source):
    data = office.changed(
        office.deck(), "ppt/slides/slide2.xml", lambda xml: xml.replace(b"<p:sld ", b'<p:sld show="0" ', 1)
    )
    found = document(source, data)
    assert found.warnings == ("hidden in the show, but read: slide 2",)
    assert "(hidden slide)" in found.parts[1].text


def test_a_damaged_slide_does_not_take_the_others_down(source):
    data = office.changed(office.deck(), "ppt/slides/slide1.xml", lambda xml: xml[:-99])
    found = document(source, data)
    assert found.warnings == ("damaged and not read: slide 1",)
    assert [part.anchor.page for part in found.parts] == [2, 2]
    both = office.changed(data, "ppt/slides/slide2.xml", lambda xml: xml[:-99])
    with pytest.raises(InputError, match="no slide of it can be read"):
        document(source, both)


def test_real_charts_with_dates(source):
    text = document(source, material("chart-types.pptx")).parts[0].text
    assert "| 2002-01-05 | 32 | 12 |" in text
    assert text.count("Chart (area)") == 6


def test_real_notes_and_media(source):
    assert document(source, material("notes.pptx")).parts[0].text == "Notes: Notes"
    movie = document(source, material("movie.pptx"))
    assert movie.warnings == ("not read: the video media1.mp4 on slide 1",)
    assert isinstance(movie.parts[1], Image)


def test_damage_never_gets_through(source):
    office.outcomes(read, source, office.deck(), PPTX, 150)
