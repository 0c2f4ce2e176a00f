"""In a pipe: the answer's text, at once, and nothing else."""

import os

from hypothesis import given
from hypothesis import strategies as st

from gemcli.events import Error, Init, Progress, Result, Thought, Token, Warning
from gemcli.ui.raw import RawView
from gemcli.ui.streams import Out


class Collect(Out):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def write(self, text: str, errors: str = "replace") -> None:
        self.text += text


@given(st.lists(st.text(max_size=5)))
def test_the_answer_and_one_newline(pieces):
    out = Collect()
    view = RawView(out)
    for piece in pieces:
        view.show(Token(piece))
    view.show(Result({}))
    view.close(None)
    clean = out.text
    assert clean == "" or clean.endswith("\n")
    if not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in "".join(pieces)):
        text = "".join(pieces)
        assert clean == (text if text.endswith("\n") or not text else text + "\n")


def test_nothing_but_tokens_is_written():
    out = Collect()
    view = RawView(out)
    for event in [Init("a", "b"), Progress("load", 1, 2, "x"), Thought("hm"), Warning("w"), Error(1, "e")]:
        view.show(event)
    view.close(KeyboardInterrupt())
    assert out.text == ""


def test_each_token_leaves_at_once():
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        view = RawView(Out(stream))
        for token in ["One", " two", "\n", "中"]:
            view.show(Token(token))
            assert os.read(reader, 100) == token.encode()
        view.close(None)
        assert os.read(reader, 100) == b"\n"
    os.close(reader)


def test_an_escape_over_two_tokens_is_taken_out():
    out = Collect()
    view = RawView(out)
    for token in ["red: \x1b", "[31mtext\x1b]8;;http", "://x\x07 end\x9b"]:
        view.show(Token(token))
    view.close(None)
    assert out.text == "red: text end\n"


def test_what_was_held_back_at_the_end_is_shown():
    out = Collect()
    view = RawView(out)
    view.show(Token("text \x1b[12"))
    view.show(Result({}))
    view.close(None)
    assert out.text == "text 12\n"


def test_on_a_terminal_a_note_begins_on_its_own_line(kit):
    with kit.PseudoTerminal() as terminal:
        view = RawView(Out(terminal.stream))
        assert view.step_aside() == ""
        view.show(Token("half a line"))
        assert view.step_aside() == "\n"
        view.show(Token("\n"))
        assert view.step_aside() == ""
    view = RawView(Collect())
    view.show(Token("half"))
    assert view.step_aside() == ""
