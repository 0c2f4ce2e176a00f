import dataclasses
import hashlib
import sys
from pathlib import Path

import office
import pytest

from gemcli.errors import InputError
from gemcli.ingest import kept
from gemcli.ingest.collect import collect
from gemcli.ingest.kept import read_or_recall
from gemcli.ingest.ranges import Selection, parse
from gemcli.ingest.registry import handler
from gemcli.ingest.wants import Wants
from gemcli.keep import Keep
from gemcli.parts import Anchor, Audio, Document, Image, Text

OOXML = "application/vnd.openxmlformats-officedocument."
DATA = Path(__file__).parents[1] / "data"
PARTS = (
    Text("# One\n\nwords, ünïcode, \U0001f600, a\tb\x00c\n", Anchor(page=3), "One › Two"),
    Text("lines", Anchor(lines=(4, 9))),
    Text("spoken", Anchor(seconds=(0.0, 12.345)), via="speech"),
    Text("cells", Anchor(cell="'Sales 2024'!A1:F20"), "Sales 2024", "ocr"),
    Text("a note", via="note"),
    Text(""),
)
META = {"title": "T", "pages": 3, "sheets": ["a", "b"], "rate": 0.5, "left_out": {"nav": 2}, "none": None}


@pytest.fixture(autouse=True)
def _everything_is_worth_it(monkeypatch):
    monkeypatch.setattr(kept, "_WORTH_IT", -1.0)


class Reader:
    """A handler that counts its calls; a module of its own, so that it may have a `picture`."""

    def __init__(self, parts=PARTS, warnings=("page 2 is damaged",)):
        self.calls = 0
        self.parts = parts
        self.warnings = warnings

    def __call__(self, source, report):
        self.calls += 1
        return Document(source.name, source.media_type, source.sha256(), self.parts, self.warnings, META)


def recall(reader, source, keep=None):
    return read_or_recall(reader, source, lambda done, total: None, keep or Keep("parsed"))


def entries(home):
    return sorted((home / "cache" / "documents").rglob("*.json.gz"))


def test_everything_a_document_says_comes_back(source, home):
    reader, what = Reader(), source(b"content")
    first = recall(reader, what)
    again = recall(reader, what)
    assert reader.calls == 1
    assert again == first
    assert again.parts == PARTS
    assert [part.anchor.label() for part in again.parts] == [part.anchor.label() for part in PARTS]
    assert again.warnings == ("page 2 is damaged",)
    assert again.meta == META
    assert len(entries(home)) == 1


def test_it_is_known_by_content_and_shown_under_the_name_of_now(source, tmp_path):
    reader = Reader()
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes(b"same")
        assert recall(reader, source(tmp_path / name)).source == str(tmp_path / name)
    assert reader.calls == 1
    (tmp_path / "a.txt").write_bytes(b"other")
    recall(reader, source(tmp_path / "a.txt"))
    assert reader.calls == 2


def test_warnings_that_name_a_file_are_not_told_of_another(source, tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes(b"same")
    first, second = source(tmp_path / "a.txt"), source(tmp_path / "b.txt")
    reader = Reader(warnings=(f"{first.name}: its end is damaged",))
    for what in (first, first):
        recall(reader, what)
    assert reader.calls == 1
    recall(reader, second)
    assert reader.calls == 2


@pytest.mark.parametrize(
    "other",
    [
        {"selection": parse("1-2", "page")},
        {"selection": parse("1-2", "line")},
        {"selection": parse("1-", "page")},
        {"selection": Selection("page", ((1, 2),), "1-2", exact=False)},
        {"clip": (1.0, None)},
        {"clip": (None, 1.0)},
        {"wants": Wants(pdf="images")},
        {"wants": Wants(start=2.0)},
        {"wants": Wants(end=2.0)},
        {"wants": Wants(fps=2.0)},
        {"wants": Wants(max_frames=2)},
        {"wants": Wants(sound=False)},
        {"media_type": "text/csv"},
    ],
    ids=str,
)
def test_what_is_wanted_makes_another_entry(source, home, other):
    reader, whole = Reader(), source(b"content")
    part = dataclasses.replace(whole, **other)
    for what in (whole, part, whole, part):
        recall(reader, what)
    assert reader.calls == 2
    assert len(entries(home)) == 2


def test_what_changes_nothing_makes_no_other_entry(source, home):
    reader = Reader()
    for wants in (Wants(), Wants(archive=True), Wants(offline=True)):
        recall(reader, source(b"content", wants=wants))
    assert reader.calls == 1


def test_nothing_is_read_or_written_where_nothing_is_to_be_kept(source, home):
    kept_before, fresh = Reader(), Reader((Text("fresh"),))
    what = source(b"content")
    recall(kept_before, what)
    before = entries(home)[0].stat()
    assert recall(fresh, what, Keep("parsed", on=False)).parts == (Text("fresh"),)
    assert recall(fresh, source(b"more"), Keep("parsed", on=False)).parts == (Text("fresh"),)
    assert fresh.calls == 2
    assert len(entries(home)) == 1
    after = entries(home)[0].stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"", lambda data: b"\0" * 40])
def test_a_damaged_entry_is_made_again(source, home, damage):
    reader, what = Reader(), source(b"content")
    first = recall(reader, what)
    (entry,) = entries(home)
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    assert recall(reader, what) == first
    assert reader.calls == 2
    assert entry.read_bytes() == whole
    assert recall(reader, what) == first
    assert reader.calls == 2


@pytest.mark.parametrize(
    "value",
    [[], {}, 7, "x", {"parts": [1]}, {"parts": [{}]}, {"parts": [{"anchor": {"planet": 1}}]}, {"parts": []}],
    ids=str,
)
def test_an_entry_of_another_shape_is_made_again(source, monkeypatch, value):
    reader, what = Reader(), source(b"content")
    recall(reader, what)
    with monkeypatch.context() as patch:
        patch.setattr(Keep, "get", lambda self, *key: value)
        assert recall(reader, what).parts == PARTS
    assert reader.calls == 2
    assert recall(reader, what).parts == PARTS
    assert reader.calls == 2


def test_quick_reading_is_not_kept(source, home, monkeypatch):
    monkeypatch.setattr(kept, "_WORTH_IT", 60.0)
    reader, what = Reader(), source(b"content")
    recall(reader, what)
    recall(reader, what)
    assert reader.calls == 2
    assert entries(home) == []


def test_a_file_that_changes_while_it_is_read_is_not_kept(source, home, tmp_path):
    path = tmp_path / "log.txt"
    path.write_bytes(b"before")

    class Growing(Reader):
        def __call__(self, source, report):
            path.write_bytes(b"after")
            return super().__call__(source, report)

    recall(Growing(), source(path))
    assert entries(home) == []


def test_a_failure_is_not_kept(source, home):
    class Failing(Reader):
        def __call__(self, source, report):
            raise InputError("is damaged")

    with pytest.raises(InputError, match="is damaged"):
        recall(Failing(), source(b"content"))
    assert entries(home) == []


def _nothing():
    raise AssertionError("nobody looks at it here")


def test_pictures_are_kept_only_by_a_handler_that_finds_them_again(source, home, monkeypatch):
    image = Image(4, 5, _nothing, Anchor(page=1), "key", "alt", "page")
    reader, what = Reader((Text("text"), image)), source(b"content")
    recall(reader, what)
    recall(reader, what)
    assert reader.calls == 2
    assert entries(home) == []
    asked = []

    def picture(source, part):
        asked.append((source.name, part))
        return dataclasses.replace(part, pixels=_nothing)

    monkeypatch.setattr(sys.modules[Reader.__module__], "picture", picture, raising=False)
    recall(reader, what)
    again = recall(reader, what)
    assert reader.calls == 3
    assert asked == [("stdin", image)]
    assert again.parts == (Text("text"), image)
    assert again.parts[1].pixels is _nothing

    def gone(source, part):
        raise InputError("its page is gone")

    monkeypatch.setattr(sys.modules[Reader.__module__], "picture", gone)
    assert recall(reader, what).parts == (Text("text"), image)
    assert reader.calls == 4


def test_sound_is_never_kept(source, home):
    reader = Reader((Audio(1.0, _nothing, Anchor(seconds=(0.0, 1.0))),))
    recall(reader, source(b"content"))
    assert entries(home) == []


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        ("text/plain", b"# Title\n\nwords\n"),
        ("text/markdown", b"# Title\n\n## Below\n\nwords \xff\n"),
        ("text/csv", b"name,age\nAnn,3\nBob,4\n"),
        ("application/json", b'{"a": [1, 2, {"b": null}]}'),
        ("text/vtt", b"WEBVTT\n\n00:01.000 --> 00:02.500\n<v Ann>Hello\n"),
        ("text/html", b"<title>T</title><h1>One</h1><p>words<p hidden>unseen"),
        ("message/rfc822", b"From: a@example.org\nSubject: S\n\nwords\n"),
        ("application/x-ipynb+json", b'{"nbformat":4,"metadata":{},"cells":[{"cell_type":"markdown",'
            b'"metadata":{},"source":"# One"}]}'),
        (OOXML + "spreadsheetml.sheet", office.workbook()),
        (office.ODF + "presentation", office.odp()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_documents_of_the_handlers_of_text_come_back(source, home, media_type, data):
    read, what = handler(media_type), source(data, media_type)
    assert read is not None
    first = recall(read, what)
    assert len(entries(home)) == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Keep, "put", lambda *_: pytest.fail("it was read again"))
        assert recall(read, what) == first


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.png", "address.ogg"])
def test_a_file_is_read_for_its_hash_once(pdf, home, tmp_path, monkeypatch, name):
    path = tmp_path / name
    if name == "a.pdf":
        pdf(name, ["words"])
    else:
        made = {"a.docx": office.word, "a.png": office.png}
        path.write_bytes(made[name]() if name in made else (DATA / name).read_bytes())
    digest, hashed = hashlib.file_digest, []
    monkeypatch.setattr(hashlib, "file_digest", lambda *given: hashed.append(name) or digest(*given))
    (document,) = collect([str(path)], on_event=lambda event: None, keep=Keep("parsed"))
    assert hashed == [name]
    assert document.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
