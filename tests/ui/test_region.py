"""The region is redrawn in place and leaves no trace."""

from gemcli.ui.region import Region
from gemcli.ui.streams import Out


def test_live_rows_are_replaced_and_printed_lines_stay(kit):
    with kit.PseudoTerminal(20, 6) as terminal:
        region = Region(Out(terminal.stream))
        region.draw([], ["a", "b"], 6)
        assert terminal.sync().transcript() == ["a", "b"]
        region.draw(["one"], ["c"], 6)
        assert terminal.sync().transcript() == ["one", "c"]
        region.draw(["two", "three"], [], 6)
        assert terminal.sync().transcript() == ["one", "two", "three"]
        region.draw([], ["x"], 6)
        region.clear()
        assert terminal.sync().transcript() == ["one", "two", "three"]


def test_only_the_last_rows_that_fit_are_live(kit):
    with kit.PseudoTerminal(20, 6) as terminal:
        region = Region(Out(terminal.stream))
        for number in range(30):
            region.draw([], [f"row {row}" for row in range(number)], 6)
        assert terminal.sync().transcript() == [f"row {row}" for row in range(24, 29)]
        region.draw([f"row {row}" for row in range(30)], [], 6)
        assert terminal.sync().transcript() == [f"row {row}" for row in range(30)]


def test_the_same_rows_are_not_drawn_again(kit):
    with kit.PseudoTerminal(20, 6) as terminal:
        region = Region(Out(terminal.stream))
        region.draw([], ["a"], 6)
        written = len(terminal.output())
        region.draw([], ["a"], 6)
        assert len(terminal.output()) == written


def test_a_row_that_the_terminal_takes_for_wider_stays_one_row(kit):
    with kit.PseudoTerminal(10, 6) as terminal:
        region = Region(Out(terminal.stream))
        region.draw(["one"], ["x" * 15, "below"], 6)
        region.draw([], ["y" * 15], 6)
        assert terminal.sync().transcript() == ["one", "y" * 10]
