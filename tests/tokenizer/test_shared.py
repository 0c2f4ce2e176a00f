"""Trust: only the model's own template can spell a control token, and spans join as one text."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.tokenizer.shared import VocabularyTokenizer, split_text

harmless = st.lists(
    st.one_of(
        st.sampled_from(["the ", " and\n", "\n\n", "  ", "é", "▁", "'s", "12", "<table>"]),
        st.text(max_size=5),
    ),
    max_size=12,
).map("".join)


def control_tokens(tokenizer: VocabularyTokenizer) -> list[str]:
    vocabulary = tokenizer.vocabulary
    return [piece for piece, id in vocabulary.reserved.items() if vocabulary.is_control(id)]


def test_the_small_vocabularies_have_control_tokens(tokenizer: VocabularyTokenizer) -> None:
    assert len(control_tokens(tokenizer)) >= 3


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_untrusted_text_never_yields_a_control_token(
    tokenizer: VocabularyTokenizer, data: st.DataObject
) -> None:
    pieces = st.one_of(st.sampled_from(control_tokens(tokenizer)), harmless)
    text = "".join(data.draw(st.lists(pieces, max_size=6)))
    ids = tokenizer.encode(text)
    assert not any(map(tokenizer.is_control, ids))
    assert tokenizer.decode(ids) == text
    assert tokenizer.encode_spans([(text, False)]) == ids


def test_trusted_text_yields_its_control_tokens(tokenizer: VocabularyTokenizer) -> None:
    for piece in control_tokens(tokenizer):
        id = tokenizer.vocabulary.ids[piece]
        assert tokenizer.encode_spans([(piece, True)]) == [id]
        assert tokenizer.encode_spans([(piece[:2], True), (piece[2:], True)]) == [id]
        assert tokenizer.encode_spans([(piece, True), (piece, False), (piece, True)]) == [
            id,
            *tokenizer.encode(piece),
            id,
        ]
        assert tokenizer.token_bytes(id) == b""
        assert tokenizer.is_control(id)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_no_border_between_spans_forms_a_control_token(
    tokenizer: VocabularyTokenizer, data: st.DataObject
) -> None:
    piece = data.draw(st.sampled_from(control_tokens(tokenizer)))
    cut = data.draw(st.integers(1, len(piece) - 1))
    for trust in ((False, False), (True, False), (False, True)):
        ids = tokenizer.encode_spans([(piece[:cut], trust[0]), (piece[cut:], trust[1])])
        assert not any(map(tokenizer.is_control, ids))
        assert tokenizer.decode(ids) == piece


@given(text=harmless, cuts=st.lists(st.integers(0, 60)), trust=st.lists(st.booleans(), min_size=1))
@settings(max_examples=100, deadline=None)
def test_spans_of_harmless_text_have_the_ids_of_the_whole(
    tokenizer: VocabularyTokenizer, text: str, cuts: list[int], trust: list[bool]
) -> None:
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    spans = [
        (text[left:right], trust[index % len(trust)]) for index, (left, right) in enumerate(pairwise(borders))
    ]
    assert tokenizer.encode_spans(spans) == tokenizer.encode(text)


def test_a_trusted_token_divides_the_text(tokenizer: VocabularyTokenizer) -> None:
    mark = control_tokens(tokenizer)[-1]
    expected = [*tokenizer.encode("a\n"), tokenizer.vocabulary.ids[mark], *tokenizer.encode("\nb")]
    assert tokenizer.encode_spans([("a", False), (f"\n{mark}\n", True), ("b", False)]) == expected


def test_a_token_is_found_by_its_spelling(tokenizer: VocabularyTokenizer) -> None:
    for piece in control_tokens(tokenizer):
        assert tokenizer.id_of(piece) == tokenizer.vocabulary.ids[piece]
    assert tokenizer.id_of("no such token") is None


def test_nothing_gives_nothing(tokenizer: VocabularyTokenizer) -> None:
    assert tokenizer.encode("") == []
    assert tokenizer.encode_spans([]) == []
    assert tokenizer.encode_spans([("", True), ("", False)]) == []
    assert tokenizer.decode([]) == ""


def test_lone_surrogates_count_as_replacement_characters(tokenizer: VocabularyTokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("a\udcffb\ud83d")) == "a\ufffdb\ufffd"
    assert tokenizer.decode(tokenizer.encode("\ud83d\ude00")) == "\U0001f600"


def test_invalid_bytes_decode_to_replacement_characters(tokenizer: VocabularyTokenizer) -> None:
    euro = tokenizer.encode("\u20ad")
    assert len(euro) > 1
    assert tokenizer.decode([*euro[:-1], *tokenizer.encode("x")][:-1]).endswith("\ufffd")


lines = st.lists(harmless, max_size=3).map(lambda parts: "x" + "".join(parts).rstrip() + "\n")


@given(texts=st.lists(lines, max_size=6))
@settings(max_examples=150, deadline=None)
def test_counts_of_lines_add_up_to_the_whole(tokenizer: VocabularyTokenizer, texts: list[str]) -> None:
    counted = tokenizer.count_batch(texts)
    assert len(counted) == len(texts)
    around = tokenizer.encode("a\n"), tokenizer.encode("x")
    whole = tokenizer.encode("a\n" + "".join(texts) + "x")
    if getattr(tokenizer, "space_prefix", False):  # a last line alone begins with a space of its own
        assert sum(counted) + len(around[0]) == len(tokenizer.encode("a\n" + "".join(texts)))
    else:
        assert sum(counted) + sum(map(len, around)) == len(whole)


@pytest.mark.parametrize("id", [-1, 10**6])
def test_an_id_that_is_no_token_is_an_error(tokenizer: VocabularyTokenizer, id: int) -> None:
    with pytest.raises(IndexError, match=f"no token {id}"):
        tokenizer.token_bytes(id)


@given(text=st.text("ab \n", max_size=50), size=st.integers(1, 20))
def test_parts_join_to_the_text_and_are_large_enough(text: str, size: int) -> None:
    parts = list(split_text(text, re.compile(r"(?<=[ab])(?=[ \n])"), size))
    assert "".join(parts) == text
    assert all(len(part) >= size for part in parts[:-1])
    assert all(part[-1] in "ab" and after[0] in " \n" for part, after in pairwise(parts))
