import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.errors import InputError, UsageError
from gemcli.ingest.arguments import looks_like_path, names_file, split_question

THERE = {"a.pdf", "b.md", "docs", "-", "My notes.txt"}


def split(*words):
    return split_question(words, is_file=THERE.__contains__)


@pytest.mark.parametrize(
    ("words", "question", "files"),
    [
        ([], None, []),
        (["What is due?"], "What is due?", []),
        (["hello"], "hello", []),
        (["What is due?", "a.pdf"], "What is due?", ["a.pdf"]),
        (["a.pdf", "b.md", "What is due?"], "What is due?", ["a.pdf", "b.md"]),
        (["a.pdf", "summarise", "b.md"], "summarise", ["a.pdf", "b.md"]),
        (["summarise", "-"], "summarise", ["-"]),
        (["What?", "missing.pdf"], "What?", ["missing.pdf"]),
        (["missing.pdf", "What is due?"], "What is due?", ["missing.pdf"]),
        (["My report.pdf", "What is due?"], "What is due?", ["My report.pdf"]),
        (["What is due?", "My report.pdf"], "What is due?", ["My report.pdf"]),
        (["Explain node.js", "a.pdf"], "Explain node.js", ["a.pdf"]),
        (["What?", "*.txt"], "What?", ["*.txt"]),
        (["What?", "https://example.org/x"], "What?", ["https://example.org/x"]),
        (["yes/no", "a.pdf"], "yes/no", ["a.pdf"]),
        (["What?", "deal.pdf#page=3-9"], "What?", ["deal.pdf#page=3-9"]),
        (["docs", "a.pdf", "x" * 5000], "x" * 5000, ["docs", "a.pdf"]),
    ],
)
def test_question_and_files(words, question, files):
    assert split(*words) == (question, files)


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["a.pdf"], "a.pdf is a file; what is the question?", '"What is this about?" a.pdf'),
        (["a.pdf", "b.md"], "every argument is a file", "a.pdf b.md"),
        (["-"], "what is the question?", "-"),
        (["reprot.pdf"], "reprot.pdf: no such file, and there is no question", "reprot.pdf"),
        (["reprot.pdf", "a.pdf"], "reprot.pdf: no such file, and there is no question", "a.pdf"),
        (["./x"], "./x: no such file", "./x"),
        (["My notes.txt"], "what is the question?", "'My notes.txt'"),
        ([""], "the question is empty", "FILES"),
        (["  ", "a.pdf"], "the question is empty", "FILES"),
    ],
)
def test_no_question(words, message, hint):
    with pytest.raises(UsageError) as caught:
        split(*words)
    assert caught.value.exit_code == 2
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_an_unquoted_question():
    with pytest.raises(InputError) as caught:
        split("what", "is", "due", "a.pdf")
    assert caught.value.exit_code == 3
    assert caught.value.message == "is: no such file"
    assert 'gemcli "what is due" a.pdf' in caught.value.hint


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([*sorted(THERE), "What is due?", "why", "gone.pdf", "two words", "", "x/"]),
        max_size=5,
    )
)
def test_every_word_is_kept_or_refused(words):
    try:
        question, files = split(*words)
    except (UsageError, InputError) as error:
        assert error.hint  # noqa: PT017 - either outcome is right
        return
    kept = ([question] if question is not None else []) + files
    assert sorted(kept) == sorted(words)
    assert question not in THERE
    assert [word for word in files if word in THERE] == [word for word in words if word in THERE]


@pytest.mark.parametrize(
    "word", ["a.pdf", "x/", "./x", "~/x", "../up", "https://a.b/c", "d.pdf#page=3", "c.tar.gz"]
)
def test_paths_look_like_paths(word):
    assert looks_like_path(word)


@pytest.mark.parametrize(
    "word", ["", "why", "why?", "What is x.py", "e.g.", "3.14", "and/or", "TL;DR", "etc..."]
)
def test_words_do_not(word):
    assert not looks_like_path(word)


def test_what_names_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.pdf", "x#page=9.txt", "[odd].md"):
        (tmp_path / name).write_text("x")
    (tmp_path / "sub").mkdir()
    (tmp_path / "gone").symlink_to("nowhere")
    yes = ["a.pdf", "a.pdf#page=3", "a.pdf#page=oops", "x#page=9.txt", "[odd].md", "*.pdf", "**/*.md", "-"]
    yes += ["-#page=2", "sub", "sub/", "gone", "HTTP://example.org/a"]
    no = ["b.pdf", "*.docx", "b.pdf#page=3", "What is a.pdf?", "x" * 10_000, "a\0b", "", "https://two words"]
    assert [word for word in yes if not names_file(word)] == []
    assert [word for word in no if names_file(word)] == []
    assert names_file(os.fspath(tmp_path))
