"""Whatever is drafted, the text is the one that steps give: greedy, drawn, stopped, cut, gone on from."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from model.decoder.decoder import Decoder
from model.engine.draft import Drafting, DraftModel, can_draft
from model.engine.engine import Engine
from model.engine.gate import SIZES, Gate, agreeing
from model.engine.lookup import Lookup, matches
from model.engine.session import Session
from model.engine.speculative import Draft
from model.errors import UnsupportedModelError
from model.nn.linear import Numerics
from model.sampling.sampler import Sampler, Sampling

PROMPT = tiny.random_ids(11)
LIMIT = 40
WAYS = [Sampling(), Sampling(temperature=1.2, seed=5), Sampling(0.8, top_k=20, top_p=0.9, seed=2)]


def engine_of(kind: str, seed: int = 0) -> Engine:
    config = tiny.KINDS[kind]
    decoder = Decoder(config, Numerics(integer_rows=0))
    return Engine(decoder, tiny.random_params(config, seed), window=256, cache_bits=32)


@pytest.fixture(scope="module", params=tiny.KINDS)
def engine(request: pytest.FixtureRequest) -> Engine:
    return engine_of(request.param)


@pytest.fixture(scope="module")
def llama() -> Engine:
    return engine_of("full")


def said(
    engine: Engine, drafter=None, *, limit: int = LIMIT, ids: Sequence[int] = PROMPT, **options
) -> list[int]:
    options = {"sampling": WAYS[0]} | options
    return list(engine.generate(ids, limit=limit, drafter=drafter, **options))


def always(drafter: Lookup | Drafting) -> None:
    """Try whatever is found, however long passes take."""
    for gate in drafter.gates:
        gate.costs, gate.measures = dict.fromkeys(SIZES, 0.1), False


class Scripted:
    """Drafts what it is told to, and tries all of it."""

    def __init__(self, guess: Callable[[int], list[int]]) -> None:
        self.guess = guess
        self.gate = Gate([0.5], dict.fromkeys(SIZES, 1.0))
        self.passes = 0

    @property
    def gates(self) -> list[Gate]:
        return [self.gate]

    def draft(self, said: Sequence[int], most: int, sampler: Sampler) -> Draft | None:
        tokens = self.guess(len(said))[: max(min(SIZES[-1], most) - 1, 0)]
        if not tokens:
            return None
        self.passes += 1
        return Draft(tokens, next(size for size in SIZES if size > len(tokens)), 0, self.gate)


@pytest.mark.parametrize("sampling", WAYS, ids=["greedy", "drawn", "filtered"])
def test_right_wrong_and_mixed_drafts_change_nothing(engine: Engine, sampling: Sampling) -> None:
    want = said(engine, sampling=sampling)
    draw = random.Random(1)

    def right(at: int) -> list[int]:
        return want[at : at + 7]

    def wrong(at: int) -> list[int]:
        return [(token + 1) % tiny.VOCAB for token in right(at)]

    def mixed(at: int) -> list[int]:
        tokens = right(at)
        cut = draw.randint(0, 7)
        return (tokens[:cut] + wrong(at)[cut:])[: draw.randint(0, 7)]

    perfect = Scripted(right)
    assert said(engine, perfect, sampling=sampling) == want
    assert perfect.gate.right == perfect.gate.tried == LIMIT - 1 - perfect.passes
    hopeless = Scripted(wrong)
    assert said(engine, hopeless, sampling=sampling) == want
    assert hopeless.gate.right == 0 < hopeless.gate.tried
    for _ in range(3):
        assert said(engine, Scripted(mixed), sampling=sampling) == want


@pytest.mark.parametrize("limit", [1, 2, 3, 8, 9, 10])
def test_the_limit_cuts_a_draft(llama: Engine, limit: int) -> None:
    want = said(llama)
    assert said(llama, Scripted(lambda at: want[at : at + 7]), limit=limit) == want[:limit]


@pytest.mark.parametrize("at", [0, 1, 4, 7, 8, 20])
def test_a_stop_within_a_draft_ends_the_text(llama: Engine, at: int) -> None:
    want = said(llama)
    stop = want[at]
    text = want[: want.index(stop) + 1]
    session = Session()
    drafter = Scripted(lambda at: want[at : at + 7])
    assert said(llama, drafter, stop={stop}, session=session) == text
    assert session.tokens == len(PROMPT) + len(text) - 1, "all but the stop, which nothing has read"


def test_a_conversation_goes_on_behind_drafts(engine: Engine) -> None:
    want = said(engine)
    session = Session()
    said(engine, Scripted(lambda at: [*want[at : at + 5], 1]), session=session)
    turn = [*PROMPT, *want, *tiny.random_ids(9, seed=4)]
    assert said(engine, session=session, ids=turn) == said(engine, ids=turn)


def test_whoever_leaves_in_a_pass_leaves_a_whole_state(llama: Engine) -> None:
    want = said(llama)
    session = Session()
    tokens = llama.generate(
        PROMPT,
        limit=LIMIT,
        sampling=WAYS[0],
        session=session,
        drafter=Scripted(lambda at: want[at : at + 7]),
    )
    for _ in range(5):
        next(tokens)
    tokens.close()  # type: ignore[attr-defined]
    assert said(llama, session=session, ids=[*PROMPT, *want[:9]]) == said(llama, ids=[*PROMPT, *want[:9]])


# ---- what is looked up ----


@given(st.lists(st.integers(0, 3), max_size=60))
def test_matches_are_the_definition(ids: list[int]) -> None:
    places, equal = matches(np.asarray(ids, np.int32))
    most = 0
    for end in range(len(ids) - 1):
        same = 0
        while same <= end and same < min(16, len(ids) - 1) and ids[end - same] == ids[-1 - same]:
            same += 1
        most = max(most, same)
    want = [
        end
        for end in range(most - 1, len(ids) - 1)
        if most and ids[end - most + 1 : end + 1] == ids[len(ids) - most :]
    ]
    assert equal == most
    assert places.tolist() == want


def test_a_text_that_stood_there_is_drafted() -> None:
    text = tiny.random_ids(400, vocab=5000)
    lookup = Lookup(text)
    draft = lookup.draft(text[100:112], 50, Sampler.of(WAYS[0]))
    assert draft is not None
    assert draft.tokens == text[112:119]
    assert draft.size == 8


def test_a_repetition_is_drafted_on_beyond_its_end() -> None:
    lookup = Lookup([9, 8])
    draft = lookup.draft([1, 2, 3] * 5, 50, Sampler.of(WAYS[0]))
    assert draft is not None
    assert draft.tokens == [1, 2, 3, 1, 2, 3, 1]


def test_nothing_new_is_drafted_in_prose() -> None:
    lookup = Lookup(tiny.random_ids(300, vocab=5000))
    answer = tiny.random_ids(300, seed=5, vocab=5000)
    assert all(lookup.draft(answer[:n], 50, Sampler.of(WAYS[0])) is None for n in range(1, 300))


def test_real_lookups_change_nothing(engine: Engine) -> None:
    for sampling in WAYS:
        want = said(engine, sampling=sampling, limit=150)
        lookup = Lookup([*want[:70], 3, 3, *want[75:]])  # as if the document said nearly that
        always(lookup)
        assert said(engine, lookup, sampling=sampling, limit=150) == want
        gate = lookup.gates[0]
        assert gate.tried >= gate.right > 70


# ---- what is worth it ----


def test_a_gate_shuts_when_drafts_are_wrong_and_opens_when_they_would_be_right() -> None:
    gate = Gate([0.8], {4: 1.7, 8: 2.6})
    assert gate.size(0, 7) == 4
    for _ in range(6):
        gate.verified(Draft([1] * 7, 8, 0, gate), 0, 0.1)
    assert gate.size(0, 7) == 0
    for _ in range(6):
        gate.saw(0, 7, 7)
    assert gate.size(0, 7) == 8
    assert (gate.tried, gate.right) == (42, 0), "what was only looked at does not count"


def test_a_pass_that_costs_what_its_tokens_cost_is_not_worth_it() -> None:
    gate = Gate([0.99], {4: 1.0, 8: 1.0})
    gate.stepped(0.01)
    for size, seconds in ((4, 0.1), (4, 0.05), (8, 0.1), (8, 0.09)):  # the first of each compiles
        gate.verified(Draft([1] * (size - 1), size, 0, gate), size - 1, seconds)
    assert gate.size(0, 7) == 0


@given(st.lists(st.integers(0, 2), max_size=9), st.lists(st.integers(0, 2), max_size=9))
def test_agreeing(draft: list[int], text: list[int]) -> None:
    same = agreeing(draft, text)
    assert draft[:same] == text[:same]
    assert same == min(len(draft), len(text)) or draft[same] != text[same]


# ---- a smaller model ----


@pytest.mark.parametrize("kind", ["full", "rings"])
@pytest.mark.parametrize("sampling", WAYS, ids=["greedy", "drawn", "filtered"])
def test_the_model_itself_as_its_draft_is_always_right(kind: str, sampling: Sampling) -> None:
    engine = engine_of(kind)
    ids = tiny.random_ids(20, seed=8)  # not what `Lookup` finds much in
    drafting = Drafting(ids, DraftModel(engine_of(kind)))
    always(drafting)
    assert said(engine, drafting, ids=ids, sampling=sampling) == said(engine, ids=ids, sampling=sampling)
    own = drafting.gates[-1]
    assert own.tried > 0
    assert own.right >= 0.95 * own.tried


@pytest.mark.parametrize("sampling", WAYS, ids=["greedy", "drawn", "filtered"])
def test_another_model_as_draft_changes_nothing(llama: Engine, sampling: Sampling) -> None:
    small = DraftModel(engine_of("rings", seed=7))
    text = PROMPT
    for _ in range(3):  # a conversation: what the small one holds is gone on from
        want = said(llama, ids=text, sampling=sampling)
        drafting = Drafting(text, small)
        always(drafting)
        assert said(llama, drafting, ids=text, sampling=sampling) == want
        assert drafting.gates[-1].tried > 0
        text = [*text, *want[:-3], 5, 6]


def test_a_recurrent_model_does_not_draft() -> None:
    engine = engine_of("recurrent")
    assert not can_draft(engine.decoder.config)
    with pytest.raises(UnsupportedModelError, match="cannot draft"):
        DraftModel(engine)
