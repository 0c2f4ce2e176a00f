import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.ingest.pdf_page import clean, page_text


@pytest.fixture
def first_page(pdf):
    """The text of a page with that content."""

    def read(content, **options):
        with pypdfium2.PdfDocument(pdf("x.pdf", content, **options)) as document:
            page = document[0]
            text = page_text(page)
            page.close()
        return text

    return read


def test_a_wider_step_is_a_paragraph(pdf, first_page):
    assert first_page(pdf.lines("One line", "and its next.", 10, "Another", "paragraph.")) == (
        "One line\nand its next.\n\nAnother\nparagraph."
    )


def test_even_steps_are_no_paragraphs(pdf, first_page):
    assert first_page(pdf.lines("one", "two", "three", "four", step=30)) == "one\ntwo\nthree\nfour"


def test_a_table(first_page):
    rows = b"".join(
        b"BT /F 12 Tf 50 %d Td (%s) Tj 100 0 Td (%s) Tj 90 0 Td (two words) Tj ET\n"
        % (700 - 15 * row, name, value)
        for row, (name, value) in enumerate([(b"Iowa", b"1.35 - 1.42"), (b"South Dakota", b"9")])
    )
    assert first_page(rows) == "Iowa | 1.35 - 1.42 | two words\nSouth Dakota | 9 | two words"


@pytest.mark.parametrize("matrix", [b"0 1 -1 0 600 50", b"0 -1 1 0 50 750"])
def test_turned_text_is_laid_out_alike(first_page, matrix):
    content = (
        b"q %s cm BT /F 12 Tf 0 300 Td (Iowa) Tj 100 0 Td (1.35) Tj -100 -14 Td (Ohio) Tj 100 0 Td (2.1) Tj "
        b"-100 -30 Td (New part) Tj ET Q" % matrix
    )
    assert first_page(content) == "Iowa  1.35\nOhio  2.1\n\nNew part"


def test_hyphens_at_line_ends(pdf, first_page):
    text = first_page(pdf.lines("a thought-", "ful word and the F-", "16 of non-", "Latin"))
    assert text.split() == ["a", "thoughtful", "word", "and", "the", "F-16", "of", "non-Latin"]


def test_ligatures_and_characters_beyond_the_first_plane(pdf, first_page):
    cmap = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <00> <FF> "
        b"endcodespacerange 5 beginbfchar <41> <D835DC65> <42> <FB01> <43> <00A0> <44> <0007> <45> <FFFE> "
        b"endbfchar endcmap end end"
    )
    text = first_page(pdf.lines("xAy and Bn CoDk", "  A  next", "line"), to_unicode=cmap)
    assert text.split() == ["x𝑥y", "and", "fin", "ok", "𝑥", "next", "line"]


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("natu\x02ral", "natural"),
        ("natu\ufffe\nral", "natural"),
        ("F\x0216", "F-16"),
        ("non\x02Latin", "non-Latin"),
        ("at the end\x02", "at the end"),
        ("co\u00adoperate", "cooperate"),
        ("ﬁne ﬂow oﬃce", "fine flow office"),
        ("a\x00b\x1fc\x85d", "abcd"),
        ("a \r\n\r\n\r\n\r\nb\r\n", "a\n\nb"),
        ("a\u00a0b\u202fc", "a b c"),
        ("\ud835\udc65\ud835", "𝑥�"),
    ],
)
def test_cleaning(raw, cleaned):
    assert clean(raw) == cleaned


@settings(deadline=None)
@given(st.text())
def test_clean_text_is_clean(text):
    cleaned = clean(text)
    cleaned.encode()
    assert clean(cleaned) == cleaned
    assert not set(cleaned) & {*map(chr, range(9)), "\r", "\x02", "\ufffe", "\ufb01"}
    assert not any(line != line.rstrip() for line in cleaned.split("\n"))
