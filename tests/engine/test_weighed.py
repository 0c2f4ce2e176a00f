"""How likely the tokens of an answer were: as the whole text scores them, alone and among others."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tiny
from scipy.special import log_softmax

from model.cache.pool import PAGE
from model.decoder.decoder import Decoder
from model.engine import scheduler
from model.engine.batching import Batcher
from model.engine.engine import Engine
from model.engine.sequence import Sequence
from model.nn.linear import Numerics
from model.sampling.constraint import only
from model.sampling.likely import MOST, Likely
from model.sampling.sampler import Sampling

GREEDY = Sampling()
DRAWN = Sampling(temperature=1.2, top_k=30, seed=5)
PROMPT = tiny.random_ids(9, seed=1)


class Told:
    """A constraint: these tokens, some of them forced at once; the last one ends it."""

    hurried = False

    def __init__(self, tokens: list[int], forced: int) -> None:
        self._left, self._forced = list(tokens), forced
        self._vocab = tiny.llama().vocab

    @property
    def ended(self) -> bool:
        return not self._left

    @property
    def complete(self) -> bool:
        return self.ended

    def mask(self) -> np.ndarray:
        return only(self._left[:1], self._vocab)

    def forced(self) -> list[int]:
        return self._left[: self._forced] if len(self._left) % 4 == 0 else []

    def take(self, token: int, room: int) -> int:
        assert token == self._left.pop(0)
        return token


@pytest.fixture(scope="module")
def engine() -> Engine:
    # Without rounding: an answer's tokens are scored one by one, a whole text in chunks.
    config = tiny.llama(context=2048)
    params = tiny.random_params(config)
    return Engine(Decoder(config, Numerics("float32", 0)), params, window=2 * PAGE, cache_bits=32)


@pytest.fixture
def batcher(engine: Engine) -> Iterator[Batcher]:
    made = Batcher(engine, slots=2)
    yield made
    made.close()


def weighed(engine: Engine, ids: list[int], limit: int = 10, **options) -> tuple[list[int], list[Likely]]:
    """(tokens, how likely each was); each is told of before it comes."""
    told: list[Likely] = []
    said: list[int] = []
    for token in engine.generate(ids, limit=limit, weigh=told.append, **({"sampling": GREEDY} | options)):
        said.append(token)
        assert [each.token for each in told[: len(said)]] == said
    assert len(told) == len(said)
    return said, told


def check(engine: Engine, ids: list[int], said: list[int], told: list[Likely]) -> None:
    scores = log_softmax(engine.score([*ids, *said])[len(ids) - 1 : -1].astype(np.float64), axis=-1)
    for token, found, row in zip(said, told, scores, strict=True):
        assert found.logprob == pytest.approx(row[token], abs=2e-4)
        assert [each for _, each in found.top] == pytest.approx(np.sort(row)[::-1][:MOST], abs=2e-4)
        assert [row[id] for id, _ in found.top] == pytest.approx([each for _, each in found.top], abs=2e-4)


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN])
def test_alone(engine: Engine, sampling: Sampling) -> None:
    said, told = weighed(engine, PROMPT, sampling=sampling, suppress=[3], reluctant={5: 1.0})
    options = {"sampling": sampling, "suppress": [3], "reluctant": {5: 1.0}}
    assert said == list(engine.generate(PROMPT, limit=10, **options))
    check(engine, PROMPT, said, told)


def test_what_may_not_be_said_is_told_all_the_same(engine: Engine) -> None:
    (first, *_), _ = weighed(engine, PROMPT)
    said, told = weighed(engine, PROMPT, suppress=[first])
    assert said[0] != first == told[0].top[0][0]
    assert told[0].logprob < told[0].top[0][1]


def test_an_answer_ends_as_it_does_unweighed(engine: Engine) -> None:
    said, _ = weighed(engine, PROMPT)
    stop = said[4]
    short, told = weighed(engine, PROMPT, stop=[stop])
    assert short == said[: said.index(stop) + 1]
    assert weighed(engine, PROMPT, limit=1)[0] == said[:1]
    check(engine, PROMPT, short, told)


def test_under_a_constraint(engine: Engine, batcher: Batcher) -> None:
    wanted = tiny.random_ids(11, seed=3)
    for each in (engine, batcher):
        for forced, limit in ((3, 20), (0, 20), (3, 6)):
            rule = Told(wanted, forced)
            said, told = weighed(each, PROMPT, limit=limit, constraint=rule)
            assert said == wanted[:limit], (each, forced, limit)
            check(engine, PROMPT, said, told)


def test_among_others(engine: Engine, batcher: Batcher) -> None:
    prompts = [tiny.random_ids(5 + 7 * number, seed=20 + number) for number in range(4)]
    alone = [list(engine.generate(ids, sampling=GREEDY, limit=12)) for ids in prompts]

    def ask(number: int) -> list[int]:
        if number % 2:
            return list(batcher.generate(prompts[number], sampling=GREEDY, limit=12))
        said, told = weighed(batcher, prompts[number], limit=12)
        check(engine, prompts[number], said, told)
        return said

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, range(4))) == alone


def test_tokens_that_are_settled_are_weighed_behind_others_too(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sequence that gives way in the middle of what must come goes on from there."""
    # Two sequences, each of which comes to need a second page, and three pages in all.
    monkeypatch.setattr("model.engine.batching._share", lambda *_: (2, (4, 4)))
    gave: list[bool] = []
    give_way = scheduler.Scheduler._give_way

    def watched(self: scheduler.Scheduler, sequence: Sequence) -> None:
        gave.append(len(sequence.feed) > 1)
        give_way(self, sequence)

    monkeypatch.setattr(scheduler.Scheduler, "_give_way", watched)
    batcher = Batcher(engine, slots=2)
    prompts = [tiny.random_ids(PAGE - 20 + number, seed=40 + number) for number in range(2)]
    wanted = tiny.random_ids(60, seed=3)

    def ask(number: int) -> list[int]:
        rule = Told(wanted, 60)
        said, told = weighed(batcher, prompts[number], limit=60, constraint=rule)
        check(engine, prompts[number], said, told)
        return said

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(ask, range(2))) == [wanted] * 2
    batcher.close()
    assert gave == [True]
