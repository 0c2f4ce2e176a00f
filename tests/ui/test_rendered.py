"""On a real pseudo-terminal, streamed Markdown ends as if it had been rendered once."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gemcli.events import Result, Thought, Token
from gemcli.ui.rendered import RenderedView
from gemcli.ui.streams import Out
from gemcli.ui.terminal import ability

BLOCKS = [
    "# Heading **one**",
    "A paragraph of several words that is long enough to wrap at most widths, with `code` and **bold** text.",
    "混排 text 中文字符很长很长很长很长很长很长很长很长很长很长很长，标点。",
    "e\u0301e\u0301 n\u0303 👩‍👩‍👧‍👦 ❤️ 🇫🇷 한국어 ไทย हिन्दी",
    "- one\n- two with `code`\n  - nested **deep** item that is rather long and must wrap somewhere\n- three",
    "1. first\n2. second\n\n   more of the second\n10. tenth",
    "> quoted words that go on\n> and on\n>\n> - with a list",
    "| name | value |\n|:--|--:|\n| alpha | 1 |\n| 中文 | 22 |\n| a long cell that needs room | 333 |",
    "```python\ndef f(x):\n\treturn 'a string that is longer than the narrowest of these terminals'\n```",
    "```\nno language " + "x" * 90 + "\n```",
    "- item\n  ```c\n  int main(void) { return 0; /* nested code, long enough to be folded */ }\n  ```",
    "    indented code",
    "---",
    "a [link](http://example.com/a/rather/long/path?with=query) and [1][ref]",
    "[ref]: http://example.com",
    "unclosed **bold and `code",
    "W" * 250,
]
documents = st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=6).map("\n\n".join)


def show(kit, pieces, columns, rows, *, frames=True, middle=None):
    """The transcript after `pieces`, with a frame after each."""
    with kit.PseudoTerminal(columns, rows) as terminal:
        out = Out(terminal.stream)
        view = RenderedView(out, ability(out))
        for number, piece in enumerate(pieces):
            view.show(Token(piece))
            if frames:
                view.paint()
            if middle and number == len(pieces) // 2:
                middle(terminal)
        view.show(Result({}))
        view.close(None)
        screen = terminal.sync()
        output = terminal.output()
        assert screen.cursor.x == 0
        assert "\x1b[?25l" not in output.decode()
        assert output.count(b"\x1b[?7l") == output.count(b"\x1b[?7h")
        return screen.transcript()


def cut(text, places):
    edges = sorted({0, len(text), *(p % (len(text) + 1) for p in places)})
    return [text[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_character_by_character(kit, columns):
    document = "\n\n".join(BLOCKS)
    assert show(kit, list(document), columns, 24) == show(kit, [document], columns, 24, frames=False)


@given(
    documents,
    st.lists(st.integers(0, 2000), max_size=15),
    st.sampled_from([20, 40, 80, 200]),
    st.integers(3, 30),
)
@settings(max_examples=25, deadline=None)
def test_random_pieces(kit, document, places, columns, rows):
    assert show(kit, cut(document, places), columns, rows) == show(
        kit, [document], columns, rows, frames=False
    )


@pytest.mark.parametrize("columns", [20, 80])
@pytest.mark.parametrize(
    ("document", "unique"),
    [
        ("```py\n" + "".join(f"line_{n:03d} = {n}\n" for n in range(100)) + "```\n", "line_{:03d}"),
        (
            "- item\n  ```py\n" + "".join(f"  line_{n:03d} = {n}\n" for n in range(60)) + "  ```\n",
            "line_{:03d}",
        ),
        ("| n |\n|---|\n" + "".join(f"| row{n:03d} |\n" for n in range(60)), "row{:03d}"),
        (" ".join(f"word{n:03d}" for n in range(300)), "word{:03d}"),
        ("".join(f"- item{n:03d}\n" for n in range(60)), "item{:03d}"),
        ("".join(f"> > quote{n:03d}\n" for n in range(60)), "quote{:03d}"),
    ],
)
def test_what_is_taller_than_the_screen_is_not_repeated(kit, document, unique, columns):
    pieces = [document[at : at + 7] for at in range(0, len(document), 7)]
    transcript = show(kit, pieces, columns, 10)
    text = "\n".join(transcript)
    number = 0
    while unique.format(number) in document:
        assert text.count(unique.format(number)) == 1
        number += 1
    assert number >= 60
    assert transcript == show(kit, [document], columns, 10, frames=False)


@given(st.integers(0, 6), st.sampled_from([(80, 33), (33, 80), (60, 59), (120, 20)]))
@settings(max_examples=14, deadline=None)
@example(1, (80, 20))
def test_resizing_in_the_middle_repeats_and_loses_nothing(kit, block, widths):
    words = iter(f"w{n:03d}" for n in range(1000))
    document = "\n\n".join(
        [
            "# " + next(words),
            " ".join(next(words) for _ in range(40)),
            "\n".join(f"- {next(words)} {next(words)}" for _ in range(10)),
            "```\n" + "\n".join(" ".join(next(words) for _ in range(6)) for _ in range(10)) + "\n```",
            "\n".join(["| a | b |", "|---|---|"] + [f"| {next(words)} | {next(words)} |" for _ in range(6)]),
        ][block % 5 :]
    )
    before, after = widths
    pieces = [document[at : at + 5] for at in range(0, len(document), 5)]
    transcript = show(kit, pieces, before, 12, middle=lambda terminal: terminal.resize(after))
    text = "".join(row.replace(" ", "") for row in transcript)
    for word in sorted(set(document.split())):
        if word.startswith("w"):
            assert text.count(word) == 1, word


def test_code_can_be_copied(kit):
    """No padding, no background, and a long line is one line to the terminal."""
    code = "x = '" + "y" * 100 + "'\nif x:\n    pass\n"
    with kit.PseudoTerminal(40, 24) as terminal:
        out = Out(terminal.stream)
        view = RenderedView(out, ability(out))
        view.show(Token(f"```python\n{code}```\n"))
        view.close(None)
        plain = kit_plain(terminal.output())
        background = [cell.bg for row in terminal.sync().buffer.values() for cell in row.values()]
    assert code.replace("\n", "\r\n") in plain
    assert set(background) == {"default"}
    assert not any(row.endswith(" ") for row in plain.split("\r\n"))


def test_live_text_is_on_the_screen_before_the_line_ends(kit):
    with kit.PseudoTerminal(80, 24) as terminal:
        out = Out(terminal.stream)
        view = RenderedView(out, ability(out))
        view.show(Token("Half a **sent"))
        view.paint()
        assert terminal.sync().transcript() == ["Half a sent"]  # without the marks that will vanish
        view.show(Token("ence** more"))
        view.paint()
        assert terminal.sync().transcript() == ["Half a sentence more"]
        view.close(None)


def test_what_was_held_back_at_the_end_is_shown(kit):
    assert show(kit, ["text \x1b[1", "2"], 40, 10) == ["text 12"]


def test_a_frame_in_which_nothing_changed_writes_nothing(kit):
    with kit.PseudoTerminal(80, 24) as terminal:
        out = Out(terminal.stream)
        view = RenderedView(out, ability(out))
        view.show(Token("text"))
        view.paint()
        written = len(terminal.output())
        view.paint()
        view.show(Token(""))
        view.paint()
        assert len(terminal.output()) == written
        view.close(None)


def test_thoughts_are_dim_and_before_the_answer(kit):
    with kit.PseudoTerminal(30, 24) as terminal:
        out = Out(terminal.stream)
        view = RenderedView(out, ability(out))
        for piece in ["Let me ", "think about it for more than a row.\nSo", " yes"]:
            view.show(Thought(piece))
            view.paint()
        view.show(Token("**Answer**"))
        view.paint()
        view.show(Result({}))
        view.close(None)
        transcript = terminal.sync().transcript()
        output = terminal.output()
    assert transcript == ["Let me think about it for more", "than a row.", "So yes", "", "Answer"]
    assert b"\x1b[2mSo yes" in output
    assert b"\x1b[1mAnswer" in output


def test_no_color_keeps_bold_and_takes_colours(kit, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    with kit.PseudoTerminal(80, 24) as terminal:
        out = Out(terminal.stream)
        view = RenderedView(out, ability(out))
        view.show(Token("**bold** `code`\n\n```py\nx = 1\n```\n"))
        view.close(None)
        output = terminal.output()
    assert b"\x1b[1mbold" in output
    assert b"\x1b[3" not in output
    assert b"\x1b[9" not in output


def kit_plain(output: bytes) -> str:
    import re

    return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", output.decode())
