"""Colours that do not depend on how the code arrived, at a cost that does not grow with it."""

import inspect
import time

import pytest
from pygments.lexers import get_lexer_by_name

from gemcli.ui.markdown import highlight
from gemcli.ui.markdown.highlight import Highlighter

PYTHON = inspect.getsource(inspect)[:9_000].split("\n")


def spans(lines) -> list[list[tuple[str, str]]]:
    """(text, style) of each line's pieces, neighbours of one style joined."""
    result = []
    for line in lines:
        styles = [""] * len(line.plain)
        for span in line.spans:
            styles[span.start : span.end] = [str(span.style)] * (span.end - span.start)
        result.append(list(zip(line.plain, styles, strict=True)))
    return result


@pytest.mark.parametrize("step", [1, 7])
def test_line_by_line_gives_the_colours_of_the_whole(step):
    whole = spans(Highlighter("python").peek(PYTHON))
    highlighter = Highlighter("python")
    shown = []
    for at in range(0, len(PYTHON), step):
        shown += highlighter.feed(PYTHON[at : at + step])
    assert spans(shown) == whole
    assert {style for line in whole for _, style in line} >= {"magenta", "green", "bright_black"}


def test_what_is_lexed_again_is_bounded(monkeypatch):
    lexed = []
    lex = Highlighter._lex
    monkeypatch.setattr(
        Highlighter, "_lex", lambda self, lines: lexed.append(sum(map(len, lines))) or lex(self, lines)
    )
    highlighter = Highlighter("c")
    for number in range(600):
        highlighter.feed([f"int variable_{number} = {number};"])
    assert max(lexed) < 2 * highlight._WINDOW


def test_a_language_that_needs_its_beginning_keeps_it():
    highlighter = Highlighter("php")
    lines = ["<?php"] + [f"$x{n} = 'text';" for n in range(150)]
    shown = []
    for line in lines:
        shown += highlighter.feed([line])
    assert spans(shown)[-1] == spans(Highlighter("php").peek(lines))[-1]
    assert ("t", "green") in spans(shown)[-1]


def test_peek_remembers_nothing():
    highlighter = Highlighter("python")
    highlighter.feed(['x = """open'])
    assert spans(highlighter.peek(["still text"]))[0][0] == ("s", "green")
    assert spans(highlighter.peek(["still text"]))[0][0] == ("s", "green")
    assert spans(highlighter.feed(['"""', "y = 1"]))[1][4] == ("1", "yellow")


@pytest.mark.parametrize("language", ["", "nosuchlanguage", "text"])
def test_unknown_languages_are_plain(language):
    assert [line.plain for line in Highlighter(language).feed(["a <b> *c*", "", "\u4e2d"])] == [
        "a <b> *c*",
        "",
        "\u4e2d",
    ]


def test_every_line_comes_back_as_it_was():
    lines = ["", "  x", "", "\ty ", "", ""]
    for language in ("python", "json", "html", "diff", "make", "pycon", "console"):
        get_lexer_by_name(language)
        assert [line.plain for line in Highlighter(language).feed(lines)] == lines


def test_a_very_long_line_is_not_lexed():
    began = time.monotonic()
    Highlighter("json").feed(["[" + "1," * 500_000 + "1]"])
    assert time.monotonic() - began < 1
