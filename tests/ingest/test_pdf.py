import contextlib
import hashlib
import sys
import threading
import zlib
from pathlib import Path

import pytest

from gemcli.errors import InputError, UsageError
from gemcli.ingest.pdf import read
from gemcli.ingest.ranges import parse
from gemcli.ingest.wants import Wants
from gemcli.parts import Text

DATA = Path(__file__).parents[1] / "data"


WORDS = ["A page of ordinary text, long enough not to be a stamp on a picture of a page."]


def reading(source, path, pages=None, *, exact=True, pdf="auto"):
    selection = parse(pages, "page", exact=exact) if pages else None
    wants = Wants(pdf=pdf)
    return read(source(path, "application/pdf", selection=selection, wants=wants), lambda done, total: None)


def kinds(document):
    """``1t`` for text of page 1, ``2i`` for its image."""
    return [f"{part.anchor.page}{'t' if isinstance(part, Text) else 'i'}" for part in document.parts]


def test_a_real_paper(source):
    document = reading(source, DATA / "json-mapping.pdf")
    assert document.meta["pages"] == 29
    assert all(isinstance(part, Text) for part in document.parts)
    assert [part.anchor.page for part in document.parts] == sorted(
        part.anchor.page for part in document.parts
    )
    texts = {
        page: "\n".join(part.text for part in document.parts if part.anchor.page == page)
        for page in range(1, 30)
    }
    assert all(texts.values())
    first = texts[1]
    assert "Jeroen Ooms\nUCLA Department of Statistics\n\nAbstract\n\nA naive realization" in first
    assert "proposed by Douglas Crockford as a “fat-free alternative to XML”" in first
    assert "Therefore, the native R realization" in texts[2]
    assert "[1,]  1  4  7  10\n[2,]  2  5  8  11" in texts[8]
    assert document.sha256 == hashlib.sha256((DATA / "json-mapping.pdf").read_bytes()).hexdigest()
    assert document.warnings == ()
    headings = {part.heading: part for part in reversed(document.parts)}
    matrices = headings["2 Converting between JSON and R classes › 2.2 Matrices"]
    assert matrices.anchor.page == 8
    assert matrices.text.startswith("2.2  Matrices\n")
    assert document.parts[0].heading == ""
    assert document.parts[1].text.startswith("1  Introduction\n")


def test_pages_are_chosen_and_keep_their_numbers(source, pdf):
    path = pdf("a.pdf", *([f"This is page {number}."] for number in range(1, 6)))
    document = reading(source, path, "4-,2")
    assert [(part.anchor.page, part.text) for part in document.parts] == [
        (2, "This is page 2."),
        (4, "This is page 4."),
        (5, "This is page 5."),
    ]


def test_pages_that_are_not_there(source, pdf):
    path = pdf("a.pdf", ["one"], ["two"])
    with pytest.raises(UsageError, match=r"has 2 pages: page range 2-3 is not in it"):
        reading(source, path, "2-3")
    document = reading(source, path, "2-3", exact=False)
    assert document.warnings == ("has 2 pages: of range 2-3, 2 was read",)


def test_lines_of_a_pdf_are_refused(source, pdf):
    with pytest.raises(UsageError, match="has pages, not lines"):
        read(source(pdf("a.pdf", ["one"]), selection=parse("1", "line")), lambda done, total: None)


def test_progress_counts_pages(source, pdf):
    seen = []
    read(source(pdf("a.pdf", ["one"], ["two"])), lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 2)
    assert seen[-1] == (2, 2)
    assert seen == sorted(seen)


def test_a_password_is_asked_for(source, pdf):
    with pytest.raises(InputError, match="is encrypted: it opens only with a password") as caught:
        reading(source, pdf("locked.pdf", ["secret"], user=b"letmein"))
    assert caught.value.exit_code == 3
    assert "qpdf --decrypt" in caught.value.hint


def test_an_owner_password_does_not_lock_readers_out(source, pdf):
    document = reading(source, pdf("owned.pdf", ["open to all"], owner=b"boss"))
    assert document.parts[0].text == "open to all"


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6])
def test_a_cut_short_pdf_is_damaged(source, share, tmp_path):
    whole = (DATA / "json-mapping.pdf").read_bytes()
    path = tmp_path / "cut.pdf"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match="is cut short: its end mark is missing") as caught:
        reading(source, path)
    assert caught.value.exit_code == 3
    assert "fetch it again" in caught.value.hint


def test_a_lost_end_is_said_when_the_rest_reads(source, pdf):
    path = pdf("a.pdf", ["all here"])
    path.write_bytes(path.read_bytes().removesuffix(b"%%EOF\n"))
    assert reading(source, path).warnings == ("is cut short: its end mark is missing; pages may be missing",)
    whole = pdf("b.pdf", ["all here"], linearized=123_456)
    assert f"it holds {whole.stat().st_size:,} of 123,456 bytes" in reading(source, whole).warnings[0]


def test_a_cross_reference_that_is_wrong_is_rebuilt(source, pdf):
    path = pdf("a.pdf", ["still here"])
    path.write_bytes(path.read_bytes().replace(b"startxref\n", b"startxref\n9"))
    assert reading(source, path).parts[0].text == "still here"


def test_a_damaged_page_is_named_and_the_others_read(source, pdf):
    path = pdf("a.pdf", ["one"], ["two"], ["three"], ["four"])
    kids = b"/Kids[10 0 R 12 0 R 14 0 R 16 0 R]"
    data = path.read_bytes()
    assert kids in data
    path.write_bytes(data.replace(kids, b"/Kids[10 0 R 99 0 R 98 0 R 16 0 R]"))
    document = reading(source, path)
    assert [part.text for part in document.parts] == ["one", "four"]
    assert document.warnings == ("damaged and not read: pages 2-3",)


def test_no_text_layer(source, pdf):
    with pytest.raises(InputError, match="has no text layer: pages 1-2 hold only pictures") as caught:
        reading(source, pdf("scan.pdf", pdf.picture, pdf.picture), pdf="text")
    assert "--ocr" in caught.value.hint
    assert "ocrmypdf" in caught.value.hint
    stamped = pdf("stamped.pdf", pdf.picture + b"\n" + pdf.lines("Scanned with LittleScan"))
    with pytest.raises(InputError, match="has no text layer: page 1 holds only pictures"):
        reading(source, stamped, pdf="text")
    assert kinds(reading(source, stamped)) == ["1t", "1i"]


def test_scans_are_pictures(source, pdf):
    document = reading(source, pdf("scan.pdf", pdf.picture, None, pdf.picture))
    assert kinds(document) == ["1i", "3i"]
    assert document.warnings == ()
    image = document.parts[0]
    assert (image.role, image.width, image.height) == ("page", 1500, 2000)
    assert image.key.startswith(document.sha256)
    assert image.key != document.parts[1].key
    pixels = image.pixels()
    assert (pixels.mode, pixels.size) == ("RGB", (1500, 2000))
    assert pixels.getpixel((700, 1000)) == (128, 128, 128)


def test_pages_without_text_among_others(source, pdf):
    path = pdf("mixed.pdf", WORDS, pdf.picture, None, pdf.picture, WORDS, pdf.picture)
    assert kinds(reading(source, path)) == ["1t", "2i", "4i", "5t", "6i"]
    document = reading(source, path, pdf="text")
    assert kinds(document) == ["1t", "5t"]
    assert document.warnings == ("pictures without a text layer, perhaps scans, not read: pages 2, 4, 6",)


def test_every_page_as_a_picture(source, pdf):
    path = pdf("mixed.pdf", WORDS, pdf.picture, None)
    assert kinds(reading(source, path, pdf="images")) == ["1i", "2i", "3i"]
    assert kinds(reading(source, path, "2-", pdf="images")) == ["2i", "3i"]


def test_text_on_a_picture_is_both(source, pdf):
    words = pdf.lines("A slide has a picture behind its text,", "and the text is what it says to its reader.")
    path = pdf("slide.pdf", pdf.picture + b"\n" + words)
    document = reading(source, path)
    assert kinds(document) == ["1t", "1i"]
    assert document.warnings == ()
    assert kinds(reading(source, path, pdf="text")) == ["1t"]


def test_a_drawing_with_few_words_is_seen(source, pdf):
    curve = b" ".join(b"%d %d l" % (100 + 4 * x, 200 + (x * x) % 350) for x in range(100))
    chart = b"100 200 m " + curve + b" S\n" + pdf.lines("Figure 1: growth", y=150)
    rules = b"".join(b"50 %d 500 1 re f\n" % y for y in range(100, 700, 40)) + pdf.lines("A form", y=150)
    shaded = b"0.9 g 40 100 520 620 re f 0 g\n" + pdf.lines("Words on grey", y=650)
    plain = pdf("plain.pdf", chart, rules, shaded)
    assert kinds(reading(source, plain)) == ["1t", "1i", "2t", "3t"]


def test_many_words_are_text_whatever_is_behind_them(source, pdf):
    words = pdf.lines(*(["many words on a scanned page that someone has recognized already"] * 30))
    assert kinds(reading(source, pdf("ocr.pdf", pdf.picture + b"\n" + words))) == ["1t"]


def test_blank_pages_are_nothing_to_speak_of(source, pdf):
    document = reading(source, pdf("a.pdf", ["A few words on a page of their own, and then nothing."], None))
    assert document.warnings == ()
    with pytest.raises(InputError, match="its pages are blank"):
        reading(source, pdf("blank.pdf", None, None))


def test_letters_without_a_meaning_are_said(source, pdf):
    cmap = b"begincmap 1 begincodespacerange <00> <FF> endcodespacerange "
    cmap += b"1 beginbfrange <21> <7E> <E000> endbfrange"
    path = pdf("pua.pdf", ["what does it mean"], to_unicode=cmap)
    assert kinds(reading(source, path)) == ["1i"]
    document = reading(source, path, pdf="text")
    assert document.warnings == ("letters without a known meaning, so the text is garbled: page 1",)


def test_the_title_is_known(source, pdf):
    assert reading(source, pdf("a.pdf", ["x"], title=b"An  Annual Report")).meta == {
        "pages": 1,
        "title": "An Annual Report",
    }


def test_no_pages_at_all(source, pdf):
    with pytest.raises(InputError, match=r"has no pages|is damaged"):
        reading(source, pdf("none.pdf"))


@pytest.mark.parametrize("junk", [b"%PDF-1.7\n", b"%PDF-1.7\n" + b"\0" * 5000, b"%PDF-1.7 %%EOF"])
def test_what_only_begins_as_a_pdf(source, tmp_path, junk):
    path = tmp_path / "junk.pdf"
    path.write_bytes(junk)
    with pytest.raises(InputError) as caught:
        reading(source, path)
    assert caught.value.exit_code == 3


def test_from_memory_and_from_odd_names(source, pdf, tmp_path):
    data = pdf("a.pdf", ["hello"]).read_bytes()
    assert reading(source, data).parts[0].text == "hello"
    for name in ("~nobody.pdf", "a b\n.pdf", "caf\udce9.pdf", "ünï.pdf"):
        path = tmp_path / name
        path.write_bytes(data)
        assert reading(source, path).parts[0].text == "hello"


def test_what_was_filled_in_is_read(source, pdf):
    field = b"<</Type/Annot/Subtype/Widget/Rect[50 500 200 520]/FT/%s/T(%s)/V%s/P 15 0 R %s>>"
    extra = [
        b"<</Fields[11 0 R 12 0 R 13 0 R]/DA(/F 12 Tf)>>",
        field % (b"Tx", b"name", b"(Ada  Lovelace)", b""),
        field % (b"Tx", b"city", b"()", b""),
        field % (b"Btn", b"member", b"/Yes", b"/AS/Yes/AP<</N<</Yes 16 0 R/Off 16 0 R>>>>"),
        b"<</Type/Annot/Subtype/FreeText/Rect[50 400 200 420]/Contents(Please call back)/DA(/F 12 Tf)>>",
    ]
    path = pdf(
        "form.pdf",
        ["Application"],
        extra=extra,
        catalog_extra=b"/AcroForm 10 0 R",
        page_extra=b"/Annots[11 0 R 12 0 R 13 0 R 14 0 R]",
    )
    (part,) = reading(source, path).parts
    assert part.text == "Application\n\nname: Ada Lovelace\nmember: yes\nnote: Please call back"


def test_threads_take_turns(source, pdf):
    paths = [pdf(f"{number}.pdf", *([f"file {number}"],) * 30) for number in range(4)]
    texts = {}

    def work(number):
        for _ in range(2):
            document = reading(source, paths[number])
            texts.setdefault(number, set()).update(part.text for part in document.parts)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {number: {f"file {number}"} for number in range(4)}


def test_pdfium_says_nothing(source, capfd, tmp_path, pdf):
    whole = (DATA / "json-mapping.pdf").read_bytes()
    path = tmp_path / "a.pdf"
    path.write_bytes(whole.replace(b"endobj", b"endobk", 40))
    with contextlib.suppress(InputError):
        reading(source, path)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_many_pages(source, pdf):
    path = pdf("many.pdf", *([f"Page {number} of a very long document."] for number in range(1, 2_001)))
    document = reading(source, path)
    assert len(document.parts) == 2_000
    assert document.parts[-1].anchor.page == 2_000


def test_a_damaged_page_among_pictures(source, pdf):
    path = pdf("a.pdf", ["one"], ["two"], ["three"])
    path.write_bytes(
        path.read_bytes().replace(b"/Kids[10 0 R 12 0 R 14 0 R]", b"/Kids[10 0 R 99 0 R 14 0 R]")
    )
    document = reading(source, path, pdf="images")
    sizes, messages = [], []
    for part in document.parts:
        try:
            sizes.append(part.pixels().size)
        except InputError as error:
            messages.append(error.message)
    assert sizes == [(1500, 2000)] * 2
    assert len(messages) + len(document.warnings) == 1
    assert all("page 2 cannot be drawn" in message for message in messages)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux alone")
@pytest.mark.parametrize(
    "raw",
    [b" " * (1 << 20), b"0 0 m 9 9 l S\n" * 75_000, b"q " * 500_000],
    ids=["spaces", "paths", "states"],
)
def test_a_stream_that_grows_without_end_costs_its_page(source, pdf, raw):
    packer = zlib.compressobj(1)
    packed = packer.compress(raw)
    packed += b"".join(packer.compress(raw) for _ in range(800)) + packer.flush()
    path = pdf("bomb.pdf", ["before"], packed, ["after"])
    data = path.read_bytes()
    bomb = b"<</Length %d >>\nstream\n%s" % (len(packed), packed[:20])
    assert bomb in data
    path.write_bytes(data.replace(bomb, bomb.replace(b" >>", b"/Filter/FlateDecode>>"), 1))
    document = reading(source, path)
    assert [part.text for part in document.parts] == ["before", "after"]
    assert document.warnings == ("damaged and not read: page 2",)


def test_pages_of_any_size_are_drawn(source, pdf):
    path = pdf("a.pdf", ["one"], ["two"], ["three"])
    data = path.read_bytes()
    for box in (b"0 0 1e9 1e", b"0 0 9999 0"):
        data = data.replace(b"0 0 600 80", box, 1)
    path.write_bytes(data)
    for part in reading(source, path, pdf="images").parts:
        assert 1 <= min(part.width, part.height) <= max(part.width, part.height) <= 2000
        assert part.pixels().size == (part.width, part.height)
