import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.ingest.blocks import MAX_CHARS, MAX_LINES, MIN_LINES, blocks, count_lines

line = st.one_of(
    st.text(st.characters(blacklist_characters="\n", blacklist_categories=("Cs",)), max_size=60),
    st.sampled_from(["", "", "# Heading", "    indented", "def f():", "\x0b", "\x85", "\u2028x"]),
    st.integers(1, 3).map(lambda n: "word " * (n * MAX_CHARS // 7)),
)
texts = st.lists(line, max_size=300).map("\n".join)


@settings(deadline=None)
@given(texts, st.integers(1, 1000))
def test_blocks_are_the_text_and_know_their_lines(text, first):
    parts = list(blocks(text, first))
    assert "".join(part.text for part in parts) == text
    lines = text.split("\n")
    expected = first
    for part in parts:
        start, end = part.anchor.lines
        assert len(part.text) <= MAX_CHARS
        assert end - start < MAX_LINES
        assert part.text in "\n".join(lines[start - first : end - first + 1]) + "\n"
        assert start in (expected, expected - 1)
        expected = end + 1
    assert expected - first == count_lines(text)


def test_blocks_of_prose_have_a_readable_size():
    text = "A sentence of an ordinary length, as prose has it.\n\n" * 1_000
    sizes = [part.anchor.lines[1] - part.anchor.lines[0] + 1 for part in blocks(text)]
    assert all(MIN_LINES <= size <= MAX_LINES for size in sizes[:-1])


def test_a_cut_is_made_before_a_heading():
    text = "".join(f"line {number}\n" for number in range(60)) + "\n# Second part\n" + "more\n\n" * 60
    first, second, *_ = blocks(text)
    assert second.text.startswith("# Second part\n")
    assert first.anchor.lines == (1, 61)


def test_a_cut_is_made_before_a_function():
    body = "".join(f"    step {number}\n\n" for number in range(26))
    text = "def one():\n" + body + "\ndef two():\n" + body
    _, second, *_ = blocks(text)
    assert second.text.startswith("def two():")


def test_a_short_text_is_one_block():
    (part,) = blocks("a\nb\n")
    assert part.anchor.lines == (1, 2)
    assert list(blocks("")) == []


def test_a_long_line_is_cut_at_words():
    text = "word " * 5_000
    parts = list(blocks(text))
    assert all(part.text.endswith(" ") and part.anchor.lines == (1, 1) for part in parts)
    assert len(parts) == -(-len(text) // MAX_CHARS)


@pytest.mark.parametrize(("text", "count"), [("", 0), ("a", 1), ("a\n", 1), ("a\nb", 2), ("\n\n", 2)])
def test_lines_are_counted(text, count):
    assert count_lines(text) == count
