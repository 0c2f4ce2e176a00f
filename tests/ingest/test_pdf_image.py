import pytest

from gemcli.errors import InputError
from gemcli.ingest import pdf_image
from gemcli.ingest.pdf_image import page_image, pixel_size


@pytest.mark.parametrize(
    ("points", "pixels"),
    [
        ((595, 842), (1413, 2000)),
        ((842, 595), (2000, 1413)),
        ((100, 50), (400, 200)),
        ((14_400, 1), (2000, 1)),
        ((1e30, 1e30), (2000, 2000)),
        ((float("inf"), 5), (1, 1)),
        ((float("nan"), 5), (1, 1)),
        ((0, 0), (1, 1)),
    ],
)
def test_sizes(points, pixels):
    assert pixel_size(*points) == pixels


def dark(image):
    """The box of what is not white, in points of a page of 600 x 800."""
    box = image.convert("L").point(lambda level: 255 * (level < 128)).getbbox()
    return tuple(round(side * 0.4) for side in box)


def test_a_page_looks_as_it_does(source, pdf):
    path = pdf("a.pdf", b"100 200 50 300 re f", b"1 0 0 rg 0 0 600 800 re f")
    located = source(path, "application/pdf")
    first = page_image(located, 1, (600, 800), "f00")
    assert dark(first.pixels()) == (100, 300, 150, 600)
    second = page_image(located, 2, (600, 800), "f00")
    assert second.pixels().getpixel((5, 5)) == (255, 0, 0)
    assert {first.anchor.page, second.anchor.page} == {1, 2}
    assert first.key != second.key


def test_from_memory_and_again_after_the_process_ended(source, pdf):
    located = source(pdf("a.pdf", b"100 200 50 300 re f").read_bytes())
    image = page_image(located, 1, (600, 800), "f00")
    image.pixels()
    assert pdf_image._PEN._process is not None
    pdf_image._PEN._process._process.kill()
    assert dark(image.pixels()) == (100, 300, 150, 600)


def test_what_was_filled_in_is_drawn(source, pdf):
    extra = [
        b"<</Fields[11 0 R]>>",
        b"<</Type/Annot/Subtype/Widget/Rect[50 500 200 520]/FT/Btn/T(m)/V/Yes/AS/Yes/P 15 0 R"
        b"/AP<</N<</Yes 12 0 R>>>>>>",
        pdf.stream(b"0 0 150 20 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 150 20]"),
    ]
    path = pdf("f.pdf", b"", extra=extra, catalog_extra=b"/AcroForm 10 0 R", page_extra=b"/Annots[11 0 R]")
    image = page_image(source(path), 1, (600, 800), "f00")
    assert dark(image.pixels()) == (50, 280, 200, 300)


def test_a_page_that_takes_too_long(source, pdf, monkeypatch):
    located = source(pdf("a.pdf", b"0 0 m 600 800 l S\n" * 500_000))
    image = page_image(located, 1, (600, 800), "f00")
    page_image(located, 1, (6, 8), "f00")
    monkeypatch.setattr(pdf_image, "DRAW_S", 0.2)
    with pytest.raises(InputError, match=r"page 1 (takes over|cannot be drawn)"):
        image.pixels()
    assert pdf_image._PEN._process is None


def test_a_file_that_is_gone(source, pdf):
    path = pdf("a.pdf", ["x"])
    image = page_image(source(path), 1, (600, 800), "f00")
    path.write_bytes(b"something else")
    with pytest.raises(InputError, match="page 1 cannot be drawn: the file was changed"):
        image.pixels()
