"""Tables fit, or become records; every cell is there in either form."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.ui.markdown.table import table_rows
from gemcli.ui.markdown.wrap import cells

words = st.text(alphabet="abcdefgh中文 ", max_size=12)


@given(st.lists(st.lists(words, min_size=1, max_size=6), min_size=1, max_size=4), st.integers(2, 80))
@settings(deadline=None)
def test_rows_fit_and_hold_every_cell(table, width):
    text = [row.plain for row in table_rows(table, [], width)]
    assert max(map(cells, text), default=0) <= width
    for row in table:
        for cell in row:
            for character in cell.replace(" ", ""):
                assert character in "".join(text)


def test_columns_are_aligned():
    rows = table_rows([["name", "n"], ["a", "1"], ["bcd", "22"]], ["left", "right"], 40)
    assert [row.plain for row in rows] == ["name    n", "─────────", "a       1", "bcd    22"]


@pytest.mark.parametrize("width", [20, 12])
def test_too_many_columns_become_records(width):
    table = [["one", "two", "three", "four"], ["first", "second", "third", "fourth"], ["a", "b", "c", "d"]]
    rows = [row.plain for row in table_rows(table, ["left"] * 4, width)]
    assert rows[:2] == ["one: first", "two: second"]
    assert rows[-1] == "four: d"


def test_a_table_of_a_header_only():
    assert table_rows([["a", "b"]], [], 40)[0].plain == "a   b"
    assert [row.plain for row in table_rows([["alpha", "bravo", "charlie"]], [], 8)] == [
        "alpha",
        "bravo",
        "charlie",
    ]
