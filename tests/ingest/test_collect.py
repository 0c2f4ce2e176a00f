import hashlib
import io
import os
import sys
import tempfile
import threading
import zipfile
from pathlib import Path

import pytest

import gemcli.ingest.collect as collect_module
import gemcli.ingest.source as source_module
from gemcli.errors import InputError, UsageError
from gemcli.events import Progress
from gemcli.ingest.wants import Wants

DATA = Path(__file__).parents[1] / "data"
UNREAD = b"SQLite format 3\0" + b"\0" * 50


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    return tmp_path


@pytest.fixture
def files(here):
    def make(**contents):
        for name, content in contents.items():
            path = here / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return make


def pipe_in(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_documents_come_in_the_order_given(gather, files):
    files(b_txt="two\n", a_md="# one\n", sub__x_py="x = 1\n", sub__w_txt="w\n")
    got = gather("b.txt", "sub", "a.md")
    assert got.names == ["b.txt", "sub/w.txt", "sub/x.py", "a.md"]
    assert [document.media_type for document in got] == [
        "text/plain",
        "text/plain",
        "text/x-python",
        "text/markdown",
    ]
    assert got[0].sha256 == hashlib.sha256(b"two\n").hexdigest()
    assert got.warnings == []


def test_content_tells_the_kind(gather, files, pdf):
    files(page_txt=pdf("x.pdf", ["in a PDF"]).read_bytes(), report_pdf="plain words")
    got = gather("page.txt", "report.pdf")
    assert [document.media_type for document in got] == ["application/pdf", "text/plain"]
    assert got.warnings == ["report.pdf: is no PDF in spite of its name; read as text"]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (UNREAD, "is an SQLite database; this version reads text, PDF, "),
        (b"\0\1\2\3" * 100, "is binary, of no known kind; this version reads text, PDF, "),
        (b"PK\x03\x04....", "is a ZIP archive"),
        (b"a word, then junk: " + bytes(range(256)) * 200, "this version reads text, PDF, "),
        (b"text, " * 5000 + bytes(range(256)) * 200, "is no text"),
        (b"", "is empty"),
    ],
)
def test_what_cannot_be_read_is_named(gather, files, data, kind):
    files(odd_txt=data)
    with pytest.raises(InputError, match=kind) as caught:
        gather("odd.txt")
    assert caught.value.exit_code == 3
    assert caught.value.message.startswith("odd.txt ")


def test_a_directory_skips_what_is_not_text_and_says_so(gather, files):
    files(
        d__a_txt="words",
        d__b_db=UNREAD,
        d__c_db=UNREAD,
        d__e_bin=b"\0\1\2\3" * 99,
        d____init___py=b"",
        d__f_zip=b"PK\x05\x06",
    )
    got = gather("d")
    assert got.names == ["d/a.txt"]
    assert got.warnings == ["d: 4 files (2 × SQLite database, 1 × binary file, 1 × ZIP archive) not read"]


def test_a_directory_without_readable_files(gather, files):
    files(d__b_db=UNREAD, d__empty_txt=b"")
    with pytest.raises(
        InputError, match=r"d holds no file that this version reads .*: 1 file \(1 × SQLite database\)"
    ) as caught:
        gather("d")
    assert caught.value.exit_code == 3


def test_a_damaged_file_in_a_directory_stops_unless_told_otherwise(gather, files, pdf):
    files(d__a_txt="words")
    pdf("d/b.pdf", ["secret"], user=b"x")
    with pytest.raises(InputError, match=r"d/b\.pdf is encrypted") as caught:
        gather("d")
    assert "--keep-going" in caught.value.hint
    got = gather("d", "gone.txt", keep_going=True)
    assert got.names == ["d/a.txt"]
    assert got.warnings == [
        "gone.txt: no such file; left out",
        "d/b.pdf is encrypted: it opens only with a password; left out",
    ]


def test_keep_going_with_nothing_left(gather):
    with pytest.raises(InputError, match="none of 2 inputs could be read"):
        gather("gone.txt", "lost.txt", keep_going=True)


def test_names_are_checked_before_anything_is_read(gather, files):
    files(a_txt="words")
    with pytest.raises(InputError, match="gone"):
        gather("a.txt", "gone.txt")
    assert gather.events == []


def test_a_file_named_twice_is_read_once(gather, files):
    files(d__a_txt="a", d__b_txt="b")
    got = gather("d/a.txt", "d", "./d/a.txt", "d/b.txt#line=1")
    assert got.names == ["d/a.txt", "d/b.txt", "d/b.txt"]
    assert got.warnings == ["./d/a.txt is given twice; it is read once"]
    assert gather("d/a.txt", "d/b.txt", "d").names == ["d/a.txt", "d/b.txt"]


def test_pages_for_all_and_for_one(gather, files, pdf):
    files(n_md="# words\n")
    pdf("a.pdf", *([f"page {number}"] for number in range(1, 6)))
    pdf("b.pdf", ["page 1"], ["page 2"])
    got = gather("a.pdf", "b.pdf", "a.pdf#page=5", "n.md", pages="2-3")
    assert [[part.anchor.label() for part in document.parts] for document in got] == [
        ["p.2", "p.3"],
        ["p.2"],
        ["p.5"],
        ["L1"],
    ]
    assert got.warnings == ["b.pdf: has 2 pages: of range 2-3, 2 was read"]
    assert gather("n.md", pages="1").warnings == ["--pages 1 has no effect: no document has pages"]
    with pytest.raises(UsageError, match=r"a\.pdf has 5 pages"):
        gather("a.pdf#page=5-6")
    with pytest.raises(UsageError, match=r"b\.pdf has 2 pages"):
        gather("b.pdf", pages="4")
    with pytest.raises(UsageError, match="is not a range"):
        gather("a.pdf", pages="x")


def test_stdin_when_no_file_is_given(gather, monkeypatch, pdf):
    assert gather() == []
    pipe_in(monkeypatch, b" \n")
    assert gather() == []
    pipe_in(monkeypatch, b"piped words\n")
    got = gather()
    assert got.names == ["stdin"]
    assert got.text() == "piped words\n"
    pipe_in(monkeypatch, pdf("x.pdf", ["in a pipe"]).read_bytes())
    assert gather()[0].media_type == "application/pdf"
    pipe_in(monkeypatch, UNREAD)
    with pytest.raises(InputError, match="stdin is an SQLite database"):
        gather()


def test_stdin_when_it_is_named(gather, files, monkeypatch):
    files(a_txt="words")
    pipe_in(monkeypatch, b"piped\n")
    got = gather("a.txt", "-", "-")
    assert got.names == ["a.txt", "stdin"]
    assert got.warnings == ["stdin is given twice; it is read once"]
    pipe_in(monkeypatch, b"one\ntwo\n")
    assert gather("-#line=2").text() == "two\n"
    with pytest.raises(InputError, match="stdin is empty"):
        gather("-")
    with pytest.raises(UsageError, match="stdin serves something else"):
        gather("-", stdin="never")


def test_stdin_is_left_alone(gather, files, monkeypatch):
    files(a_txt="words")
    pipe_in(monkeypatch, b"kept for others")
    gather("a.txt")
    assert gather(stdin="never") == []
    assert sys.stdin.read() == "kept for others"


def test_pipes_are_read_to_their_end(gather, here):
    os.mkfifo("pipe")
    words = b"through a pipe\n" * 10_000
    writer = threading.Thread(target=(here / "pipe").write_bytes, args=(words,))
    writer.start()
    assert gather("pipe").text() == words.decode()
    writer.join()


def test_too_much_to_hold_is_refused(gather, files, here, monkeypatch):
    monkeypatch.setattr(source_module, "MAX_IN_MEMORY", 1 << 21)
    (here / "big.txt").write_bytes(b"words " * 500_000)
    with pytest.raises(InputError, match=r"big\.txt holds more than"):
        gather("big.txt")


@pytest.fixture
def nobody():
    """A directory that anyone may enter, for a process that is not the superuser."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        if os.geteuid() != 0:
            yield Path(name)
            return
        try:
            yield Path(name)
        finally:
            os.seteuid(0)


def test_permission_denied(gather, nobody):
    (nobody / "a.txt").write_text("words")
    (nobody / "d").mkdir()
    (nobody / "d" / "b.txt").write_text("words")
    (nobody / "a.txt").chmod(0)
    (nobody / "d").chmod(0)
    if os.geteuid() == 0:
        os.seteuid(65534)
    with pytest.raises(InputError, match=r"a\.txt: permission denied") as caught:
        gather(nobody / "a.txt")
    with pytest.raises(InputError, match="d: permission denied"):
        gather(nobody / "d")
    with pytest.raises(InputError, match=r"b\.txt"):
        gather(nobody / "d" / "b.txt")
    assert caught.value.exit_code == 3
    assert caught.value.hint
    if os.geteuid() != 65534:
        (nobody / "d").chmod(0o755)


def test_progress(gather, files, monkeypatch):
    monkeypatch.setattr("gemcli.ingest.collect._REPORT_EVERY", 0.0)
    files(a_txt="words")
    got = gather(DATA / "json-mapping.pdf")
    steps = [event for event in got.events if isinstance(event, Progress)]
    assert {event.stage for event in steps} == {"ingest"}
    assert (steps[0].done, steps[0].total, steps[0].unit) == (0, 1, "files")
    assert ("pages", 29, 29) in {(event.unit, event.done, event.total) for event in steps}
    assert (steps[-1].done, steps[-1].total, steps[-1].unit) == (1, 1, "files")
    got = gather("a.txt", DATA / "json-mapping.pdf")
    steps = [event for event in got.events if isinstance(event, Progress)]
    assert {event.unit for event in steps} == {"files"}
    assert [event.done for event in steps] == sorted(event.done for event in steps)
    assert any(event.detail.endswith("page 12 of 29") for event in steps)


def test_odd_names_are_shown_safely(gather, here):
    name = os.fsdecode(b"a\x1b[2J\xe9.txt")
    (here / name).write_text("words")
    (document,) = gather(".")
    assert document.source == "a\\x1b[2J\\xe9.txt"


def test_times_are_refused_where_there_are_none(gather, files, pdf):
    files(a_txt="words", s_srt="1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    pdf("b.pdf", ["words"])
    for name in ("a.txt", "b.pdf"):
        with pytest.raises(UsageError, match="there are no times in it"):
            gather(f"{name}#t=1,2")
    assert gather("s.srt#t=1,2").names == ["s.srt"]
    assert gather("a.txt", wants=Wants(start=1.0)).names == ["a.txt"]


def test_choices_without_effect_are_said(gather, files):
    files(a_txt="words")
    assert gather("a.txt", wants=Wants(pdf="images", max_frames=3)).warnings == [
        "--pdf images has no effect: no document is a PDF",
        "--max-frames has no effect: no document is a video",
    ]


def test_a_file_that_changes_while_it_is_read_is_said(gather, files, here, monkeypatch):
    files(a_log="one line\n", b_json='{"a": 1}')
    read = collect_module._read

    def meddle(source, *rest):
        document = read(source, *rest)
        (here / source.name).write_text('{"a": 1, "b": 2}')
        return document

    monkeypatch.setattr(collect_module, "_read", meddle)
    said = "b.json: was changed while it was read: what was read may be incomplete"
    assert gather("b.json").warnings == [said]
    assert gather("a.log").warnings == []


def test_an_archive_that_breaks_off_says_why(gather, here):
    with zipfile.ZipFile(here / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"0" * (9 << 20))
    with pytest.raises(InputError, match="is taken for an attack"):
        gather("bomb.zip", wants=Wants(archive=True))
