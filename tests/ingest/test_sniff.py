import io
import zipfile

import pytest

import gemcli.ingest.zipped as zipped_module
from gemcli.ingest.kinds import NAMES, SIGNATURES, TEXT_SUFFIXES, kind_name
from gemcli.ingest.registry import HANDLERS, handler
from gemcli.ingest.sniff import sniff, sniff_head, text_type


def zipped(*names, mimetype=None):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        if mimetype:
            archive.writestr("mimetype", mimetype)
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
        (b"FORM\0\0\0\x24AIFFCOMM", "audio/aiff"),
        (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", "image/bmp"),
        (b"\0\0\0\x20ftypavif\0\0\0\0", "image/avif"),
        (b"\0\0\0\x20ftypheic\0\0\0\0", "image/heic"),
        (b"\0\0\0\x20ftypisom\0\0\2\0", "video/mp4"),
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "audio/mp4"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0", "video/quicktime"),
        (b"\x1aE\xdf\xa3\x01\0\0\0", "video/x-matroska"),
        (b"ID3\x04\0\0\0\0", "audio/mpeg"),
        (b"\xff\xfb\x90\x64\0\0\0\0", "audio/mpeg"),
        (b"\xff\xf1\x50\x80\0\x1f\xfc", "audio/aac"),
        ((b"G" + b"\0" * 187) * 3, "video/mp2t"),
        (b"\0" * 257 + b"ustar\0", "application/x-tar"),
        (b"GGUF\x03\0\0\0", "application/x-gguf"),
        (b"\x7fELF\x02\x01", "application/x-executable"),
        (b"\x00\x01\x02\x03" * 50, "application/octet-stream"),
    ],
)
def test_the_first_bytes_tell(head, media_type):
    assert sniff_head(head, "named.txt") == media_type


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (zipped("a.txt"), "application/zip"),
        (
            zipped("[Content_Types].xml", "word/document.xml"),
            f"{'application/vnd.openxmlformats-officedocument.'}wordprocessingml.document",
        ),
        (
            zipped("[Content_Types].xml", "xl/workbook.xml"),
            f"{'application/vnd.openxmlformats-officedocument.'}spreadsheetml.sheet",
        ),
        (
            zipped("ppt/presentation.xml"),
            f"{'application/vnd.openxmlformats-officedocument.'}presentationml.presentation",
        ),
        (zipped("META-INF/container.xml", mimetype="application/epub+zip"), "application/epub+zip"),
        (
            zipped("content.xml", mimetype="application/vnd.oasis.opendocument.text"),
            "application/vnd.oasis.opendocument.text",
        ),
        (zipped("META-INF/MANIFEST.MF"), "application/java-archive"),
        (b"PK\x03\x04 and no more", "application/zip"),
    ],
)
def test_a_zip_is_looked_into(source, data, media_type):
    assert sniff(source(data)) == media_type


@pytest.mark.parametrize(
    ("text", "name", "media_type"),
    [
        ("# Title", "a.md", "text/markdown"),
        ("x = 1", "A.PY", "text/x-python"),
        ("hello", "Makefile", "text/plain"),
        ("hello", "photo.png", "text/plain"),
        ("a: 1", "c.yaml", "application/yaml"),
        ("The mark is %PDF-1.4, they say.", "notes.md", "text/markdown"),
        ("naïve", "x.txt", "text/plain"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_text_is_text_whatever_its_name(text, name, media_type, encoding):
    assert sniff_head(text.encode(encoding), name) == media_type


def test_junk_before_a_pdf_is_forgiven():
    assert sniff_head(b"\0\1\2junk\n%PDF-1.4\n", "x") == "application/pdf"
    assert sniff_head(b"HTTP/1.1 200 OK\n\n%PDF-1.4\n", "x.pdf") == "application/pdf"


def test_a_zip_of_one_byte_marks_is_a_text_when_it_reads_so():
    assert sniff_head(b"PKzip is a program", "x") == "text/plain"


def test_every_kind_has_a_name():
    for _, _, media_type in SIGNATURES:
        assert NAMES[media_type].startswith(("a ", "an "))
    assert kind_name("audio/x-unheard") == "a recording"
    assert kind_name("chemical/x-pdb") == "a file of type chemical/x-pdb"


@pytest.mark.parametrize("media_type", sorted({*TEXT_SUFFIXES.values(), "text/plain", "application/pdf"}))
def test_what_is_text_or_pdf_has_a_handler(media_type):
    assert callable(handler(media_type))


def test_handlers_are_there_and_others_are_not():
    for target in HANDLERS.values():
        module, _, function = target.partition(":")
        assert module.startswith("gemcli.ingest.")
        assert function
        assert callable(handler_of(target))
    assert handler("application/vnd.sqlite3") is None
    assert handler("application/zip") is None


def handler_of(target: str):
    return next(handler(kind.replace("*", "x")) for kind, named in HANDLERS.items() if named == target)


def test_a_suffix_says_which_text():
    assert text_type("a/b.tar.MD") == "text/markdown"
    assert text_type(".gitignore") == "text/plain"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (zipped("[Content_Types].xml", "word/document.xml"), "wordprocessingml.document"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "spreadsheetml.sheet"),
        (zipped("OEBPS/1.xhtml", mimetype="application/epub+zip"), "application/epub+zip"),
        (zipped("a.txt", "b.txt"), "application/zip"),
    ],
)
def test_a_zip_cut_short_is_what_it_began_as(source, data, kind):
    for missing in (1, 30, 60):
        assert sniff(source(data[:-missing])).endswith(kind)


def test_an_endless_list_of_contents_is_not_read(source, monkeypatch):
    data = zipped(*(f"{number}.txt" for number in range(20)))
    monkeypatch.setattr(zipped_module, "MAX_MEMBERS", 10)
    monkeypatch.setattr("zipfile.ZipFile", None)
    assert sniff(source(data)) == "application/zip"
