import random

import office
import pytest
from material import material

from gemcli.errors import InputError, UsageError
from gemcli.ingest.docx import read
from gemcli.ingest.ranges import parse
from gemcli.ingest.source import EmptyError
from gemcli.parts import Image, Text

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def document(source, data, **options):
    return read(source(data, DOCX, **options), lambda done, total: None)


def of_body(source, body, **members):
    """The document whose body holds some XML, and its text."""
    main = f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>'
    found = document(source, office.packed({"word/document.xml": main, **members}))
    return found, "".join(part.text for part in found.parts if isinstance(part, Text))


def test_a_document_in_its_order(source):
    found = document(source, office.word())
    first, picture, second = found.parts
    assert isinstance(first, Text)
    assert isinstance(picture, Image)
    assert isinstance(second, Text)
    assert first.text == "(Header: ACME)\n\n# Report\n\n# Intro\n\nBefore the picture\n\n"
    assert first.anchor.lines == (1, 8)
    assert picture.anchor.lines == (7, 7)
    assert (picture.width, picture.height) == (60, 40)
    assert picture.pixels().getpixel((3, 3)) == (255, 0, 0)
    assert second.heading == "Intro"
    assert second.text == (
        "After the picture\n\n1. one\n2. two\n\n## Sub\n\n| a\\|b | head |\n| --- | --- |\n| x<br>y | z |\n\n"
        "Commented words\n\n(Comment by Ann: please check)\n\n"
    )
    assert second.anchor.lines == (9, 23)
    assert found.meta["lines"] == 23
    assert found.warnings == ()


def test_real_pictures(source):
    found = document(source, material("having-images.docx"))
    assert [(part.width, part.height) for part in found.parts] == [(211, 71), (150, 214), (140, 56)]
    assert found.warnings == ("pictures that come again are shown once: 2 left out",)


def test_tracked_and_hidden_text(source):
    found, text = of_body(
        source,
        "<w:p><w:r><w:t>kept</w:t></w:r><w:ins><w:r><w:t> added</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText> gone</w:delText></w:r></w:del>"
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r></w:p>",
    )
    assert text == "kept added\n\n"
    assert found.warnings == (
        "has tracked changes: it is read as if all of them were accepted",
        "hidden text is left out: 6 characters",
    )


def test_text_boxes_are_read_once(source):
    box = "<w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent>"
    _, text = of_body(
        source,
        '<w:p xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><w:r><w:t>around</w:t>'
        f"<mc:AlternateContent><mc:Choice><w:drawing>{box}</w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict>{box}</w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>",
    )
    assert text == "around\n\nboxed\n\n"


def test_formulas_are_lines(source):
    m = "http://schemas.openxmlformats.org/officeDocument/2006/math"
    _, text = of_body(
        source,
        f'<w:p xmlns:m="{m}"><m:oMath><m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t>'
        "</m:r></m:den></m:f><m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup>"
        "</m:sSup></m:oMath></w:p>",
    )
    assert text == "(a+b)/2x^2\n\n"


def test_what_is_long_is_cut_with_its_lines(source):
    body = "".join(f"<w:p><w:r><w:t>{'word ' * 40}{at}</w:t></w:r></w:p>" for at in range(200))
    found, text = of_body(source, body)
    assert len(found.parts) > 5
    line = 1
    for part in found.parts:
        assert part.anchor.lines[0] == line
        line = part.anchor.lines[1] + 1
    assert line - 1 == text.count("\n") == 400


def test_ranges_are_refused_unless_they_were_for_all(source):
    with pytest.raises(UsageError, match="has no pages"):
        document(source, office.word(), selection=parse("1", "page"))
    assert document(source, office.word(), selection=parse("1", "page", exact=False)).parts


def test_external_pictures_are_not_fetched(source):
    rels = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    found, _ = of_body(
        source,
        f'<w:p xmlns:r="{rels}" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><w:r><w:t>x</w:t>'
        '<w:drawing><a:blip r:link="far"/></w:drawing></w:r></w:p>',
        **{
            "word/_rels/document.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/'
            f'2006/relationships"><Relationship Id="far" Type="{rels}/image" Target="http://127.0.0.1:9/a" '
            'TargetMode="External"/></Relationships>'
        },
    )
    assert found.warnings == ("pictures that are stored elsewhere, not fetched: 1",)


def test_what_comes_before_damage_is_read(source):
    paragraph = b"<w:p><w:r><w:t>fine</w:t></w:r></w:p>"
    data = office.packed(
        {"word/document.xml": b'<w:document xmlns:w="%s"><w:body>%s<w:p><w:r' % (W.encode(), paragraph * 3)}
    )
    found = document(source, data)
    assert found.parts[0].text == "fine\n\nfine\n\nfine\n\n"
    assert "is damaged behind line" in found.warnings[0]


def test_bad_documents(source):
    with pytest.raises(EmptyError):
        of_body(source, "<w:p/>")
    with pytest.raises(InputError, match="document type"):
        document(source, office.packed({"word/document.xml": b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'}))
    with pytest.raises(InputError, match="nests deeper"):
        of_body(source, "<w:sdt>" * 5000 + "</w:sdt>" * 5000)
    with pytest.raises(InputError, match="holds no word"):
        document(source, office.packed({"a": b""}))
    with pytest.raises(InputError, match="taken for an attack"):
        of_body(source, " " * (20 << 20))


def test_damage_never_gets_through(source):
    office.outcomes(read, source, office.word(), DOCX, 60)


def test_noise_in_a_zip(source):
    noise = random.Random(3).randbytes(500)
    with pytest.raises(InputError, match="is damaged"):
        document(source, office.packed({"word/document.xml": noise}))
