"""Pieces as rows: the looks of each kind, and rows that fit."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.ui.markdown.encode import encode
from gemcli.ui.markdown.render import Renderer
from gemcli.ui.markdown.stream import MarkdownStream
from gemcli.ui.markdown.wrap import cells
from gemcli.ui.terminal import PLAIN, Ability


def rows(source: str, width: int, *, live: bool = False):
    stream = MarkdownStream()
    stream.push(source)
    if live:
        return Renderer().live(stream.unsettled(), width, 24)
    return Renderer().finished(stream.settle(final=True), width)


def plain(source: str, width: int = 30, *, live: bool = False) -> list[str]:
    return [row.plain for row in rows(source, width, live=live)]


def test_gaps_between_blocks():
    assert plain("# h\np\n- a\n- b\n\n- c\n\nq\n> r\n>\n> s\n---") == [
        *["h", "", "p", "", " • a", " • b", " • c", "", "q", "", "│ r", "│", "│ s", "", "─" * 30],
    ]


def test_two_lists_have_a_gap():
    assert plain("- a\n\n* b\n\n1. c") == [" • a", "", " • b", "", " 1. c"]


def test_code_stands_between_lines_with_its_language():
    assert plain("```py\nx\n```") == ["── py ────────────────────────", "x", "─" * 30]
    assert plain("```\nx") == ["─" * 30, "x", "─" * 30]


def test_code_that_is_still_open_has_no_end():
    assert plain("```py\nx\ny", live=True)[1:] == ["x", "y"]


def test_wrapped_rows_keep_their_indent():
    assert plain("- one two three\n  - four five six", 16) == [
        *[" • one two three", "    ◦ four five", "      six"],
    ]


def test_deep_prefixes_leave_room():
    found = plain("> " * 30 + "some words", 20)
    assert [row.lstrip("│ ") for row in found] == ["some words"]
    assert cells(found[0]) <= 20


@given(
    st.text(alphabet="ab *_`#>-+1.)|\\[]()<~\n中👩\u200d", max_size=60),
    st.integers(12, 60),
)
@settings(deadline=None, max_examples=200)
def test_live_rows_always_fit(source, width):
    for row in rows(source, width, live=True):
        assert cells(row.plain) <= width


def test_long_paragraphs_are_only_rendered_at_their_end_while_live():
    source = " ".join(f"word{n}" for n in range(20_000))
    found = plain(source, 40, live=True)
    assert found[-1].endswith("word19999")
    assert 24 <= len(found) < 200


def test_prefix_styles_do_not_leak():
    able = Ability(live=True, styled=True, coloured=True)
    assert [encode(row, able) for row in rows("- **x** y", 30)] == [
        "\x1b[2m • \x1b[0m\x1b[1mx\x1b[0m y",
    ]
    assert encode(rows("# Title", 30)[0], able) == "\x1b[1;4mTitle\x1b[0m"
    assert encode(rows("# Title", 30)[0], PLAIN) == "Title"


def test_colours_are_the_terminals_own_and_never_a_background():
    able = Ability(live=True, styled=True, coloured=True)
    text = "".join(encode(row, able) for row in rows("`a`\n\n```py\ndef f(): return 'x' # c\n```", 60))
    codes = {code for part in text.split("\x1b[")[1:] for code in part.split("m")[0].split(";")}
    assert codes <= {"0", "1", "2", "3", "4", "9", *map(str, range(30, 38)), *map(str, range(90, 98))}
    assert len(codes) > 4
