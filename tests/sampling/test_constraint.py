"""Masks say what they hold; the engine decodes under them as without, but for what they rule out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from model.decoder.decoder import Decoder
from model.engine.engine import Engine
from model.nn.linear import Numerics
from model.sampling.constraint import all_tokens, no_tokens, only, packed, unpacked
from model.sampling.sampler import Sampling, masked
from model.sampling.thoughts import after_thoughts
from model.thinking import Marks

PROMPT = tiny.random_ids(11)


@given(st.lists(st.booleans(), min_size=1, max_size=100))
def test_a_mask_is_its_booleans(allowed: list[bool]) -> None:
    mask = packed(np.array(allowed))
    assert mask.dtype == np.uint32
    assert mask.shape == (-(-len(allowed) // 32),)
    assert unpacked(mask, len(allowed)).tolist() == allowed
    assert only([i for i, each in enumerate(allowed) if each], len(allowed)).tolist() == mask.tolist()


@pytest.mark.parametrize("vocab", [1, 31, 32, 33, 97])
def test_the_device_reads_the_same_bits(vocab: int) -> None:
    rng = np.random.default_rng(vocab)
    allowed = rng.random(vocab) < 0.5
    logits = rng.normal(size=vocab).astype(np.float32)
    got = np.asarray(masked(jnp.asarray(logits), jnp.asarray(packed(allowed))))
    np.testing.assert_array_equal(got, np.where(allowed, logits, -np.inf))
    assert all_tokens(vocab).sum()
    assert not no_tokens(vocab).any()


@dataclass
class Rule:
    """Allows `allowed` (None: all), forces `forced_ones`, puts `instead` for its keys, ends after `most`."""

    allowed: list[int] | None = None
    forced_ones: list[int] = field(default_factory=list)
    instead: dict[int, int] = field(default_factory=dict)
    most: int = 10**9
    taken: list[int] = field(default_factory=list)
    rooms: list[int] = field(default_factory=list)
    complete = True
    hurried = False

    @property
    def ended(self) -> bool:
        return len(self.taken) >= self.most

    def mask(self) -> np.ndarray:
        return all_tokens(tiny.VOCAB) if self.allowed is None else only(self.allowed, tiny.VOCAB)

    def forced(self) -> Sequence[int]:
        return self.forced_ones[len(self.taken) :]

    def take(self, token: int, room: int) -> int:
        self.rooms.append(room)
        self.taken.append(self.instead.get(token, token))
        return self.taken[-1]


@pytest.fixture(scope="module")
def engine() -> Engine:
    config = tiny.llama()
    decoder = Decoder(config, Numerics(integer_rows=0))
    return Engine(decoder, tiny.random_params(config), window=256, cache_bits=32)


def said(engine: Engine, rule: Rule | None, limit: int = 21, **options) -> list[int]:
    options = {"sampling": Sampling()} | options
    return list(engine.generate(PROMPT, limit=limit, constraint=rule, **options))


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=1.5, seed=3, top_k=20)])
def test_a_rule_that_allows_everything_changes_nothing(engine: Engine, sampling: Sampling) -> None:
    rule = Rule()
    assert said(engine, rule, sampling=sampling) == said(engine, None, sampling=sampling)
    assert rule.rooms == list(range(20, -1, -1))


def test_only_what_is_allowed_comes_and_the_likeliest_of_it(engine: Engine) -> None:
    allowed = [3, 50, 96]
    answer = said(engine, Rule(allowed))
    assert set(answer) <= set(allowed)
    scores = engine.score(PROMPT + answer)[len(PROMPT) - 1 : -1]
    best = scores[:, allowed].argmax(-1)
    assert answer == [allowed[each] for each in best]


@pytest.mark.parametrize("count", [3, 12, 40])
def test_what_is_forced_comes_and_is_remembered(engine: Engine, count: int) -> None:
    forced = tiny.random_ids(count, seed=5)
    answer = said(engine, Rule(forced_ones=forced), limit=count + 4)
    assert answer[:count] == forced
    scores = engine.score(PROMPT + answer)[len(PROMPT) + count - 1 : -1]
    assert answer[count:] == scores.argmax(-1).tolist()


def test_a_token_that_is_put_for_another_is_the_one_that_is_read(engine: Engine) -> None:
    first = said(engine, None)[0]
    answer = said(engine, Rule(instead={first: 7}))
    assert answer[0] == 7
    assert answer[1] == int(engine.score([*PROMPT, 7])[-1].argmax()) or answer[1] == 7


def test_it_ends_where_the_rule_does_or_the_room_or_a_stop(engine: Engine) -> None:
    free = said(engine, None)
    assert said(engine, Rule(most=5)) == free[:5]
    assert said(engine, Rule(most=5), limit=3) == free[:3]
    stop = free[4]
    assert said(engine, Rule(), stop=[stop]) == free[: free.index(stop) + 1]


NAMES = {"<think>": 1, "</think>": 2, "\n": 3, "\n\n": 4}


class Words:
    """A tokenizer of what thoughts are marked by."""

    eog_ids = frozenset({9})
    suppress_ids = frozenset({8})

    def id_of(self, piece: str) -> int | None:
        return NAMES.get(piece)

    def token_bytes(self, id: int) -> bytes:
        if id in (1, 2):
            return b""
        return next((name.encode() for name, own in NAMES.items() if own == id), b"x")

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        return b"".join(map(self.token_bytes, ids))

    def encode(self, text: str) -> list[int]:
        return [NAMES[text]]


def thinking(rule: Rule, prompt: Sequence[int] = ()):
    marks = Marks("<think>", "</think>", spelled=True)
    return after_thoughts(rule, Words(), marks, prompt, tiny.VOCAB)  # type: ignore[arg-type]


def allowed_by(rule) -> set[int]:
    return set(np.flatnonzero(unpacked(rule.mask(), tiny.VOCAB)).tolist())


def test_a_rule_begins_behind_the_thought() -> None:
    inner = Rule([50, 51], most=2)
    rule = thinking(inner)
    assert allowed_by(rule) == {1, 50, 51}
    assert rule.take(1, 90) == 1
    assert allowed_by(rule) == set(range(tiny.VOCAB)) - {8, 9}, (
        "a thought is free, but does not end the answer"
    )
    for token in (20, 21, 2):
        assert not rule.ended
        assert rule.forced() == ()
        rule.take(token, 80)
    assert allowed_by(rule) == {3, 4, 50, 51}
    rule.take(4, 70)
    assert allowed_by(rule) == {50, 51}, "one break alone"
    rule.take(50, 60)
    rule.take(51, 50)
    assert inner.taken == [50, 51]
    assert inner.rooms == [60, 50]
    assert rule.ended


def test_a_model_that_does_not_think_is_held_to_it_at_once() -> None:
    rule = thinking(inner := Rule([50]))
    rule.take(50, 5)
    assert inner.taken == [50]
    assert allowed_by(rule) == {50}


def test_a_thought_that_the_prompt_began_goes_on() -> None:
    rule = thinking(inner := Rule([50]), prompt=[30, 1])
    assert len(allowed_by(rule)) == tiny.VOCAB - 2
    rule.take(2, 9)
    rule.take(50, 8)
    assert inner.taken == [50]
