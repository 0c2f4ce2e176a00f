import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.errors import UsageError
from gemcli.ingest.ranges import parse
from gemcli.ingest.source import EmptyError, KindError, Source
from gemcli.ingest.text import read


def quiet(done, total):
    raise AssertionError("a text has no progress")


@settings(deadline=None)
@given(
    st.text(
        st.characters(blacklist_categories=("Cs", "Cc", "Cn", "Co"), whitelist_characters="\n"), min_size=1
    )
)
def test_the_parts_are_the_text(text):
    data = text.encode()
    if not text.strip():
        with pytest.raises(EmptyError):
            read(Source("a.txt", None, "text/plain", data), quiet)
        return
    document = read(Source("a.txt", None, "text/plain", data), quiet)
    assert "".join(part.text for part in document.parts) == text
    assert document.sha256 == hashlib.sha256(data).hexdigest()
    assert document.meta["lines"] == text.count("\n") + (not text.endswith("\n"))


@settings(deadline=None)
@given(st.lists(st.text("ab ", max_size=5), min_size=1, max_size=200), st.data())
def test_chosen_lines_are_those_lines(lines, data):
    text = "x\n" + "\n".join(lines)
    count = text.count("\n") + (not text.endswith("\n"))
    first = data.draw(st.integers(1, count))
    last = data.draw(st.integers(first, count))
    document = read(
        Source("a.txt", None, "text/plain", text.encode(), parse(f"{first}-{last}", "line")), quiet
    )
    assert "".join(part.text for part in document.parts) == "".join(text.splitlines(True)[first - 1 : last])
    if document.parts:
        assert document.parts[0].anchor.lines[0] == first
        assert document.parts[-1].anchor.lines[1] == last


def test_several_ranges_keep_their_anchors(source):
    data = "".join(f"{number}\n" for number in range(1, 21)).encode()
    document = read(source(data, selection=parse("15-,2-3", "line")), quiet)
    assert [(part.text, part.anchor.label()) for part in document.parts] == [
        ("2\n3\n", "L2-3"),
        ("15\n16\n17\n18\n19\n20\n", "L15-20"),
    ]


def test_lines_that_are_not_there(source):
    with pytest.raises(UsageError, match="stdin has 2 lines: line range 3 "):
        read(source(b"a\nb\n", selection=parse("3", "line")), quiet)


def test_a_text_has_no_pages(source):
    with pytest.raises(UsageError, match="has lines, not pages"):
        read(source(b"a\n", selection=parse("1", "page")), quiet)
    document = read(source(b"a\n", selection=parse("1", "page", exact=False)), quiet)
    assert document.parts[0].text == "a\n"


def test_empty_and_blank_files(source):
    with pytest.raises(EmptyError, match="stdin is empty") as caught:
        read(source(b""), quiet)
    assert caught.value.exit_code == 3
    with pytest.raises(EmptyError, match="only white space"):
        read(source(b" \n\t\n"), quiet)
    with pytest.raises(EmptyError):
        read(source("\ufeff".encode()), quiet)


def test_junk_called_text(source):
    with pytest.raises(KindError, match="is no text") as caught:
        read(source(bytes(range(256)) * 10), quiet)
    assert caught.value.exit_code == 3
    assert caught.value.kind == "a binary file"


def test_what_was_guessed_is_said(source):
    document = read(source("Grüße aus Köln".encode("cp1252")), quiet)
    assert document.meta["encoding"] == "cp1252"
    assert document.warnings == ("is not UTF-8; read as cp1252 (a guess)",)


def test_a_text_called_pdf_is_said(tmp_path, source):
    path = tmp_path / "report.pdf"
    path.write_text("<html>404</html>")
    assert "is no PDF in spite of its name" in read(source(path), quiet).warnings[0]
