import contextlib
import hashlib
import threading
from pathlib import Path

import pytest

from gemcli.errors import InputError, UsageError
from gemcli.ingest.pdf import read
from gemcli.ingest.ranges import parse

DATA = Path(__file__).parents[1] / "data"


def reading(source, path, pages=None, *, exact=True):
    selection = parse(pages, "page", exact=exact) if pages else None
    return read(source(path, "application/pdf", selection=selection), lambda done, total: None)


def test_a_real_paper(source):
    document = reading(source, DATA / "json-mapping.pdf")
    assert document.meta["pages"] == 29
    assert [part.anchor.page for part in document.parts] == list(range(1, 30))
    first = document.parts[0].text
    assert "Jeroen Ooms\nUCLA Department of Statistics\n\nAbstract\n\nA naive realization" in first
    assert "proposed by Douglas Crockford as a “fat-free alternative to XML”" in first
    assert "There\x02fore" not in document.parts[1].text
    assert "Therefore, the native R realization" in document.parts[1].text
    assert "[1,]  1  4  7  10\n[2,]  2  5  8  11" in document.parts[7].text
    assert document.sha256 == hashlib.sha256((DATA / "json-mapping.pdf").read_bytes()).hexdigest()
    assert document.warnings == ()


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
    assert seen == [(0, 2), (1, 2), (2, 2)]


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
        reading(source, pdf("scan.pdf", pdf.picture, pdf.picture))
    assert "--ocr" in caught.value.hint
    assert "ocrmypdf" in caught.value.hint
    with pytest.raises(InputError, match="has no text layer: page 1 holds only pictures"):
        reading(source, pdf("stamped.pdf", pdf.picture + b"\n" + pdf.lines("Scanned with LittleScan")))


def test_pages_without_text_are_listed(source, pdf):
    words = ["A page of ordinary text, long enough not to be a stamp on a picture of a page."]
    document = reading(source, pdf("mixed.pdf", words, pdf.picture, None, pdf.picture, words, pdf.picture))
    assert [part.anchor.page for part in document.parts] == [1, 5]
    assert document.warnings == ("pictures without a text layer, perhaps scans, not read: pages 2, 4, 6",)


def test_text_on_a_picture_is_text(source, pdf):
    words = pdf.lines("A slide has a picture behind its text,", "and the text is what it says to its reader.")
    document = reading(source, pdf("slide.pdf", pdf.picture + b"\n" + words))
    assert document.warnings == ()


def test_blank_pages_are_nothing_to_speak_of(source, pdf):
    document = reading(source, pdf("a.pdf", ["A few words on a page of their own, and then nothing."], None))
    assert document.warnings == ()
    with pytest.raises(InputError, match="its pages are blank"):
        reading(source, pdf("blank.pdf", None, None))


def test_letters_without_a_meaning_are_said(source, pdf):
    cmap = b"begincmap 1 begincodespacerange <00> <FF> endcodespacerange "
    cmap += b"1 beginbfrange <21> <7E> <E000> endbfrange"
    document = reading(source, pdf("pua.pdf", ["what does it mean"], to_unicode=cmap))
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
        for _ in range(5):
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
