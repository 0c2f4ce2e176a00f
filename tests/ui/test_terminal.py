"""What the environment says about a stream."""

import io

import pytest

from gemcli.ui.streams import Out
from gemcli.ui.terminal import PLAIN, Ability, ability, size


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "terminal", "expected"),
    [
        ({}, True, Ability(live=True, styled=True, coloured=True)),
        ({}, False, PLAIN),
        ({"NO_COLOR": "1"}, True, Ability(live=True, styled=True, coloured=False)),
        ({"NO_COLOR": ""}, True, Ability(live=True, styled=True, coloured=True)),
        ({"TERM": "dumb"}, True, PLAIN),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, False, PLAIN),
        ({"FORCE_COLOR": "1"}, False, Ability(live=False, styled=True, coloured=True)),
        ({"FORCE_COLOR": "0"}, False, PLAIN),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, Ability(live=False, styled=True, coloured=False)),
    ],
)
def test_ability(monkeypatch, variables, terminal, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ability(Out(Terminal() if terminal else io.StringIO())) == expected


def test_size_of_a_terminal_follows_it(kit):
    with kit.PseudoTerminal(33, 7) as terminal:
        out = Out(terminal.stream)
        assert size(out) == (33, 7)
        terminal.resize(50)
        assert size(out) == (50, 7)


def test_size_without_a_terminal(monkeypatch):
    assert size(Out(io.StringIO())) == (80, 24)
    monkeypatch.setenv("COLUMNS", "132")
    monkeypatch.setenv("LINES", "nonsense")
    assert size(Out(io.StringIO())) == (132, 24)
