from __future__ import annotations

import pytest

from gemcli.ingest.pdf_line import Piece
from gemcli.ingest.pdf_script import joined


def piece(text: str, left: float, down: float, *, height: float = 9.0, turn: int = 0) -> Piece:
    return Piece(text, turn, left, left + 5.0 * len(text), down, height, False, False)


def texts(*lines: Piece) -> list[str]:
    return [" | ".join(each.text for each in line) for line in joined([[line] for line in lines])]


def test_a_power_and_what_follows_it():
    first = piece("period 2", 50, 100)
    power = piece("19937", first.right, 96.4, height=6.2)
    rest = piece("− 1 is long", power.right + 0.5, 100)
    assert texts(first, power, rest) == ["period 2^19937− 1 is long"]
    assert texts(first, piece("31 elements", first.right, 96.4)) == ["period 2^31 elements"]


def test_an_index():
    x = piece("x", 50, 100)
    assert texts(x, piece("1) / n", x.right, 102.8)) == ["x_1) / n"]


@pytest.mark.parametrize(
    "second",
    [
        piece("next line", 50, 112),
        piece("far right", 300, 96),
        piece("same line", 90.5, 100),
        piece("turned", 90, 96, turn=1),
        piece("too high", 90, 90),
    ],
    ids=lambda each: each.text,
)
def test_what_is_a_line_of_its_own(second):
    assert texts(piece("some txt", 50, 100), second) == ["some txt", second.text]
