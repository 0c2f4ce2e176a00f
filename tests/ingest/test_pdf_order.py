import pytest

from gemcli.ingest.pdf_line import Piece
from gemcli.ingest.pdf_order import in_order


def piece(text, left, down, right=None, turn=0, height=10.0):
    return Piece(
        text, turn, left, left + 5.0 * len(text) if right is None else right, down, height, False, False
    )


def texts(lines):
    return ["  ".join(each.text for each in row.pieces) for row in in_order(lines)]


LEFT = [f"left column line {number} of running words" for number in range(8)]
RIGHT = [f"right side line {number} of running words" for number in range(8)]


def test_what_is_in_order_stays_so():
    lines = [[piece(f"line {number}", 50, 12 * number)] for number in range(5)]
    assert texts(lines) == [f"line {number}" for number in range(5)]


def test_two_columns_in_their_own_order_stay_so():
    lines = [[piece(text, 50, 12 * at)] for at, text in enumerate(LEFT)]
    lines += [[piece(text, 300, 12 * at)] for at, text in enumerate(RIGHT)]
    assert texts(lines) == LEFT + RIGHT


@pytest.mark.parametrize("apart", [False, True], ids=["as one line", "as two lines"])
def test_lines_across_the_gutter_are_taken_apart(apart):
    lines = [[piece("A title across the whole of the page, which is not parted", 50, -30, 500)]]
    for at, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        pair = [piece(left, 50, 12 * at), piece(right, 300, 12 * at)]
        lines += [[each] for each in pair] if apart else [pair]
    lines.append([piece("last line alone", 50, 96)])
    assert texts(lines)[1:] == [*LEFT, "last line alone", *RIGHT]


def test_a_table_of_two_columns_is_no_columns_of_prose():
    lines = [
        [piece(f"item {number}", 50, 12 * number), piece("12.5", 300, 12 * number)] for number in range(9)
    ]
    assert texts(lines) == [f"item {number}  12.5" for number in range(9)]


def test_a_table_written_by_columns_is_read_by_rows():
    lines = [[piece(f"state {number}", 50, 12 * number)] for number in range(5)]
    lines += [[piece(f"{number}.5", 150, 12 * number + 0.4)] for number in range(5)]
    lines += [[piece(f"{number}%", 250, 12 * number)] for number in range(1, 5)]
    lines.append([piece("Below", 50, 100)])
    assert texts(lines) == [
        "state 0  0.5",
        *(f"state {number}  {number}.5  {number}%" for number in range(1, 5)),
        "Below",
    ]


def test_a_head_line_written_last_comes_first():
    lines = [[piece(text, 50, 12 * at)] for at, text in enumerate(LEFT)]
    lines += [[piece("7", 250, 700)], [piece("Annual Report", 50, -40)]]
    assert texts(lines) == ["Annual Report", *LEFT, "7"]


def test_a_sidebar_stays_together():
    side = [f"side {number}" for number in range(3)]
    lines = [[piece(text, 50, 12 * at)] for at, text in enumerate(LEFT[:4])]
    lines += [[piece(text, 400, 5 + 14 * at)] for at, text in enumerate(side)]
    lines += [[piece(text, 50, 48 + 12 * at)] for at, text in enumerate(LEFT[4:])]
    found = texts(lines)
    at = found.index("side 0")
    assert found[at : at + 3] == side
    assert [text for text in found if text not in side] == LEFT


def test_text_that_runs_another_way_comes_last():
    lines = [[piece("arXiv:1234", 10, 5, turn=1)], *([piece(text, 50, 0)] for text in LEFT[:1])]
    assert texts(lines) == [LEFT[0], "arXiv:1234"]


def test_no_lines():
    assert in_order([]) == []
