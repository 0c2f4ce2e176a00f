"""Thoughts on stderr: faint where it can be seen, a line of their own, and clean."""

import subprocess

import pytest

from gemcli.ui.streams import Err
from gemcli.ui.thoughts import Thoughts

THINK = 'ui(Thought("Let me ")); ui(Thought("see.\\nYes"));'
SAY = 'ui(Token("An ")); ui(Token("answer")); ui(Result({}))'


class Collect(Err):
    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__()
        self.is_terminal = terminal
        self.text = ""

    def write(self, text: str, errors: str = "backslashreplace") -> None:
        self.text += text


def test_they_are_plain_in_a_pipe():
    err = Collect()
    thoughts = Thoughts(err)
    for piece in ["a", " b\n", "c"]:
        thoughts.push(piece)
    thoughts.end()
    thoughts.end()
    assert err.text == "a b\nc\n"


def test_they_are_faint_on_a_terminal_and_set_off_from_the_answer(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    err = Collect(terminal=True)
    thoughts = Thoughts(err)
    thoughts.push("hm")
    thoughts.push(" so\n")
    thoughts.end()
    assert err.text == "\x1b[2mhm\x1b[0m\x1b[2m so\n\x1b[0m\n"


def test_nothing_thought_writes_nothing():
    err = Collect(terminal=True)
    Thoughts(err).end()
    assert err.text == ""


def test_an_escape_over_two_pieces_is_taken_out():
    err = Collect()
    thoughts = Thoughts(err)
    thoughts.push("a\x1b[3")
    thoughts.push("1mb\x07")
    thoughts.end()
    assert err.text == "ab\n"


def run(kit, script, **options):
    process = kit.produce(
        script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **options
    )
    out, err = process.communicate(timeout=30)
    return out.decode(), err.decode()


@pytest.mark.parametrize("ui", ["", "raw=True", "quiet=True"])
def test_in_pipes_they_go_to_stderr(kit, ui):
    assert run(kit, THINK + SAY, ui=ui) == ("An answer\n", "Let me see.\nYes\n")


def test_styled_pipes_keep_them_out_of_the_answer_too(kit):
    out, err = run(kit, THINK + SAY, environ={"FORCE_COLOR": "1"})
    assert out == "An answer\n"
    assert err.replace("\x1b[2m", "").replace("\x1b[0m", "") == "Let me see.\nYes\n"


def test_beside_one_json_object_they_go_to_stderr(kit):
    out, err = run(kit, THINK + 'ui(Result({"answer": "x"}))', ui="output='json'")
    assert (out, err) == ('{"answer": "x"}\n', "Let me see.\nYes\n")


def test_in_json_lines_they_are_lines(kit):
    out, err = run(kit, THINK + SAY, ui="output='stream-json'")
    assert out.splitlines()[:2] == [
        '{"type": "thought", "text": "Let me "}',
        '{"type": "thought", "text": "see.\\nYes"}',
    ]
    assert err == ""


def test_a_warning_begins_a_line_of_its_own(kit):
    _, err = run(kit, 'ui(Thought("hm"));ui(Warning("w"));ui(Thought("so"));' + SAY)
    assert err == "hm\ngemcli: warning: w\nso\n"


def test_thoughts_that_lead_to_no_answer_are_ended(kit):
    _, err = run(kit, 'ui(Thought("hm"));raise InputError("no", "x")')
    assert err == "hm\ngemcli: error: no\ngemcli: hint: x\n"


def test_on_a_terminal_they_come_before_the_answer(kit):
    with kit.PseudoTerminal(40, 12) as terminal:
        process = kit.produce(
            THINK + SAY, ui="raw=True", stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave
        )
        process.communicate(timeout=30)
        transcript, output = terminal.sync().transcript(), terminal.output()
    assert transcript == ["Let me see.", "Yes", "", "An answer"]
    assert b"\x1b[2mLet me \x1b[0m" in output
