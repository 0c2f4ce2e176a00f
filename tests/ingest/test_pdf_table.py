from gemcli.ingest.pdf_line import Piece
from gemcli.ingest.pdf_order import Row
from gemcli.ingest.pdf_table import set_rows


def rows(*cells, fixed=False, step=12.0):
    """Rows of (place, text) pairs below one another."""
    return [
        Row(
            [
                Piece(text, 0, left, left + 5.0 * len(text), step * at, 10.0, fixed, False)
                for left, text in row
            ]
        )
        for at, row in enumerate(cells)
    ]


def test_an_empty_cell_keeps_its_place():
    table = rows(
        [(0, "State"), (100, "1990"), (200, "2000")],
        [(0, "Iowa"), (200, "2.9")],
        [(0, "Ohio"), (100, "10.8"), (200, "11.4")],
        [(100, "11.1"), (200, "11.5")],
    )
    assert set_rows(table) == ["State | 1990 | 2000", "Iowa |  | 2.9", "Ohio | 10.8 | 11.4", " | 11.1 | 11.5"]


def test_the_next_line_of_a_cell_stays_in_its_column():
    table = rows(
        [(0, "Name"), (100, "What"), (300, "Sum")],
        [(0, "Ann"), (100, "A flight to"), (300, "12")],
        [(100, "Kansas City")],
        [(0, "Bob"), (100, "A taxi"), (300, "3")],
    )
    assert set_rows(table)[1:] == ["Ann | A flight to | 12", " | Kansas City", "Bob | A taxi | 3"]


def test_what_is_no_table():
    equation = rows([(0, "E = mc"), (300, "(1)")])
    bullets = rows(*([(0, "•"), (20, "an item")] for _ in range(4)))
    numbers = rows(*([(0, f"{number}."), (20, "an item")] for number in range(4)))
    for lines in (equation, bullets, numbers):
        assert not any("|" in line for line in set_rows(lines))
    code = rows(*([(0, "[1,]"), (60, "1"), (90, "2")] for _ in range(4)), fixed=True)
    assert set_rows(code) == ["[1,]  1  2"] * 4
    far = rows([(0, "Left head"), (300, "Right head")], [(0, "Left foot"), (300, "Right foot")], step=700)
    assert set_rows(far) == ["Left head  Right head", "Left foot  Right foot"]


def test_a_table_ends_where_prose_begins():
    table = rows(
        [(0, "A"), (100, "B"), (200, "C")],
        [(0, "1"), (100, "2"), (200, "3")],
        [(0, "And then a line of text that runs across")],
        [(0, "and goes on")],
    )
    assert set_rows(table) == [
        "A | B | C",
        "1 | 2 | 3",
        "And then a line of text that runs across",
        "and goes on",
    ]


def test_no_rows():
    assert set_rows([]) == []
