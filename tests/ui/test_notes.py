"""Notes are single lines, each warning once, in the styles the terminal has."""

import io

import pytest

from gemcli.ui.notes import Notes, styled
from gemcli.ui.streams import Err
from gemcli.ui.terminal import PLAIN, Ability


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_each_warning_once(capsys):
    notes = Notes(Err())
    for message in ("one", "two", "one"):
        notes.warning(message)
    assert capsys.readouterr().err == "gemcli: warning: one\ngemcli: warning: two\n"


@pytest.mark.parametrize(
    ("able", "expected"),
    [
        (PLAIN, "x"),
        (Ability(live=True, styled=True, coloured=True), "\x1b[1;33mx\x1b[0m"),
        (Ability(live=True, styled=True, coloured=False), "\x1b[1mx\x1b[0m"),
    ],
)
def test_styles(able, expected):
    assert styled("x", "1;33", able) == expected


def test_colour_alone_is_nothing_without_colours():
    able = Ability(live=True, styled=True, coloured=False)
    assert styled("x", "36", able) == "x"
    assert styled("", "1", able) == ""


def test_an_error_on_a_terminal_is_red_and_clean():
    stream = Terminal()
    Notes(Err(stream)).error("bad\x1b[2J \u202ename", "Do\nthis.")
    lines = stream.getvalue().splitlines()
    assert lines == [
        "gemcli: \x1b[1;31merror:\x1b[0m bad name",
        "gemcli: \x1b[2mhint:\x1b[0m Do this.",
    ]
