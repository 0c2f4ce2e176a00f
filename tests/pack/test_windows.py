"""Windows hold everything once, in order, and end where a reader would pause."""

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemcli.pack.outline import Heading
from gemcli.pack.windows import cut
from gemcli.parts import Anchor, Document, Image, Text

TEXT = st.text("ab .\n。日", max_size=120) | st.sampled_from(
    ["word " * 60, "x" * 300, "One. Two! Three?\n\n" * 12, "日本語。" * 40, "line\n" * 50, ""]
)
ANCHORS = (
    st.builds(Anchor, page=st.integers(1, 99)) | st.just(Anchor()) | st.just(Anchor(seconds=(60.0, 90.0)))
)
DOCUMENTS = st.lists(
    st.builds(
        Document,
        source=st.sampled_from(["report.pdf", "a/notes.md", "stdin"]),
        media_type=st.just("text/plain"),
        sha256=st.just("0" * 64),
        parts=st.lists(st.builds(Text, TEXT, ANCHORS), max_size=5).map(tuple),
    ),
    max_size=3,
)


def document(source, *parts, media_type="text/plain"):
    return Document(source, media_type, "0" * 64, tuple(Text(text, anchor) for text, anchor in parts))


def letters(part):
    """A character is a token; a picture is 50."""
    return len(part.text) if isinstance(part, Text) else 50


@given(DOCUMENTS, st.integers(40, 600), st.integers(0, 4))
def test_every_character_is_in_exactly_one_window(documents, limit, headings):
    places = [
        (index, number)
        for index, each in enumerate(documents)
        for number, part in enumerate(each.parts)
        if part.text
    ]
    found = [
        Heading(*place, len(documents[place[0]].parts[place[1]].text) // 2, 1, "x")
        for place in places[:headings]
    ]
    windows = cut(documents, limit, cost=letters, headings=found)
    pieces = [(place, part) for window in windows for place, _, part in window.parts()]
    order = [place for place, _ in pieces]
    assert order == sorted(order)
    joined = {
        place: "".join(part.text for _, part in run) for place, run in groupby(pieces, lambda each: each[0])
    }
    assert joined == {
        (index, number): part.text
        for index, each in enumerate(documents)
        for number, part in enumerate(each.parts)
    }
    for window in windows:
        assert window.documents
        assert all(each.parts for each in window.documents)
        # Names of a document and a part may come on top of the smallest piece there is.
        assert window.tokens <= max(limit, max(32, limit // 8) + 60)
        text = sum(len(part.text) for _, _, part in window.parts())
        assert text <= window.tokens
    assert sorted(each.title for window in windows for each in window.headings) == ["x"] * len(found)


def test_no_documents_no_windows():
    assert cut([], 100, cost=letters) == []
    assert cut([Document("a", "text/plain", "", ())], 100, cost=letters) == []


def test_lines_are_counted_inside_a_part():
    text = "".join(f"line {number}\n" for number in range(11, 61))
    windows = cut([document("a.txt", (text, Anchor(lines=(11, 60))))], 200, cost=letters)
    assert len(windows) > 2
    line = 11
    for window in windows:
        ((_, _, part),) = window.parts()
        first, last = part.anchor.lines
        assert first == line
        assert part.text.splitlines() == [f"line {number}" for number in range(first, last + 1)]
        line = last + 1
    assert line == 61


def test_lines_that_cannot_be_counted_keep_their_anchor():
    windows = cut([document("a.txt", ("word " * 100, Anchor(lines=(3, 90))))], 200, cost=letters)
    assert {part.anchor for window in windows for _, _, part in window.parts()} == {Anchor(lines=(3, 90))}


def test_a_window_ends_before_a_chapter_when_it_is_full_enough():
    parts = [(f"page {number} ".ljust(80, "x"), Anchor(page=number)) for number in range(1, 9)]
    headings = [Heading(0, 4, 0, 1, "Two"), Heading(0, 3, 0, 2, "1.2")]
    windows = cut([document("r.pdf", *parts)], 540, cost=letters, headings=headings)
    assert [window.label() for window in windows] == ["r.pdf p.1-4", "r.pdf p.5-8"]
    assert [each.title for each in windows[1].headings] == ["Two"]


def test_a_chapter_in_the_middle_of_a_page_is_a_place_too():
    text = "a" * 70 + "\n\n" + "2 Next\n\n" + "b" * 60
    headings = [Heading(0, 0, 72, 1, "2 Next")]
    first, second = cut([document("r.pdf", (text, Anchor(page=1)))], 120, cost=letters, headings=headings)
    assert next(second.parts())[2].text.startswith("2 Next")
    assert first.label() == second.label() == "r.pdf p.1"


def test_small_documents_share_a_window_and_large_ones_do_not_begin_at_its_end():
    small = [document(f"d/{name}.md", (name * 50, Anchor(lines=(1, 1)))) for name in "abc"]
    (window,) = cut(small, 600, cost=letters)
    assert window.label() == "a.md L1 to c.md L1"
    large = document("e.md", *((f"{number}" * 90, Anchor(page=number)) for number in range(1, 6)))
    windows = cut([*small, *small, large], 600, cost=letters)
    assert [window.label() for window in windows] == ["a.md L1 to c.md L1", "e.md p.1-5"]


def test_a_picture_stays_whole():
    picture = Image(10, 10, lambda: None, Anchor(page=2))
    mixed = Document("r.pdf", "application/pdf", "", (Text("a" * 90, Anchor(page=1)), picture))
    windows = cut([mixed], 100, cost=letters)
    assert [part for window in windows for _, _, part in window.parts()][-1] is picture


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("a" * 50 + ".\n\n" + "b" * 30 + "\n" + "c" * 60, "\n\n"),
        ("a" * 56 + ". " + "b" * 20 + " " + "c" * 60, ". "),
        ("a" * 50 + " " + "b" * 120, " "),
    ],
)
def test_paragraphs_before_sentences_before_words(text, end):
    windows = cut([document("a", (text, Anchor()))], 80, cost=letters)
    assert next(windows[0].parts())[2].text.endswith(end)
