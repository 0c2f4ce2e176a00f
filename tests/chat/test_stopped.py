"""Ctrl-C at every stage of an answer: it ends, the chat goes on, the terminal is as it was."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

STAGES = [("import", "reading"), ("describe", "reading"), ("load", "loading"), ("prefill", "prefill")]


@pytest.mark.parametrize(("stage", "sign"), STAGES)
def test_before_the_first_word(chat, place, stage, sign):
    place.file("a.md", "word " * 200)
    terminal = chat("a.md", stall=stage, stall_s=4)
    terminal.enter("What?")
    terminal.until(sign)
    began = time.monotonic()
    terminal.interrupt()
    terminal.until("stopped")
    terminal.prompt()
    assert time.monotonic() - began < 3
    terminal.enter("/files")  # it will be shown with the next question
    terminal.until("1  a.md")
    assert "^C" not in terminal.text()
    terminal.enter("What then?")
    terminal.until("Hello world.")  # whatever was still on its way does not stand in its
    terminal.enter("\x04")
    assert terminal.end() == 0
    terminal.is_sane()
    assert "Traceback" not in terminal.text()
    assert not any(sign in line for line in terminal.text().split("\n")), "the bar is gone"


def test_in_the_middle_of_an_answer(chat, place):
    place.file("a.md")
    terminal = chat("a.md", pieces=["So **far", "**, so `good", "` but"], stall="decode", stall_s=6)
    terminal.enter("What?")
    terminal.until("So far, so good but")
    terminal.interrupt()
    terminal.until("stopped; what was said is kept")
    terminal.enter("/save talk.json")
    terminal.until("1 turn saved")
    terminal.enter("/save talk.md")
    terminal.until(lambda text: text.count("1 turn saved") == 2)
    terminal.enter("/retry")
    terminal.until(lambda text: text.count("So far, so good but") == 2)
    terminal.interrupt()
    terminal.until(lambda text: text.count("stopped") == 2)
    terminal.enter("/exit")
    assert terminal.end() == 0
    terminal.is_sane()
    [turn] = json.loads((place.folder / "talk.json").read_text())["turns"]
    assert (turn["answer"], turn["finish_reason"]) == ("So **far**, so `good` but", "interrupt")
    assert (place.folder / "talk.md").read_text() == (
        "> What?\n\n- a.md\n\nSo **far**, so `good` but\n\n(stopped here)\n"
    )


def test_in_a_command(chat, place):
    place.file("a.md")
    terminal = chat("a.md", stall="describe", stall_s=30)
    terminal.enter("/plan")
    terminal.until("reading")
    terminal.interrupt()
    terminal.until("stopped")
    terminal.enter("/exit")
    assert terminal.end() == 0
    terminal.is_sane()


def test_impatience(chat):
    terminal = chat(stall="prefill", stall_s=30)
    terminal.enter("What?")
    terminal.until("prefill")
    terminal.type("\x03\x03\x03")
    terminal.until("stopped")
    terminal.prompt()
    terminal.type("\x04")
    assert terminal.end() == 0
    terminal.is_sane()


@pytest.mark.parametrize("typing", [True, False])
def test_a_polite_end(chat, typing):
    terminal = chat(stall="prefill", stall_s=30)
    terminal.prompt()
    if not typing:
        terminal.type("What?\r")
        terminal.until("prefill")
    os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.end() == 143
    terminal.is_sane()
    assert terminal.text().endswith("gemcli: terminated")


def test_a_signal_at_the_prompt_drops_the_line(chat):
    terminal = chat()
    terminal.prompt()
    terminal.type("half")
    terminal.until("> half")
    os.kill(terminal.process.pid, signal.SIGINT)
    terminal.prompt()
    terminal.enter("/exit")
    assert terminal.end() == 0
    terminal.is_sane()


def test_a_window_that_is_closed(chat):
    terminal = chat(stall="prefill", stall_s=30)
    terminal.enter("What?")
    terminal.until("prefill")
    os.kill(terminal.process.pid, signal.SIGHUP)
    assert terminal.end(20) in (-signal.SIGHUP, 129, 143)
