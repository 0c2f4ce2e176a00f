"""The vocabulary's kinds, special tokens and matches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import FormatError
from model.tokenizer.vocabulary import Kind, Matcher, read_vocabulary


def read(tokens: list[str], kinds: list[int] | None = None, **ids: Any):
    metadata: dict[str, Any] = {"tokenizer.ggml.tokens": tokens}
    if kinds:
        metadata["tokenizer.ggml.token_type"] = kinds
    metadata.update({f"tokenizer.ggml.{key}": value for key, value in ids.items()})
    return read_vocabulary(metadata)


def test_what_ends_an_answer_is_found_by_key_and_by_name() -> None:
    vocabulary = read(
        ["x", "<|im_end|>", "<end_of_turn>", "a", "b", "c"],
        [1, 3, 1, 3, 1, 1],
        eos_token_id=3,
        eot_token_id=4,
    )
    assert vocabulary.eog_ids == {1, 2, 3, 4}
    assert all(map(vocabulary.is_control, vocabulary.eog_ids))
    assert not vocabulary.is_control(0)
    assert set(vocabulary.reserved) == {"<|im_end|>", "<end_of_turn>", "a", "b"}


def test_names_that_may_be_text_end_an_answer_only_as_control_tokens() -> None:
    assert read(["</s>", "[PAD]"], [3, 3]).eog_ids == {0, 1}
    text = read(["</s>", "[PAD]"], [4, 1])
    assert text.eog_ids == frozenset()
    assert text.user_defined == {"</s>": 0}


def test_marks_around_turns_and_media_are_reserved_even_when_called_user_defined() -> None:
    marks = ["<|turn>", "<turn|>", "<|image|>", "<start_of_image>", "<image_soft_token>"]
    words = ["<table>", "<tool_call>", "<think>", "\n\n", "  "]
    vocabulary = read([*marks, *words], [4] * 10)
    assert list(vocabulary.reserved) == marks
    assert list(vocabulary.user_defined) == words


def test_lists_of_what_ends_an_answer_and_of_what_is_never_generated() -> None:
    vocabulary = read(["a", "b", "c", "d"], eos_token_ids=[1, 2], suppress_tokens=[0, 3])
    assert vocabulary.eog_ids == {1, 2}
    assert all(map(vocabulary.is_control, (1, 2)))
    assert vocabulary.suppress_ids == {0, 3}
    assert read(["a"]).suppress_ids == frozenset()


@pytest.mark.parametrize("name", ["eos_token_ids", "suppress_tokens"])
@pytest.mark.parametrize("ids", [[4], [-1], [True], ["a"], [0.5], 3, {}])
def test_lists_of_ids_are_checked(name: str, ids: Any) -> None:
    with pytest.raises(FormatError, match=f"tokenizer.ggml.{name}"):
        read(["a", "b", "c", "d"], **{name: ids})


def test_absent_ids_are_none() -> None:
    vocabulary = read(["a"], bos_token_id=-1, eos_token_id=0xFFFFFFFF)
    assert (vocabulary.bos_id, vocabulary.eos_id, vocabulary.unknown_id) == (None, None, None)
    assert vocabulary.kinds == bytes([Kind.NORMAL])


def test_empty_tokens_get_a_name() -> None:
    assert read(["a", "", ""]).pieces == ["a", "[EMPTY_1]", "[EMPTY_2]"]


def test_double_tokens_are_refused() -> None:
    with pytest.raises(FormatError, match="'a' twice"):
        read(["a", "b", "a"])


@given(text=st.text("ab<|>", max_size=30), data=st.data())
def test_matches_are_the_leftmost_and_longest(text: str, data: st.DataObject) -> None:
    tokens = {"<a>": 0, "<a>b": 1, "a": 2, "|": 3, "<|": 4, "<|a|>": 5}
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, len(text)))
    naive, at = [], begin
    while at < end:
        here = [piece for piece in tokens if text.startswith(piece, at) and at + len(piece) <= end]
        if here:
            piece = max(here, key=len)
            naive.append((at, at + len(piece), tokens[piece]))
            at += len(piece)
        else:
            at += 1
    assert list(Matcher(tokens).find(text, begin, end)) == naive


def test_no_tokens_match_nothing() -> None:
    assert list(Matcher({}).find("abc", 0, 3)) == []
