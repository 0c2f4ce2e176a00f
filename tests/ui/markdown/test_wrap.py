"""Rows fit, characters stay whole, and breaks fall where a reader expects them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text
from wcwidth import wcswidth, wcwidth

from gemcli.ui.markdown.wrap import cells, fold, graphemes, wrap

samples = st.lists(
    st.sampled_from(
        [
            *"abc de fg",
            "中",
            "文",
            "。",
            "（",
            "e\u0301",
            "👩\u200d👧",
            "❤\ufe0f",
            "한",
            " ",
            "longword",
            "🇫🇷",
        ]
    )
).map("".join)


@given(samples, st.integers(2, 30))
def test_rows_fit_and_keep_the_text(text, width):
    rows = [row.plain for row in wrap(Text(text), width)]
    assert "".join("".join(rows).split()) == "".join(text.split())
    for row in rows:
        assert cells(row) <= max(width, max((size for _, _, size in graphemes(row)), default=0))


@given(samples, st.integers(1, 30))
def test_folding_keeps_every_character(text, width):
    rows = [row.plain for row in fold(Text(text), width)]
    assert "".join(rows) == text


@given(samples, st.integers(1, 30))
def test_no_row_begins_inside_a_character(text, width):
    for rows in (wrap(Text(text), width), fold(Text(text), width)):
        for row in rows:
            assert not row.plain or not unicodedata.combining(row.plain[0])
            assert not row.plain.startswith(("\u200d", "\ufe0f"))


@given(samples)
def test_widths_are_never_below_the_terminals(text):
    assert cells(text) >= sum(max(0, wcwidth(character)) for character in text)
    assert cells(text) >= wcswidth(text)


@pytest.mark.parametrize(
    ("text", "width", "rows"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("one two three", 8, ["one two", "three"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("a abcdefghij", 4, ["a", "abcd", "efgh", "ij"]),
        ("中文字符", 5, ["中文", "字符"]),
        ("ab中文", 4, ["ab中", "文"]),
        ("中文。", 4, ["中", "文。"]),  # no full stop at the beginning of a row
        ("中（文", 4, ["中", "（文"]),  # no opening bracket at its end
        ("two  spaces", 20, ["two  spaces"]),
        ("", 5, [""]),
        ("a\n\nb", 5, ["a", "", "b"]),
    ],
)
def test_where_rows_break(text, width, rows):
    assert [row.plain for row in wrap(Text(text), width)] == rows


def test_styles_follow_their_text():
    text = Text("plain ")
    text.append("bold text", "bold")
    rows = wrap(text, 10)
    assert [row.plain for row in rows] == ["plain bold", "text"]
    assert [(span.start, span.end) for span in rows[0].spans] == [(6, 10)]
    assert [(span.start, span.end) for span in rows[1].spans] == [(0, 4)]
