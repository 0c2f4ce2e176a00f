"""Whatever a model likes best, what it quotes stands in the texts, from a beginning to an end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import ByteTokenizer

from model.sampling.constraint import ConstraintError, unpacked
from model.sampling.spans import Quoted, Span

JOINED = (b"th", b"e ", b"an", b"in", b". ", b'".')
TOKENIZER = ByteTokenizer(joined=JOINED)
VOCAB = TOKENIZER.vocab_size
END = TOKENIZER.eos_id
TEXT = 'The cat sat on the mat, in the end. It said "miaow" and then it went. Émile paid 3.50 for it; no more'
SENTENCES = [0, 36, 70]


def span(text: str = TEXT, starts: Sequence[int] = SENTENCES) -> Span:
    data = text.encode()
    places = [len(text[:at].encode()) for at in starts]
    return Span(data, places, [*(each - 1 for each in places[1:]), len(data)])


def chance(rule: Quoted, rng: np.random.Generator, limit: int = 400) -> str:
    """What a model says that likes any token as well as another."""
    said: list[int] = []
    while len(said) < limit and not rule.ended:
        allowed = np.flatnonzero(unpacked(rule.mask(), VOCAB))
        assert len(allowed)
        said.append(rule.take(int(rng.choice(allowed)), limit - len(said) - 1))
    return TOKENIZER.decode(said)


@given(st.integers(0, 2**32), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_every_quote_is_a_span(seed: int, count: int) -> None:
    texts = [TEXT, "Another text. With two sentences in it that go on for a while."]
    spans = [span(), span(texts[1], [0, 14])]
    rule = Quoted(spans, TOKENIZER, VOCAB, least=10, most=60, count=count)
    said = chance(rule, np.random.default_rng(seed))
    assert rule.ended
    assert 1 <= len(rule.quotes) <= count
    for number, begin, end in rule.quotes:
        assert begin in spans[number].starts
        quote = spans[number].text[begin:end].decode()
        assert quote in texts[number]
        assert quote in said
        assert len(quote.encode()) >= 10 or end == len(spans[number].text)
        assert len(quote.encode()) <= 60 + 2 * 32


def test_a_quote_ends_at_an_end() -> None:
    rule = Quoted([span()], TOKENIZER, VOCAB, least=10)
    for _ in range(200):
        rng = np.random.default_rng(_)
        rule = Quoted([span()], TOKENIZER, VOCAB, least=10)
        chance(rule, rng)
        (_, _, end), *_ = rule.quotes
        assert end in span().ends


def write(rule: Quoted, text: bytes, room: int = 1000) -> None:
    for token in TOKENIZER._join(list(text)):
        rule.take(token, room)


def test_a_quotation_mark_of_the_text_does_not_end_the_quote() -> None:
    rule = Quoted([span()], TOKENIZER, VOCAB, least=10)
    write(rule, b'It said "miaow" and then it went.')
    assert not rule.complete
    write(rule, b'"')
    assert rule.ended
    assert rule.quotes == [(0, 36, 69)]


def test_a_token_across_the_end_of_a_sentence_goes_on() -> None:
    rule = Quoted([span()], TOKENIZER, VOCAB, least=10)
    write(rule, b"The cat sat on the mat, in the end. It said")
    assert not rule.complete


def test_what_is_invented_is_not_allowed() -> None:
    rule = Quoted([span()], TOKENIZER, VOCAB)
    write(rule, b"The cat s")
    with pytest.raises(ConstraintError):
        write(rule, b"lept")


def test_with_little_room_a_quote_ends_at_a_word() -> None:
    rule = Quoted([span()], TOKENIZER, VOCAB)
    write(rule, b"The cat s")
    write(rule, b"a", room=12)
    assert np.flatnonzero(unpacked(rule.mask(), VOCAB)).tolist() == [ord("t")], "in the middle of a word"
    write(rule, b"t", room=11)
    allowed = set(np.flatnonzero(unpacked(rule.mask(), VOCAB)).tolist())
    assert END in allowed
    assert ord(" ") not in allowed
    rule.take(END, 10)
    assert rule.quotes == [(0, 0, 11)]


def test_quotes_follow_on_lines_of_their_own() -> None:
    rule = Quoted([span()], TOKENIZER, VOCAB, least=10, count=2)
    write(rule, 'Émile paid 3.50 for it; no more"'.encode())
    assert rule.complete
    assert not rule.ended
    assert set(np.flatnonzero(unpacked(rule.mask(), VOCAB)).tolist()) == {END, 10}
    write(rule, b"\n")
    assert np.flatnonzero(unpacked(rule.mask(), VOCAB)).tolist() == [ord('"')]
    write(rule, b'"')
    begins = np.flatnonzero(unpacked(rule.mask(), VOCAB)).tolist()
    assert set(begins) == {ord("T"), ord("I")}, "what was quoted is not quoted again"


def test_nothing_to_quote() -> None:
    with pytest.raises(ConstraintError, match="nothing to quote"):
        Quoted([], TOKENIZER, VOCAB)
