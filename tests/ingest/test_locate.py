import os
import socket

import pytest

from gemcli.errors import InputError, UsageError
from gemcli.ingest.locate import identity, is_stream, locate
from gemcli.ingest.source import shown


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("report.pdf", "notes.md", "sub/a.txt", "sub/b.txt", "sub/deep/c.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def names(argument):
    return [source.name for source in locate(argument).sources]


def test_names_are_shown_as_given(here):
    assert names("report.pdf") == ["report.pdf"]
    assert names("./sub/a.txt") == ["./sub/a.txt"]
    assert names("sub") == ["sub/a.txt", "sub/b.txt", "sub/deep/c.txt"]
    assert names(".") == ["notes.md", "report.pdf", "sub/a.txt", "sub/b.txt", "sub/deep/c.txt"]
    assert names(str(here / "sub" / "deep")) == [str(here / "sub" / "deep" / "c.txt")]
    assert [source.root for source in locate("sub").sources] == ["sub"] * 3


def test_globs_that_the_shell_left_alone(here):
    assert names("sub/*.txt") == ["sub/a.txt", "sub/b.txt"]
    assert names("**/*.txt") == ["sub/a.txt", "sub/b.txt", "sub/deep/c.txt"]
    assert names("s*") == ["sub/a.txt", "sub/b.txt", "sub/deep/c.txt"]
    assert names("sub/**") == ["sub/a.txt", "sub/b.txt", "sub/deep/c.txt"]
    assert names("sub/[b-z].txt#line=1") == ["sub/b.txt"]
    with pytest.raises(InputError, match=r"\*\.docx matches no file"):
        locate("*.docx")


def test_ranges(here):
    (source,) = locate("report.pdf#page=3-9,12").sources
    assert source.name == "report.pdf"
    assert source.selection.spans == ((3, 9), (12, 12))
    assert locate("-#page=2").sources[0].selection.spans == ((2, 2),)
    with pytest.raises(UsageError, match="runs backwards"):
        locate("report.pdf#page=9-3")
    with pytest.raises(UsageError, match="#chapter="):
        locate("talk.mp4#chapter=10")


def test_a_real_name_wins(here):
    for name in ("report.pdf#page=1", "[ab].txt", "what?.txt"):
        (here / name).write_text("x")
        (source,) = locate(name).sources
        assert source.name == name
        assert source.selection is None


@pytest.mark.parametrize(
    ("argument", "message", "hint"),
    [
        ("reprot.pdf", "reprot.pdf: no such file", "did you mean report.pdf?"),
        ("NOTES.MD", "NOTES.MD: no such file", "did you mean notes.md?"),
        ("sub/aa.txt", "sub/aa.txt: no such file", "did you mean sub/a.txt or sub/b.txt?"),
        ("report.pfd#page=3", "report.pfd: no such file", "did you mean report.pdf?"),
        ("sup/a.txt", "there is no directory sup", "did you mean sub?"),
        ("zzzzzz", "zzzzzz: no such file", None),
        ("x" * 5000, "no such file", None),
    ],
)
def test_missing_files_are_suggested(here, argument, message, hint):
    with pytest.raises(InputError) as caught:
        locate(argument)
    assert caught.value.exit_code == 3
    assert message in caught.value.message
    assert caught.value.hint == hint


def test_urls_and_stretches_of_time(here):
    (page,) = locate("https://example.org/a.pdf").sources
    assert (page.path, page.url, page.clip) == (None, "https://example.org/a.pdf", (None, None))
    (talk,) = locate("https://example.org/a.mp4#t=1:00,90").sources
    assert (talk.url, talk.clip) == ("https://example.org/a.mp4", (60.0, 90.0))
    (here / "talk.mp4").write_bytes(b"x")
    (clip,) = locate("talk.mp4#t=10:00,12:30").sources
    assert (clip.clip, clip.selection) == ((600.0, 750.0), None)
    assert identity(clip) != identity(locate("talk.mp4").sources[0])


def test_what_is_no_name(here):
    with pytest.raises(UsageError):
        locate("")
    with pytest.raises(UsageError):
        locate("a\0b")
    (here / "link").symlink_to("nowhere")
    with pytest.raises(InputError, match="link is a link to nowhere, which is not there"):
        locate("link")
    with pytest.raises(InputError, match=r"report\.pdf/: "):
        locate("report.pdf/")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/urandom"])
def test_devices_are_refused(device):
    with pytest.raises(InputError, match="is a device"):
        locate(device)


def test_sockets_are_refused(here):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("sock")
        with pytest.raises(InputError, match="is a socket"):
            locate("sock")


def test_directories_without_files(here):
    (here / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no file to read") as caught:
        locate("empty")
    assert ".gitignore" in caught.value.hint
    (here / "empty" / "up").symlink_to("..")
    with pytest.raises(InputError, match="1 link out of the directory not followed"):
        locate("empty")
    (here / "sub" / "up").symlink_to("..")
    assert locate("sub").notes == ("sub: 1 link out of the directory not followed",)


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_stdin_by_its_names(name):
    (source,) = locate(name).sources
    assert source.path is None
    assert source.name == "stdin"


def test_one_file_has_one_identity(here):
    (here / "again.pdf").symlink_to("report.pdf")
    os.link("report.pdf", "hard.pdf")
    same = {
        identity(locate(name).sources[0]) for name in ("report.pdf", "./report.pdf", "again.pdf", "hard.pdf")
    }
    assert len(same) == 1
    assert identity(locate("report.pdf#page=1").sources[0]) not in same
    assert identity(locate("notes.md").sources[0]) not in same


def test_pipes_are_streams(here):
    os.mkfifo("pipe")
    (source,) = locate("pipe").sources
    assert is_stream(source.path)
    assert not is_stream(here / "report.pdf")
    assert not is_stream(here / "gone")


def test_names_are_made_visible():
    assert shown("a\x1b[31m\nb\tc") == "a\\x1b[31m\\nb\\tc"
    assert shown("caf\udce9 ü") == "caf\\xe9 ü"


def test_a_link_to_nothing_costs_a_pattern_one_file(here):
    (here / "sub" / "lost.txt").symlink_to("nowhere")
    located = locate("sub/*.txt")
    assert [source.name for source in located.sources] == ["sub/a.txt", "sub/b.txt"]
    assert "sub/lost.txt is a link to nowhere" in str(located.failed[0])


def test_a_login_in_a_url_is_not_shown():
    (source,) = locate("https://bob:hunter2@example.org/a?b=c@d").sources
    assert source.name == "https://…@example.org/a?b=c@d"
    assert source.url == "https://bob:hunter2@example.org/a?b=c@d"
    (source,) = locate("https://example.org/@someone").sources
    assert source.name == "https://example.org/@someone"
    with pytest.raises(UsageError, match="#chapter= is not a range") as caught:
        locate("https://bob:hunter2@example.org/a#chapter=3")
    assert "hunter2" not in caught.value.message
