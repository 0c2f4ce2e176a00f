"""Many requests at once are each answered as if alone, whatever comes, goes, fails or has too little room."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from model.cache.pool import NOWHERE, PAGE
from model.config import ModelConfig
from model.decoder.decoder import Decoder
from model.engine import holding, scheduler
from model.engine.batching import Batcher, Load
from model.engine.engine import Engine
from model.engine.slots import Known, Pages, Shelf, pages_for
from model.errors import BusyError, ContextOverflowError, FormatError, ModelError
from model.nn.linear import Numerics
from model.sampling.constraint import ConstraintError, only
from model.sampling.sampler import Sampling

GREEDY = Sampling()
SAMPLINGS = (GREEDY, Sampling(temperature=1.2, seed=5), Sampling(0.8, top_k=20, top_p=0.9, seed=2))


def engine_of(config: ModelConfig, window: int = 256) -> Engine:
    params = tiny.random_params(config, quantized=True)
    return Engine(Decoder(config, Numerics()), params, window=window, cache_bits=32)


@pytest.fixture(scope="module", params=tiny.KINDS)
def engine(request: pytest.FixtureRequest) -> Engine:
    return engine_of(tiny.KINDS[request.param], window=512)


@pytest.fixture(scope="module")
def llama() -> Engine:
    return engine_of(tiny.KINDS["full"])


@pytest.fixture
def batcher(llama: Engine) -> Iterator[Batcher]:
    with_slots = Batcher(llama, slots=4, queue=2)
    yield with_slots
    with_slots.close()


def said(engine: Engine, ids: list[int], limit: int = 12, **options) -> list[int]:
    return list(engine.generate(ids, limit=limit, **({"sampling": GREEDY} | options)))


def until(holds: Callable[[], bool]) -> None:
    """Wait for another thread."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.002)


def test_requests_at_random_are_answered_as_if_alone(engine: Engine) -> None:
    draw = random.Random(3)
    beginning = tiny.random_ids(40, seed=9)
    jobs = []
    for number in range(10):
        own = tiny.random_ids(draw.choice([1, 7, 33, 70]), seed=100 + number)
        ids = [*beginning, *own] if number % 2 else own
        jobs.append((ids, {"limit": draw.randint(1, 24), "sampling": draw.choice(SAMPLINGS)}))
    alone = [said(engine, ids, **options) for ids, options in jobs]
    batcher = Batcher(engine, slots=4)

    def ask(number: int) -> list[int]:
        ids, options = jobs[number]
        time.sleep(draw.random() / 5)
        tokens = batcher.generate(ids, **({"sampling": GREEDY} | options))
        if number in (2, 7):  # they go away in the middle
            return [token for token, _ in zip(tokens, range(3), strict=False)]
        return list(tokens)

    with ThreadPoolExecutor(10) as threads:
        together = list(threads.map(ask, range(10)))
    for number, (got, want) in enumerate(zip(together, alone, strict=True)):
        assert got == (want[:3] if number in (2, 7) else want), f"request {number}"
    until(lambda: batcher.load.running == 0)
    batcher.close()


def test_stops_and_suppressed_tokens_are_each_ones_own(llama: Engine, batcher: Batcher) -> None:
    ids = tiny.random_ids(11)
    free = said(llama, ids)
    options = [{"stop": {free[4]}}, {"suppress": {free[0], free[1]}}, {}, {"stop": {free[0]}}]
    with ThreadPoolExecutor(4) as threads:
        got = list(threads.map(lambda given: said(batcher, ids, **given), options))
    assert got == [said(llama, ids, **given) for given in options]
    assert got[3] == free[:1]


def test_an_unlikely_beginning_is_left_out(llama: Engine, batcher: Batcher) -> None:
    ids = tiny.random_ids(11)
    reluctant = {said(llama, ids)[0]: 1.1}
    assert (
        said(batcher, ids, reluctant=reluctant) == said(llama, ids, reluctant=reluctant) != said(llama, ids)
    )


@pytest.mark.parametrize("limit", [12, 1])
def test_a_common_beginning_is_read_once(engine: Engine, limit: int) -> None:
    """Also behind an answer of one token, which is over before it was ever decoded with others."""
    beginning = tiny.random_ids(290, seed=1)
    batcher = Batcher(engine, slots=2)
    kept: list[int] = []
    for end in ([5, 6, 7], [8, 9], [10]):
        ids = [*beginning, *end]
        want = said(engine, ids, limit)
        assert said(batcher, ids, limit, marks=(260,), restored=kept.append) == want
    until(lambda: batcher.load.running == 0)
    assert len(batcher._scheduler._holding.rows) == 2
    batcher.close()
    # Where a text can be cut anywhere all of it serves; else as far as chunks end alike.
    shared = 290 if engine.decoder.config is tiny.KINDS["full"] else 260
    assert kept == [0, shared, shared]


def test_of_a_document_asked_about_again_nothing_is_copied(
    llama: Engine, batcher: Batcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state is there as it was read, until another prompt was; then it is in the pool alone."""
    copies: list[int] = []
    take = holding.together.taken
    monkeypatch.setattr(holding.together, "taken", lambda *args: copies.append(1) or take(*args))
    beginning, other = tiny.random_ids(90, seed=1), tiny.random_ids(80, seed=2)
    asked = [([*beginning, 5, 6, 7], 0), ([*beginning, 8], 0), ([*beginning[:50], 9], 0), ([*other, 1], 0)]
    asked += [([*other, 2], 0), ([*beginning, 3], 1), ([*beginning, 4], 1)]
    for ids, copied in asked:
        assert said(batcher, ids) == said(llama, ids)
        assert len(copies) == copied, ids[-1]


def test_an_answer_that_is_complete_has_not_failed(
    llama: Engine, batcher: Batcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one token, all of which was said before it turns out that its prompt cannot be held."""
    ids = tiny.random_ids(30)
    want = said(llama, ids, 1)

    def full(*_: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as broken:
        broken.setattr(holding.together, "put", full)
        assert said(batcher, ids, 1) == want
        with pytest.raises(RuntimeError, match="out of memory"):
            said(batcher, ids, 2)
    assert said(batcher, ids, 1) == want


def test_a_conversation_goes_on_from_its_answer(llama: Engine, batcher: Batcher) -> None:
    ids, kept = tiny.random_ids(30), []
    answer = said(batcher, ids)
    more = [*ids, *answer, 3, 4]
    assert said(batcher, more, restored=kept.append) == said(llama, more)
    assert kept == [len(ids) + len(answer) - 1], "all but the last token, which was never read"


def test_progress_begins_with_what_is_there(batcher: Batcher) -> None:
    ids = tiny.random_ids(40)
    told: list[tuple[int, int]] = []
    said(batcher, ids, progress=lambda *now: told.append(now))
    assert told == [(40, 40)]
    said(batcher, [*ids, 1], progress=lambda *now: told.append(now))
    assert told == [(40, 40), (40, 41), (41, 41)]


def test_who_goes_away_leaves_the_slot_to_others(batcher: Batcher) -> None:
    streams = [batcher.generate(tiny.random_ids(9, seed=n), sampling=GREEDY, limit=200) for n in range(4)]
    for stream in streams:
        next(stream)
    assert batcher.load == Load(4, 0, 4, 2)
    waiting = threading.Thread(target=lambda: said(batcher, [1, 2]))
    waiting.start()
    for stream in streams:
        stream.close()  # type: ignore[attr-defined]
    waiting.join(60)
    assert not waiting.is_alive()
    until(lambda: batcher.load.running == 0)


def test_more_than_may_wait_are_refused(llama: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    batcher = Batcher(llama, slots=1, queue=1)
    held, go = threading.Event(), threading.Event()
    decode = scheduler.Scheduler._decode

    def slowly(self: scheduler.Scheduler) -> None:
        held.set()
        assert go.wait(60)
        decode(self)

    monkeypatch.setattr(scheduler.Scheduler, "_decode", slowly)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(said, batcher, [1, 2, 3])
        assert held.wait(60)
        second = threads.submit(said, batcher, [4, 5])
        until(lambda: batcher.load.waiting == 1)
        assert batcher.load.full
        with pytest.raises(BusyError, match="1 requests are being answered and 1 wait"):
            said(batcher, [6])
        go.set()
        assert [first.result(), second.result()] == [said(llama, [1, 2, 3]), said(llama, [4, 5])]
    batcher.close()


def test_short_prompts_are_let_in_together_and_a_long_one_waits_for_its_turn(
    llama: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What holds back the answers under way is bounded by tokens, not by prompts."""
    batcher = Batcher(llama, slots=8, queue=8)
    held, go, seats = threading.Event(), threading.Event(), []
    decode = scheduler.Scheduler._decode

    def slowly(self: scheduler.Scheduler) -> None:
        held.set()
        assert go.wait(60)
        seats.append(len(self._active))
        decode(self)

    monkeypatch.setattr(scheduler.Scheduler, "_decode", slowly)
    asked = [tiny.random_ids(count, seed=count) for count in (3, 9, 10, 11, 12, 13, 60)]
    with ThreadPoolExecutor(8) as threads:
        answers = []
        for number, ids in enumerate(asked):
            answers.append(threads.submit(said, batcher, ids))
            assert held.wait(60)
            until(lambda number=number: batcher.load.waiting == number)
        go.set()
        assert [each.result() for each in answers] == [said(llama, ids) for ids in asked]
    assert seats[:3] == [1, 6, 7]
    batcher.close()


def test_a_request_that_is_too_long_is_refused_alone(llama: Engine, batcher: Batcher) -> None:
    with pytest.raises(ContextOverflowError, match="260 tokens are needed"):
        said(batcher, [1] * 200, limit=60)
    assert said(batcher, [1], limit=0) == []
    assert said(batcher, [1, 2]) == said(llama, [1, 2])


@dataclass
class Chosen:
    """A constraint: these tokens in turn, of which some must come without being asked for."""

    script: list[tuple[int, ...]]
    failing: str = ""  # the method that fails
    taken: list[int] = field(default_factory=list)
    hurried: bool = False

    @property
    def complete(self) -> bool:
        return self.ended

    @property
    def ended(self) -> bool:
        return len(self.taken) == len(self.script)

    def mask(self) -> np.ndarray:
        if self.failing == "mask" and len(self.taken) == 2:
            raise ConstraintError("nothing may follow")
        return only(self.script[len(self.taken)], tiny.VOCAB)

    def forced(self) -> list[int]:
        forced = []
        for choice in self.script[len(self.taken) :]:
            if len(choice) > 1:
                break
            forced.append(choice[0])
        return forced

    def take(self, token: int, room: int) -> int:
        if self.failing == "take" and len(self.taken) == 2:
            raise ConstraintError("nothing may follow")
        assert token in self.script[len(self.taken)]
        self.taken.append(token)
        return token


def test_constraints_hold_beside_free_answers(llama: Engine, batcher: Batcher) -> None:
    scripts = [
        [(1, 2, 3), (4,), (5,), (6, 7)],
        [(9,), (8,), (11, 12), (13, 14), (15,)],
        [tuple(range(50))] * 6,
    ]
    ids = tiny.random_ids(8)
    with ThreadPoolExecutor(4) as threads:
        free = threads.submit(said, batcher, ids)
        asked = [threads.submit(said, batcher, ids, constraint=Chosen(script)) for script in scripts]
        got = [each.result() for each in asked]
        assert free.result() == said(llama, ids)
    assert got == [said(llama, ids, constraint=Chosen(script)) for script in scripts]


@pytest.mark.parametrize("failing", ["take", "mask"])
def test_an_error_in_one_leaves_the_others(llama: Engine, batcher: Batcher, failing: str) -> None:
    with ThreadPoolExecutor(2) as threads:
        good = threads.submit(said, batcher, [1, 2, 3], 40)
        bad = threads.submit(said, batcher, [4], constraint=Chosen([(1, 2)] * 5, failing=failing))
        with pytest.raises(ConstraintError, match="nothing may follow"):
            bad.result()
        assert good.result() == said(llama, [1, 2, 3], 40)
    until(lambda: batcher.load.running == 0)


def test_as_many_of_the_likeliest_as_anybody_asks_for(llama: Engine, batcher: Batcher) -> None:
    """A number that no array of the device holds means all of them."""
    every, many = (Sampling(temperature=1.2, top_k=top_k, seed=5) for top_k in (0, 10**18))
    assert said(batcher, [1, 2, 3], sampling=many) == said(llama, [1, 2, 3], sampling=every)
    assert said(llama, [1, 2, 3], sampling=many) == said(llama, [1, 2, 3], sampling=every)


def test_numbers_that_are_none_are_told(llama: Engine) -> None:
    params = replace(llama.params, final_norm=jnp.full_like(llama.params.final_norm, jnp.nan))
    decoder = replace(llama.decoder, numerics=Numerics(integer_rows=0))  # integers would be numbers again
    batcher = Batcher(Engine(decoder, params, window=256, cache_bits=32), slots=2)
    with pytest.raises(FormatError, match="not finite"):
        said(batcher, [1, 2])
    batcher.close()


def test_a_failing_device_ends_what_runs_and_not_what_comes(
    llama: Engine, batcher: Batcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("out of memory")

        broken.setattr(scheduler.together, "step", fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            said(batcher, [1, 2, 3])
    assert said(batcher, [1, 2, 3]) == said(llama, [1, 2, 3])


def test_a_closed_one_says_so(llama: Engine) -> None:
    batcher = Batcher(llama, slots=2)
    stream = batcher.generate([1, 2], sampling=GREEDY, limit=200)
    next(stream)
    batcher.close()
    with pytest.raises(ModelError, match="closed"):
        list(stream)
    with pytest.raises(ModelError, match="closed"):
        said(batcher, [1])


@pytest.mark.slow
def test_with_too_few_pages_the_youngest_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(tiny.llama(context=2048), window=2 * PAGE)
    # Three sequences that each come to need a second page, and three pages in all.
    monkeypatch.setattr("model.engine.batching._share", lambda *_: (3, (4, 4)))
    batcher = Batcher(engine)
    jobs = [tiny.random_ids(PAGE - 4, seed=n) for n in range(3)]
    gave: list[object] = []
    give_way = scheduler.Scheduler._give_way
    monkeypatch.setattr(
        scheduler.Scheduler, "_give_way", lambda self, each: gave.append(each) or give_way(self, each)
    )
    with ThreadPoolExecutor(3) as threads:
        got = list(threads.map(lambda ids: said(batcher, ids, 300), jobs))
    assert gave
    assert got == [said(engine, ids, 300) for ids in jobs]
    batcher.close()


@pytest.mark.slow
def test_the_pool_grows_with_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(tiny.llama(context=2048), window=3 * PAGE)
    monkeypatch.setattr("model.engine.batching._share", lambda *_: (2, (2, 9)))
    batcher = Batcher(engine)
    jobs = [tiny.random_ids(count, seed=count) for count in (PAGE - 3, 2 * PAGE - 3)]
    with ThreadPoolExecutor(2) as threads:
        got = list(threads.map(lambda ids: said(batcher, ids), jobs))
    assert got == [said(engine, ids) for ids in jobs]
    batcher.close()


def test_a_pool_that_cannot_grow_makes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has too few pages then gives way; nobody's answer is lost."""
    engine = engine_of(tiny.llama(context=2048), window=2 * PAGE)
    monkeypatch.setattr("model.engine.batching._share", lambda *_: (3, (4, 9)))
    batcher = Batcher(engine)
    jobs = [tiny.random_ids(PAGE - 4, seed=n) for n in range(3)]

    def full(*_: object) -> None:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 12345 bytes.")

    monkeypatch.setattr(holding.together, "larger", full)
    with ThreadPoolExecutor(3) as threads:
        got = list(threads.map(lambda ids: said(batcher, ids, 40), jobs))
    assert got == [said(engine, ids, 40) for ids in jobs]
    batcher.close()


def test_what_cannot_enter_the_pool_leaves_its_place_to_others(
    llama: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = Batcher(llama, slots=2)
    with monkeypatch.context() as broken:

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("out of memory")

        broken.setattr(holding.together, "put", fail)
        for _ in range(3):
            with pytest.raises(RuntimeError, match="out of memory"):
                said(batcher, [1, 2, 3])
            assert len(batcher._scheduler._holding.rows) == 2
    assert said(batcher, [1, 2, 3]) == said(llama, [1, 2, 3])
    batcher.close()


def test_pages_are_free_when_the_last_has_left() -> None:
    pages = Pages(6)
    mine = pages.get(3)
    assert NOWHERE not in mine
    pages.share(mine[:2])
    assert pages.leave(mine) == mine[2:]
    assert pages.free == 3
    pages.leave(mine[:2])
    pages.grow(8)
    assert pages.free == 7
    assert sorted(pages.get(7)) == list(range(1, 8))
    assert [pages_for(tokens) for tokens in (0, 1, PAGE, PAGE + 1)] == [0, 1, 1, 2]


def test_the_shelf_lets_go_of_what_was_not_needed_for_longest(llama: Engine) -> None:
    shelf = Shelf(exact=False, most=2)
    known = [Known(np.arange(n, n + 40, dtype=np.int32), (), [n]) for n in range(3)]
    for each in known:
        shelf.enter(each)
    assert shelf.end(known[0]) == shelf.end(known[1]) == []
    assert shelf.find(llama.trail([*range(30), 90])) == (known[0], 30)
    assert shelf.end(known[2]) == [known[1]]
    assert shelf.drop() is known[0]
    assert shelf.find(llama.trail([*range(15), 90])) is None, "too little to be worth it"


@pytest.mark.slow
@pytest.mark.weights
def test_eight_at_once_on_real_weights_say_what_each_says_alone(weights: Callable[[str], Path]) -> None:
    from model.load import describe, load, prepare

    prepare(None)
    model = load(describe(weights("smollm2-135m")))
    encode = model.card.tokenizer.encode
    asked = [
        encode(f"<|im_start|>user\nTell me about {of}.<|im_end|>\n<|im_start|>assistant\n")
        for of in ("rivers", "bridges", "whales", "copper", "violins", "chess", "tea", "glass")
    ]
    batcher = Batcher(model.engine, slots=8)
    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda ids: said(batcher, ids, 24), asked))
    assert got == [said(model.engine, ids, 24) for ids in asked]
    batcher.close()
