"""Nothing gets through to a terminal, however it is cut up, and no text is lost on the way."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemcli.ui.sanitize import Sanitizer, clean, clean_line

CONTROLS = {chr(c) for c in [*range(0x20), 0x7F, *range(0x80, 0xA0)]} - {"\n", "\t"}
BIDI = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

characters = [*"\x1b[];m\x07\x9b\x9c\x9d\\P_\n\t\r\x00\x7f\u202e\u2069é中 (B\ud800"]
fragments = st.sampled_from(
    [*characters, "31", "8;;http://x", "52;c;aGk=", "text", "\x1b[2J", "?25l"],
)
texts = st.lists(fragments | st.text(max_size=3), max_size=30).map("".join)


def cut(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(p % (len(text) + 1) for p in places)})
    return [text[a:b] for a, b in pairwise(edges)]


def streamed(pieces: list[str], terminal: bool) -> tuple[str, list[str]]:
    sanitizer = Sanitizer(terminal=terminal)
    shown = [sanitizer.push(piece) for piece in pieces] + [sanitizer.flush()]
    return "".join(shown), shown


@given(texts, st.lists(st.integers(0, 10_000), max_size=20), st.booleans())
def test_no_control_gets_through_and_cuts_do_not_matter(text, places, terminal):
    whole, _ = streamed([text], terminal)
    by_cuts, shown = streamed(cut(text, places), terminal)
    by_characters, _ = streamed(list(text), terminal)
    assert whole == by_cuts == by_characters
    forbidden = CONTROLS | BIDI if terminal else CONTROLS
    assert not forbidden & set(whole)
    assert not any(forbidden & set(piece) for piece in shown)


@given(st.text().filter(lambda text: not (CONTROLS | BIDI) & set(text)), st.lists(st.integers(0, 1000)))
def test_harmless_text_is_untouched_and_never_held_back(text, places):
    sanitizer = Sanitizer(terminal=True)
    assert [sanitizer.push(piece) for piece in cut(text, places)] == cut(text, places)
    assert sanitizer.flush() == ""


@given(st.text(alphabet=st.characters(blacklist_categories=["Cc"])), st.text())
def test_an_escape_never_swallows_the_text_that_follows_it(after, before):
    """However a sequence is left open, a new line of text after it is shown."""
    for opener in ["\x1b]52;c;", "\x1bP", "\x1b[", "\x9d8;;", "\x1b", "\x1b("]:
        assert clean(before + opener + "\n" + after, terminal=False).endswith("\n" + after)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[31mred\x1b[0mb", "aredb"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;cm0gLXJm\x07after", "after"),
        ("\x9b2Jx", "x"),
        ("\x9d0;title\x9cx", "x"),
        ("\x1bPq#0;1\x1b\\x", "x"),
        ("\x1b(Bx\x1b=y\x1bcz", "xyz"),
        ("one\r\ntwo\x08\x07\x00\x7f", "one\ntwo"),
        ("tab\tstays\n", "tab\tstays\n"),
        ("\x1b]never closed", "never closed"),
        ("\x1b[12", "12"),
        ("\x1b\x1b[1mx", "x"),
        ("\x1b]a" + "b" * 5000 + "\x07c", "a" + "b" * 5000 + "c"),
    ],
)
def test_known_sequences(text, expected):
    assert clean(text, terminal=True) == expected


def test_bidi_controls_stay_outside_a_terminal():
    assert clean("a\u202eb\u2066c", terminal=True) == "abc"
    assert clean("a\u202eb\u2066c", terminal=False) == "a\u202eb\u2066c"


def test_what_is_held_back_is_bounded():
    sanitizer = Sanitizer(terminal=True)
    shown = "".join(sanitizer.push("x" * 100) for _ in range(100)) + sanitizer.push("\x1b]0;")
    assert len(shown) == 10_000
    assert len("".join(sanitizer.push("y" * 100) for _ in range(100))) > 5_000


def test_a_long_open_sequence_stays_cheap():
    assert clean("\x1b[" * 50_000, terminal=True) == ""
    assert clean("\x1b]" * 50_000, terminal=True) == ""


def test_messages_become_one_line():
    assert clean_line("two\n lines\t\x1b[1mof", terminal=True) == "two lines of"
