import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.ingest.blocks import blocks
from gemcli.ingest.headings import Heading, headings, joined, under
from gemcli.ingest.source import Source
from gemcli.ingest.text import read
from gemcli.parts import Anchor, Text

MARKDOWN = """\
---
title: x
---
# One #
text

Two
---

```sh
# no heading
```
    # nor this
####### nor this
#nor this
- item
---
### Three `code`
"""


def seen(text, media_type="text/markdown"):
    return [(each.line, each.level, each.title) for each in headings(text, media_type)]


def test_markdown():
    assert seen(MARKDOWN) == [(4, 1, "One"), (7, 2, "Two"), (18, 3, "Three `code`")]


def test_a_fence_ends_only_with_its_own_kind():
    assert seen("~~~\n```\n# no\n~~~ x\n~~~~\n# yes\n") == [(6, 1, "yes")]


def test_restructured_text_ranks_by_appearance():
    text = "=====\nTitle\n=====\n\nPart\n====\n\nSub\n---\n\nPart two\n========\n\ntext\n"
    text += "\n====  ====\na     b\n====  ====\n"
    assert seen(text, "text/x-rst") == [(2, 1, "Title"), (5, 2, "Part"), (8, 3, "Sub"), (11, 2, "Part two")]


def test_code_and_tex():
    code = "import os\n\nclass A:\n    async def b(self):\n        pass\n\ndef c(): ...\n"
    assert seen(code, "text/x-python") == [(3, 0, "class A"), (4, 4, "def b"), (7, 0, "def c")]
    assert seen("\\section{Über uns}\n\\subsection*{B}\n", "text/x-tex") == [(1, 3, "Über uns"), (2, 4, "B")]


def test_plain_text_has_none():
    assert seen("# a\n", "text/plain") == []


def test_each_part_knows_what_it_stands_under():
    found = [Heading(2, 1, "A"), Heading(5, 2, "B"), Heading(9, 1, "C")]
    parts = [
        Text("x\n", Anchor(lines=(1, 1))),
        Text("\n# A\n", Anchor(lines=(1, 2))),
        Text("x\n", Anchor(lines=(6, 7))),
        Text("x\n", Anchor(lines=(8, 8))),
        Text("# C\n", Anchor(lines=(9, 20))),
    ]
    assert [part.heading for part in under(parts, found)] == ["", "A", "A › B", "A › B", "C"]


def test_long_titles_are_cut():
    assert len(joined(["x" * 500])) == 120
    assert joined(["a", "", " b\n c "]) == "a › b c"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(["# a", "## b", "c", "===", "---", "```", "", "    d", "> e"]), max_size=200))
def test_headings_change_neither_text_nor_anchors(lines):
    text = "x\n" + "\n".join(lines)
    document = read(Source("a.md", None, "text/markdown", text.encode()), lambda done, total: None)
    plain = list(blocks(text))
    assert [(part.text, part.anchor) for part in document.parts] == [
        (part.text, part.anchor) for part in plain
    ]


@pytest.mark.parametrize("media_type", ["text/markdown", "text/x-rst", "text/x-python", "text/x-tex"])
@settings(deadline=None, max_examples=50)
@given(text=st.text(alphabet=" #=-`~\n\\section{}defclass*a", max_size=300))
def test_headings_stand_in_the_text_in_order(media_type, text):
    found = headings(text, media_type)
    lines = text.split("\n")
    assert [each.line for each in found] == sorted({each.line for each in found})
    for each in found:
        assert each.title.split()[-1] in lines[each.line - 1]


def test_long_lines_take_no_long_time():
    assert seen("# " + " " * 2_000_000 + "x\n" + "=" * 2_000_000 + " x\n# b #\n") == [(3, 1, "b")]
