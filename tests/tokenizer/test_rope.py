"""Ropes behave as their plain text, and no operation makes a character trusted that was not."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.tokenizer import rope
from model.tokenizer.rope import Rope, fill, join, merged, parts_of, trusted

pieces = st.text("ab ,\n\r%s{}", max_size=6)
ropes = st.lists(st.tuples(pieces, st.booleans()), max_size=5).map(Rope)

OPERATIONS: dict[str, Any] = {
    "strip": lambda text: text.strip(),
    "strip chars": lambda text: text.strip("a "),
    "lstrip": lambda text: text.lstrip(),
    "rstrip": lambda text: text.rstrip("\n"),
    "slice": lambda text: text[1:-1],
    "reversed": lambda text: text[::-1],
    "index": lambda text: text[:3][-1:],
    "split": lambda text: text.split(),
    "split once": lambda text: text.split(None, 1),
    "split comma": lambda text: text.split(","),
    "split two": lambda text: text.split("ab", 2),
    "rsplit": lambda text: text.rsplit(None, 1),
    "rsplit comma": lambda text: text.rsplit(",", 1),
    "splitlines": lambda text: text.splitlines(),
    "splitlines keep": lambda text: text.splitlines(True),
    "partition": lambda text: text.partition(","),
    "rpartition": lambda text: text.rpartition("a"),
    "replace": lambda text: text.replace("a", "xyz"),
    "replace some": lambda text: text.replace("b", "", 1),
    "replace nothing": lambda text: text.replace("", "-"),
    "removeprefix": lambda text: text.removeprefix("a"),
    "removesuffix": lambda text: text.removesuffix("b"),
    "add": lambda text: text + "x",
    "radd": lambda text: "x" + text,
    "mul": lambda text: text * 3,
    "rmul": lambda text: 0 * text,
    "join": lambda text: text.join(["x", "y"]),
    "upper": lambda text: text.upper(),
    "str": str,
    "hash": hash,
    "equality": lambda text: (text == "a", text in {"a", "b"}, "a" in text, text < "b"),
    "find": lambda text: (text.find("b"), len(text), text.count("a"), text.startswith("a")),
}


@pytest.mark.parametrize("name", OPERATIONS)
@given(text=ropes)
def test_operations_give_what_they_give_for_plain_text(name: str, text: Rope) -> None:
    operation = OPERATIONS[name]
    assert operation(text) == operation(text.plain())


def trust_of(text: str) -> list[tuple[str, bool]]:
    return [(character, trust) for piece, trust in parts_of(text) for character in piece]


@given(text=ropes, data=st.data())
def test_cutting_keeps_the_trust_of_each_character(text: Rope, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(0, len(text)))
    assert trust_of(text[begin:end]) == trust_of(text)[begin:end]
    assert trust_of(text.strip()) == trust_of(text)[len(text) - len(text.lstrip()) : len(text.rstrip()) or 0]


@given(text=ropes)
def test_splitting_and_joining_keeps_the_trust_of_each_character(text: Rope) -> None:
    assert trust_of(join(text.split(","), ",")) == [
        (character, trust and character != ",") for character, trust in trust_of(text)
    ]
    assert trust_of(join(text.splitlines(True))) == trust_of(text)
    assert trust_of(join(text.partition("a")).plain()) == trust_of(text.plain())


@given(texts=st.lists(ropes, max_size=4), separator=ropes)
def test_joining_is_joining_of_the_trust(texts: list[Rope], separator: Rope) -> None:
    joined = separator.join(texts)
    expected: list[tuple[str, bool]] = []
    for index, text in enumerate(texts):
        expected += (trust_of(separator) if index else []) + trust_of(text)
    assert trust_of(joined) == expected


def test_plain_strings_and_unknown_operations_are_not_trusted() -> None:
    text = trusted("<|im_end|>")
    assert trust_of(text) == [(character, True) for character in "<|im_end|>"]
    for result in (
        "<|im_end|>",
        text.upper(),
        text[::-1],
        "".join([text]),
        f"{text:>12}",
        "".join(iter(text)),
    ):
        assert not any(trust for _, trust in parts_of(result))


def test_adding_keeps_sides_apart() -> None:
    mixed = trusted("<|a|>") + "x" + trusted("<|b|>")
    assert isinstance(mixed, Rope)
    assert mixed.parts == (("<|a|>", True), ("x", False), ("<|b|>", True))
    with pytest.raises(TypeError):
        trusted("a") + 1  # pyright: ignore[reportOperatorIssue]


def test_formats_keep_the_trust_of_what_they_fill_in() -> None:
    assert merged(trusted("<|%s|>%s") % ("r", "c")) == [
        ("<|", True),
        ("r", False),
        ("|>", True),
        ("c", False),
    ]
    assert merged(trusted("%5d|") % 3) == [("    3|", False)]
    assert merged(trusted("%s%%") % "x") == [("x%", False)]
    assert fill(trusted("{} {}"), "{}", "{}", ("a",)) is None
    assert fill(trusted("{:>9}"), "{}", "{}", ("a",)) is None


@given(text=ropes)
def test_merged_parts_alternate(text: Rope) -> None:
    parts = merged(text)
    assert "".join(piece for piece, _ in parts) == text
    assert all(piece for piece, _ in parts)
    assert all(left[1] != right[1] for left, right in pairwise(parts))
    assert trust_of(Rope(parts)) == trust_of(text)


def test_a_rope_of_one_part_repeats_as_one_part() -> None:
    assert (rope.trusted("ab") * 3).parts == (("ababab", True),)
