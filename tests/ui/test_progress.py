"""The bar says what is true, in the width there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemcli.events import Progress
from gemcli.ui.notes import Notes
from gemcli.ui.progress import Meter, Status, amount, bar, duration
from gemcli.ui.streams import Err
from gemcli.ui.terminal import PLAIN, Ability

LIVE = Ability(live=True, styled=True, coloured=True)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def metered(*steps: tuple[float, Progress]) -> Meter:
    clock = Clock()
    meter = Meter(clock)
    for seconds, event in steps:
        clock.now = 100 + seconds
        meter.update(event)
    return meter


@pytest.mark.parametrize(
    ("done", "total", "unit", "text"),
    [
        (12_300_000, 98_362_432, "bytes", "12.3/98.4 MB"),
        (0, 512, "bytes", "0/512 B"),
        (1_500_000_000, None, "bytes", "1.5 GB"),
        (999, 2_000, "bytes", "1.0/2.0 kB"),
        (3, 12, "files", "3/12 files"),
        (1234, 5678, "tokens", "1,234/5,678 tokens"),
        (1234, None, "tokens", "1,234 tokens"),
    ],
)
def test_amounts(done, total, unit, text):
    assert amount(done, total, unit) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (3599.9, "1:00:00"), (3723, "1:02:03")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_rate_and_time_left():
    meter = metered(
        (0, Progress("prefill", 0, 1000, "tokens")),
        (2, Progress("prefill", 200, 1000, "tokens")),
    )
    assert meter.parts() == ["200/1,000 tokens", "100 tokens/s", "0:08 left"]


def test_what_was_there_before_counts_for_no_rate():
    """A resumed download does not claim the speed of what was on the disk."""
    meter = metered(
        (0, Progress("pull", 900_000_000, 1_000_000_000, "bytes")),
        (10, Progress("pull", 910_000_000, 1_000_000_000, "bytes")),
    )
    assert meter.parts() == ["0.9/1.0 GB", "1.0 MB/s", "1:30 left"]


def test_the_rate_is_that_of_the_last_seconds():
    steps = [(float(t), Progress("pull", 100 * t, 10_000, "bytes")) for t in range(20)]
    steps += [(20.0 + t, Progress("pull", 2000 + 10 * t, 10_000, "bytes")) for t in range(30)]
    assert metered(*steps).rate() == pytest.approx(10, rel=0.01)


def test_files_have_no_rate_but_time_left():
    meter = metered((0, Progress("ingest", 0, 10, "files")), (5, Progress("ingest", 5, 10, "files")))
    assert meter.parts() == ["5/10 files", "0:05 left"]


def test_an_unknown_total_shows_the_time_gone_by():
    clock = Clock()
    meter = Meter(clock)
    meter.update(Progress("load", 0, None, "layers"))
    clock.now += 3
    assert meter.parts() == ["0:03"]
    assert meter.fraction is None


def test_a_new_stage_begins_anew():
    meter = metered((0, Progress("pull", 0, 10, "bytes")), (9, Progress("load", 5, 10, "layers")))
    assert meter.rate() is None


@given(
    st.integers(0, 200),
    st.integers(0, 2000),
    st.none() | st.integers(0, 1000),
    st.sampled_from(["bytes", "tokens", "files"]),
    st.text(max_size=40),
    st.booleans(),
)
def test_the_line_never_exceeds_its_width(width, done, total, unit, detail, plain):
    from gemcli.ui.markdown.wrap import cells

    meter = metered((0, Progress("pull", 0, total, unit)), (3, Progress("pull", done, total, unit, detail)))
    line = bar(meter, width, PLAIN, 0.0, plain)
    assert cells(line) <= width
    assert "\n" not in line
    assert "\x1b" not in line


def test_the_line_of_a_wide_terminal():
    meter = metered(
        (0, Progress("pull", 0, 1000, "bytes", "model.gguf")),
        (5, Progress("pull", 500, 1000, "bytes", "model.gguf")),
    )
    line = bar(meter, 100, PLAIN, 0.0)
    assert line == f"downloading {'━' * 15}{'─' * 15} 0.5/1.0 kB · 100 B/s · 0:05 left · model.gguf"
    assert bar(meter, 100, PLAIN, 0.0, plain=True).startswith("downloading ###############---------------")
    assert "\x1b[36m" in bar(meter, 100, LIVE, 0.0)


def test_the_end_of_a_long_name_is_shown():
    meter = metered((0, Progress("ingest", 1, 3, "files", "a/very/long/path/to/some/report.pdf")))
    assert bar(meter, 70, PLAIN, 0.0).endswith("report.pdf")
    assert "…" in bar(meter, 60, PLAIN, 0.0)


def test_plain_lines_are_few_and_the_last_of_a_stage_is_among_them(capsys):
    clock = Clock()
    err = Err()
    status = Status(err, Notes(err), bar=True, lines=True, clock=clock)
    for step in range(100):
        clock.now += 0.1
        status.update(Progress("ingest", step, 1000, "files"))
    status.update(Progress("prefill", 0, 10, "tokens"))
    status.update(Progress("prefill", 10, 10, "tokens"))
    status.end()
    status.update(Progress("prefill", 11, 11, "tokens"))
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if "reading" in line]) <= 7
    assert any("99/1,000 files" in line for line in lines)
    assert lines[-1].startswith("gemcli: prefill, 10/10 tokens")
    assert all(line.startswith("gemcli: ") for line in lines)


def test_nothing_without_a_terminal_and_without_being_asked(capsys):
    err = Err()
    status = Status(err, Notes(err), bar=True, lines=False)
    status.update(Progress("ingest", 1, 2, "files"))
    status.paint()
    status.end()
    assert capsys.readouterr().err == ""


def test_the_bar_on_a_terminal_leaves_nothing_behind(kit):
    with kit.PseudoTerminal(60, 10) as terminal:
        terminal.stream.write("before\n")
        err = Err(terminal.stream)
        status = Status(err, Notes(err), bar=True, lines=False)
        status.update(Progress("ingest", 1, 2, "files", "a.pdf"))
        status.paint()
        assert terminal.sync().transcript()[1].startswith("reading ━━━")
        assert terminal.sync().transcript()[1].endswith("1/2 files · a.pdf")
        terminal.resize(20)
        status.paint()
        assert len(terminal.sync().transcript()) == 2
        status.end()
        assert terminal.sync().transcript() == ["before"]
        assert (terminal.screen.cursor.x, terminal.screen.cursor.y) == (0, 1)
