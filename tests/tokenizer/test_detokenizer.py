"""A stream of tokens becomes the text of all of them, in whole characters."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from model.tokenizer.detokenizer import Detokenizer
from model.tokenizer.shared import VocabularyTokenizer


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_pushes_join_to_the_decoded_whole(tokenizer: VocabularyTokenizer, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size - 1), max_size=30))
    detokenizer = Detokenizer(tokenizer)
    assert "".join(map(detokenizer.push, ids)) + detokenizer.flush() == tokenizer.decode(ids)


@given(text=st.text(max_size=30))
@settings(max_examples=100, deadline=None)
def test_no_half_character_is_emitted(tokenizer: VocabularyTokenizer, text: str) -> None:
    detokenizer = Detokenizer(tokenizer)
    emitted = ""
    for id in tokenizer.encode(text):
        emitted += detokenizer.push(id)
        assert text.startswith(emitted)
    assert emitted == text
    assert detokenizer.flush() == ""


def test_a_character_is_held_back_until_it_is_whole(small: Any) -> None:
    tokenizer = small("bpe")
    ids = tokenizer.encode("\U00010348")
    detokenizer = Detokenizer(tokenizer)
    assert [detokenizer.push(id) for id in ids] == [""] * (len(ids) - 1) + ["\U00010348"]


def test_bytes_that_are_no_character_are_replaced_once_that_is_known(small: Any) -> None:
    tokenizer = small("spm")
    lead, a = tokenizer.vocabulary.ids["<0xE2>"], tokenizer.vocabulary.ids["<0x07>"]
    detokenizer = Detokenizer(tokenizer)
    assert detokenizer.push(lead) == ""
    assert detokenizer.push(a) == "\ufffd\x07"
    assert detokenizer.push(lead) == ""
    assert detokenizer.flush() == "\ufffd"
    assert detokenizer.flush() == ""


def test_the_space_that_the_tokenizer_put_there_is_taken_away_once(small: Any) -> None:
    tokenizer = small("spm-prefix")
    the = tokenizer.encode("the")
    detokenizer = Detokenizer(tokenizer)
    ids = [tokenizer.bos_id, *the, *the]
    assert "".join(map(detokenizer.push, ids)) == "the the"
    detokenizer.flush()
    assert "".join(map(detokenizer.push, the)) == "the"
