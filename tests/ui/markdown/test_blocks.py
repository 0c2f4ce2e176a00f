"""Leaves, their prefixes, and where parsing can begin again."""

import pytest

from gemcli.ui.markdown.blocks import parse


def flat(source: str) -> list[tuple[str, str, str]]:
    return [(leaf.kind, leaf.first, leaf.text) for leaf in parse(source)]


def test_kinds():
    source = "# h\n\np\n\n```c\nx\n```\n\n    y\n\n---\n\n| a |\n|---|\n| 1 |\n"
    assert [leaf.kind for leaf in parse(source)] == ["heading", "text", "code", "code", "rule", "table"]


def test_prefixes():
    assert flat("- a\n  - b\n\n    c\n1. d\n9. e\n") == [
        ("text", " • ", "a"),
        ("text", "    ◦ ", "b"),
        ("text", "      ", "c"),
        ("text", " 1. ", "d"),
        ("text", " 2. ", "e"),
    ]
    assert flat("> a\n>\n> 7) b\n>    > c") == [
        ("text", "│ ", "a"),
        ("text", "│  7) ", "b"),
        ("text", "│     │ ", "c"),
    ]
    assert flat("- - a") == [("text", " •  ◦ ", "a")]


def test_an_empty_item_keeps_its_marker():
    assert flat("- a\n-\n- c") == [("text", " • ", "a"), ("text", " • ", ""), ("text", " • ", "c")]


@pytest.mark.parametrize(
    ("source", "closed", "lines"),
    [
        ("```", False, []),
        ("```\n", False, []),
        ("```\n```", True, []),
        ("```\n\n```\n", True, [""]),
        ("```\na", False, ["a"]),
        ("```\na\n\n", False, ["a", ""]),
        ("```\na\n```\n", True, ["a"]),
        ("~~~\n```\n~~~\n", True, ["```"]),
        ("- ```\n  a\n\nb", False, ["a", ""]),
    ],
)
def test_fences(source, closed, lines):
    leaf = parse(source)[0]
    assert (leaf.fenced, leaf.closed, leaf.lines) == (True, closed, lines)


def test_tables():
    leaf = parse("| a | b |\n|:-:|--:|\n| 1 | 2 | 3 |\n| x |\n")[0]
    assert leaf.cells == (("a", "b"), ("1", "2", "3"), ("x", ""))
    assert leaf.alignments == ("center", "right")


def test_parsing_can_begin_again_at_an_item():
    source = "3. a\n1. b\n   - c\n1. d\n"
    leaves = parse(source)
    again = leaves[-1].resume
    assert (again.line, again.number, again.in_list) == (3, 5, True)
    rest = "\n".join(source.split("\n")[again.line :])
    assert [leaf.first for leaf in parse(rest, again)] == [leaves[-1].first] == [" 5. "]
