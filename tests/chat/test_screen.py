"""What is drawn while an answer comes: no flicker, nothing twice, right at any width, while it is resized."""

from __future__ import annotations

import re
import time

import pytest

from gemcli.ui.painter import FRAMES_PER_SECOND

WORDS = iter(f"w{number:03d}" for number in range(1000))


def words(count):
    return " ".join(next(WORDS) for _ in range(count))


ANSWER = "\n\n".join(
    [
        f"# {words(3)}",
        f"{words(60)} **{words(4)}** 混排中文 `{words(2)}` 👩‍👩‍👧‍👦 ende",
        "\n".join(f"- {words(12)}" for _ in range(8)),
        "```python\n" + "\n".join(f"{next(WORDS)} = {number}" for number in range(40)) + "\n```",
        "\n".join(
            ["| name | 值 |", "|:--|--:|"] + [f"| {next(WORDS)} | 中{next(WORDS)} |" for _ in range(12)]
        ),
        f"> {words(20)}",
        words(30),
    ]
)
PIECES = re.findall(r"(?s).{1,9}", ANSWER)


def once(text):
    """Assert that every word is there once, wherever lines were broken."""
    flowing = re.sub(r"[\s│─•▪◦]", "", text)
    for word in re.findall(r"w\d{3}", ANSWER):
        assert flowing.count(word) == 1, f"{word} is there {flowing.count(word)} times:\n{text}"


def stream(terminal, during=lambda: None):
    """Ask, and wait for the end of the answer; what was written for it, and in how many seconds."""
    terminal.prompt()
    at, began = len(terminal.bytes), time.monotonic()
    terminal.type("What?\r")
    during()
    terminal.until(lambda text: ANSWER[-4:] in text)
    seconds = time.monotonic() - began
    terminal.prompt()
    written = terminal.bytes[at:]
    terminal.enter("/exit")
    assert terminal.end() == 0
    return written.split(b"What?", 1)[1].rsplit(b"\x1b[?2004h", 1)[0], seconds


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_an_answer_that_is_longer_than_the_screen(chat, columns):
    terminal = chat(columns=columns, rows=20, pieces=PIECES, delay=0.015)
    written, seconds = stream(terminal)
    text = terminal.text()
    once(text)
    frames = written.count(b"\x1b[?2026h")
    assert frames == written.count(b"\x1b[?2026l")
    assert 5 < frames <= FRAMES_PER_SECOND * seconds + 5, "a frame is not worth it sooner"
    erased = re.findall(rb"\x1b\[[0-3]?[JK]", written)
    assert set(erased) <= {b"\x1b[J"}, "nothing but the live region is taken away"
    assert len(erased) <= frames + 3  # the bar and the prompt are each taken away too
    for up in re.findall(rb"\x1b\[(\d*)A", written):
        assert int(up or 1) < 20, "the cursor never leaves the screen"
    assert not re.search(rb"\x1b\[\d*(;\d*)?[Hf]|\x1b\[\d*[LMST]|\x1b[78M]|\x1b\[[su]", written)
    assert all(len(row) <= columns for row in text.split("\n"))
    assert "混排中文" in text
    terminal.is_sane()


def test_it_ends_as_if_it_had_come_at_once(chat):
    slow = chat(columns=50, rows=15, pieces=PIECES, delay=0.01)
    stream(slow)
    quick = chat(columns=50, rows=15, pieces=[ANSWER])
    stream(quick)
    assert slow.text() == quick.text()


@pytest.mark.parametrize("widths", [(80, 40, 120), (40, 100, 33)])
def test_resizing_while_it_comes(chat, widths):
    first, *others = widths
    terminal = chat(columns=first, rows=20, pieces=PIECES, delay=0.02)

    def during():
        for at, columns in enumerate(others, 1):
            sign = re.findall(r"w\d{3}", ANSWER)[at * 60]
            terminal.until(sign)
            terminal.resize(columns)

    stream(terminal, during)
    once(terminal.text())
    terminal.is_sane()


def test_a_very_narrow_terminal(chat, place):
    place.file("a.md", "word " * 300)
    terminal = chat("a.md", columns=12, rows=8, pieces=PIECES[:60], delay=0.01)
    terminal.prompt()
    terminal.type("What?\r")
    terminal.until(lambda text: text.count(">") == 2 and text.endswith(">"))
    terminal.prompt()
    terminal.enter("/exit")
    assert terminal.end() == 0
    flowing = re.sub(r"\s", "", terminal.text())
    for word in re.findall(r"w\d{3}", "".join(PIECES[:60])):
        assert flowing.count(word) == 1
    terminal.is_sane()
