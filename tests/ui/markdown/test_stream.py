"""What is printed does not depend on how the text was cut, and nothing is lost."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gemcli.ui.markdown.blocks import parse
from gemcli.ui.markdown.render import Renderer
from gemcli.ui.markdown.stream import MarkdownStream

# Lines that begin, continue, interrupt or end every kind of block
LINES = [
    "word",
    "two words **bold",
    "end** of `code`",
    "# heading",
    "===",
    "---",
    "***",
    "- item",
    "-",
    "* star",
    "+ plus",
    "  - nested",
    "    - deeper",
    "  continued",
    "1. first",
    "2. second",
    "7) seventh",
    "10. tenth",
    "   1. nested number",
    "> quote",
    "> - quoted item",
    ">",
    "> > twice",
    "```",
    "```py",
    "~~~",
    "````",
    "def f(): return '''",
    "'''",
    "  ```",
    "  ```js",
    "- ```c",
    "    indented code",
    "\tafter a tab",
    "| a | b |",
    "|---|--:|",
    "| 1 | 2 | 3 |",
    "a | b",
    "-|-",
    "[1]: http://example.com",
    "see [text][1]",
    "<div>",
    "</div>",
    "<!-- comment",
    "中文字符，很长的一行文字",
    "👩‍👩‍👧 e\u0301",
    "",
    "",
    "",
    " ",
]
lines = st.sampled_from(LINES) | st.text(alphabet="ab *_`#>-+1.)|\\[]()<~= \t", max_size=8)
documents = st.lists(lines, max_size=14).flatmap(
    lambda parts: st.booleans().map(lambda end: "\n".join(parts) + "\n" * end)
)


def rendered(pieces: list[str], width: int, frames: bool) -> str:
    """All finished lines, with a frame after each piece or only one at the end."""
    stream, renderer = MarkdownStream(), Renderer()
    printed = []
    for piece in pieces:
        stream.push(piece)
        if frames:
            printed += renderer.finished(stream.settle(), width)
            renderer.live(stream.unsettled(), width, 24)
    printed += renderer.finished(stream.settle(final=True), width)
    return "\n".join(line.plain for line in printed)


def cut(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(p % (len(text) + 1) for p in places)})
    return [text[a:b] for a, b in pairwise(edges)]


@given(documents, st.lists(st.integers(0, 1000), max_size=12), st.sampled_from([20, 40, 80, 200]))
@example("- a\n-\n  b\n", [], 80)
@example("a\n***bold***\n", [], 80)
@example("a\n| x | y |\n|---|---|\n| 1 | 2 |\nb", [], 80)
@example("- ```\n  x\n\n\nb", [], 80)
@example("1. a\n\n1. b\n1) c\n- d\n* e", [], 80)
@settings(max_examples=200, deadline=None)
def test_cuts_do_not_matter(document, places, width):
    whole = rendered([document], width, frames=False)
    assert rendered(list(document), width, frames=True) == whole
    assert rendered(cut(document, places), width, frames=True) == whole


@given(documents)
@settings(max_examples=150, deadline=None)
def test_leaves_are_those_of_one_parse(document):
    """Restarting the parser in the middle gives the same leaves as parsing the whole."""
    stream = MarkdownStream()
    pieces = []
    for character in document:
        stream.push(character)
        pieces += stream.settle()
    pieces += stream.settle(final=True)
    streamed = [(p.leaf.kind, p.leaf.first, p.leaf.rest, p.leaf.info) for p in pieces if not p.skip]
    assert streamed == [(leaf.kind, leaf.first, leaf.rest, leaf.info) for leaf in parse(document)]


MARKUP = re.compile(r"[\s#*_`~>|\\\[\]()<=+.\-─│•◦▪0-9:]+")


@given(st.lists(lines.filter(lambda line: "|" not in line), max_size=14).map("\n".join))
@settings(max_examples=150, deadline=None)
def test_no_text_is_lost(document):
    """Every word of the source is on the screen, in order, at any width."""
    for width in (3, 20, 80):
        assert MARKUP.sub("", rendered([document], width, frames=False)) == MARKUP.sub("", document)


def test_cells_beyond_the_header_are_kept():
    text = rendered(
        ["| a | b |\n|---|---|\n| 1 | 2 | three | four |\n> | q |\n> |---|\n> | 5 | six |"], 80, False
    )
    for cell in ("three", "four", "six"):
        assert cell in text


def test_deep_nesting_is_shown_and_quick():
    for opener in (">", "- ", "1. "):
        text = rendered([opener * 3000 + "the bottom"], 80, frames=False)
        assert "the bottom" in text


def test_finished_lines_come_early():
    stream, renderer = MarkdownStream(), Renderer()
    stream.push("para\n\nnext")
    assert stream.settle() == []  # the second paragraph has no complete line yet
    stream.push(" line\n")
    assert [line.plain for line in renderer.finished(stream.settle(), 80)] == ["para"]
    stream.push("```py\nx = 1\ny = ")
    printed = [line.plain for line in renderer.finished(stream.settle(), 80)]
    assert printed[-1] == "x = 1"
    assert [line.plain for line in renderer.live(stream.unsettled(), 80, 24)] == ["y = "]


@pytest.mark.parametrize(
    "line",
    ["- item **bold** and `code`\n", "1. item\n", "paragraph\n\n", "> quote\n\n", "# head\n"],
)
def test_what_is_parsed_again_stays_small(line):
    stream = MarkdownStream()
    for _ in range(500):
        stream.push(line)
        stream.settle()
    assert len(stream._tail) < 4 * len(line)


def test_long_code_is_not_parsed_again():
    stream = MarkdownStream()
    stream.push("```py\n")
    for number in range(5000):
        stream.push(f"x{number} = {number}\n")
        stream.settle()
    assert len(stream._tail) < 100
