"""Generation is the repeated argmax of scores, however it is chunked, stepped, grown, stopped or left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import tiny

from model.config import ModelConfig
from model.decoder.decoder import Decoder
from model.engine import decode, plan, prefill, room
from model.engine.engine import Engine
from model.errors import ContextOverflowError, FormatError
from model.nn.linear import Numerics
from model.prompt import Soft
from model.sampling.sampler import Sampling

GREEDY = Sampling()
WARM = Sampling(temperature=1.5, seed=3)
PROMPT = tiny.random_ids(11)


def engine(config: ModelConfig, *, quantized: bool = False, window: int = 256) -> Engine:
    numerics = Numerics() if quantized else Numerics(integer_rows=0)
    params = tiny.random_params(config, quantized=quantized)
    return Engine(Decoder(config, numerics), params, window=window, cache_bits=16 if quantized else 32)


@pytest.fixture(scope="module")
def engines() -> dict[str, Engine]:
    return {
        "llama": engine(tiny.llama()),
        "gemma": engine(tiny.gemma(7)),
        "qwen quantized": engine(tiny.qwen(), quantized=True),
    }


@pytest.fixture
def llama(engines: dict[str, Engine]) -> Engine:
    return engines["llama"]


def said(engine: Engine, ids: list[int] = PROMPT, *, limit: int = 21, **options) -> list[int]:
    return list(engine.generate(ids, limit=limit, **({"sampling": GREEDY} | options)))


def test_greedy_is_the_argmax_of_repeated_scores(llama: Engine) -> None:
    ids = list(PROMPT)
    for _ in range(21):
        ids.append(int(llama.score(ids)[-1].argmax()))
    assert said(llama) == ids[len(PROMPT) :]


@pytest.mark.parametrize("name", ["llama", "gemma", "qwen quantized"])
def test_every_token_is_the_argmax_after_the_ones_before(engines: dict[str, Engine], name: str) -> None:
    answer = said(engines[name])
    scores = engines[name].score(PROMPT + answer)
    best = scores[len(PROMPT) - 1 : -1]
    # The quantized path rounds differently for one row and for many: what it chose is the best but for that.
    margin = 0.01 if "quantized" in name else 1e-4
    chosen = best[np.arange(len(answer)), answer]
    assert (best.max(-1) - chosen <= margin).all()
    assert len(set(answer)) > 3, "a text that tells something"


@pytest.mark.parametrize("name", ["llama", "gemma"])
def test_scores_are_the_definition(engines: dict[str, Engine], name: str) -> None:
    ids = tiny.random_ids(30)  # nearly four windows in a padded chunk
    want = tiny.dense(engines[name].decoder.config, engines[name].params, ids)
    np.testing.assert_allclose(engines[name].score(ids), want, atol=5e-5)


@pytest.mark.parametrize("cut", [1, 7, 10])
def test_a_prompt_in_parts_is_the_prompt(engines: dict[str, Engine], cut: int) -> None:
    gemma = engines["gemma"]
    _, state = gemma.prefill(PROMPT[:cut], gemma.new_state(len(PROMPT)))
    logits, state = gemma.prefill(PROMPT[cut:], state)
    assert int(state.length) == len(PROMPT)
    np.testing.assert_allclose(logits, gemma.score(PROMPT)[-1], atol=5e-5)


@pytest.mark.parametrize("limit", [1, 2, 3, 17, 18, 21])
def test_the_limit(llama: Engine, limit: int) -> None:
    assert said(llama, limit=limit) == said(llama)[:limit]


@pytest.mark.parametrize("limit", [0, -1])
def test_no_room_asked_for_says_nothing(llama: Engine, limit: int) -> None:
    assert said(llama, limit=limit) == []


@pytest.mark.parametrize("at", [0, 1, 2, 5, 20])
def test_a_stop_ends_the_text_and_is_its_last_token(llama: Engine, at: int) -> None:
    answer = said(llama)
    stop = answer[at]
    want = answer[: answer.index(stop) + 1]
    assert said(llama, stop={stop}) == want
    never = next(token for token in range(tiny.VOCAB) if token not in answer)
    assert said(llama, stop={stop, never}) == want
    assert said(llama, stop=[stop, stop]) == want


def test_nothing_more_is_asked_for_after_a_stop(llama: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, step, launched = said(llama), decode.step, []
    monkeypatch.setattr(decode, "step", lambda *given: launched.append(1) or step(*given))
    said(llama, stop={answer[1]}, limit=200)
    assert len(launched) <= 2, "the one that stopped, and the one that was already under way"


def test_stops_that_never_come(llama: Engine) -> None:
    answer = said(llama)
    never = next(token for token in range(tiny.VOCAB) if token not in answer)
    assert said(llama, stop={never}) == answer
    assert said(llama, stop=()) == answer


def test_a_stop_holds_for_draws_too(llama: Engine) -> None:
    answer = said(llama, sampling=WARM)
    assert said(llama, sampling=WARM, stop={answer[4]}) == answer[: answer.index(answer[4]) + 1]


def test_the_window_holds_prompt_and_answer(llama: Engine) -> None:
    small = Engine(llama.decoder, llama.params, window=len(PROMPT) + 3, cache_bits=32)
    assert said(small, limit=3) == said(llama, limit=3)
    with pytest.raises(ContextOverflowError, match=r"15 tokens .* only 14") as caught:
        said(small, limit=4)
    assert (caught.value.needed, caught.value.window) == (15, 14)


def test_only_what_fits_is_scored(llama: Engine) -> None:
    small = Engine(llama.decoder, llama.params, window=11, cache_bits=32)
    np.testing.assert_array_equal(small.score(PROMPT), llama.score(PROMPT))
    with pytest.raises(ContextOverflowError, match=r"12 tokens .* only 11"):
        small.score([*PROMPT, 1])


@pytest.mark.parametrize("steps", [1, 2, 3, 16])
@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "warm"])
def test_the_text_does_not_depend_on_how_steps_are_cut(
    llama: Engine, sampling: Sampling, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    want = said(llama, sampling=sampling)
    monkeypatch.setattr(decode, "_paced", lambda *_: steps)
    assert said(llama, sampling=sampling) == want


def test_the_text_does_not_depend_on_how_the_prompt_is_cut(
    llama: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    want = said(llama, sampling=WARM)
    monkeypatch.setattr(
        plan, "chunks", lambda count, whole=(), marks=(): iter([(1, 32)] * (count - 3) + [(3, 32)])
    )
    assert said(llama, sampling=WARM) == want


def test_the_same_seed_is_the_same_text_and_another_is_another(llama: Engine) -> None:
    texts = [tuple(said(llama, sampling=replace(WARM, seed=seed))) for seed in (0, 1, -1, 2**63, 2**63 + 1)]
    assert len(set(texts)) == len(texts)
    assert texts == [
        tuple(said(llama, sampling=replace(WARM, seed=seed))) for seed in (0, 1, -1, 2**63, 2**63 + 1)
    ]


def test_draws_differ_from_position_to_position(llama: Engine) -> None:
    """One key for all positions would repeat itself on a flat distribution."""
    flat = said(llama, sampling=Sampling(temperature=1000.0))
    assert len(set(flat)) > 12


@pytest.fixture(scope="module")
def long() -> Engine:
    spec = tiny.with_attention(tiny.llama().layers[0], heads=2, kv_heads=1, ffw=16)
    return engine(replace(tiny.llama(), width=16, layers=(spec,)), window=8192)


@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "warm"])
def test_a_cache_that_grows_says_the_same(
    long: Engine, sampling: Sampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = tiny.random_ids(2040)
    want = said(long, ids, limit=40, sampling=sampling)  # room for 4096 from the start
    sizes = []
    grown = room._grown
    monkeypatch.setattr(
        room, "_grown", lambda made, state, slots: sizes.append(slots) or grown(made, state, slots)
    )
    monkeypatch.setattr(room, "_ROOM", 4)
    assert said(long, ids, limit=40, sampling=sampling) == want
    assert sizes == [4096 + plan.LARGEST]


def test_a_long_text_is_the_definition(long: Engine) -> None:
    """Several chunks and blocks of keys, with the constants as they are."""
    ids = tiny.random_ids(1500)
    np.testing.assert_allclose(long.score(ids), tiny.dense(long.decoder.config, long.params, ids), atol=5e-5)


def test_leaving_early_leaves_no_trouble(llama: Engine) -> None:
    want = said(llama)
    for taken in (0, 1, 2, 5):
        answer = llama.generate(PROMPT, sampling=GREEDY, limit=21)
        assert list(islice(answer, taken)) == want[:taken]
        assert isinstance(answer, Iterator)
        answer.close()
        assert list(answer) == []
    assert said(llama) == want


def test_two_texts_at_once_do_not_mix(llama: Engine) -> None:
    other = tiny.random_ids(9, seed=5)
    want = list(zip(said(llama), said(llama, other), strict=True))
    texts = (llama.generate(ids, sampling=GREEDY, limit=21) for ids in (PROMPT, other))
    assert list(zip(*texts, strict=True)) == want


def test_progress(long: Engine) -> None:
    seen: list[tuple[int, int]] = []
    said(long, tiny.random_ids(2040), limit=1, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1024, 2040), (2040, 2040)]


def test_a_failing_progress_ends_the_answer_and_nothing_else(llama: Engine) -> None:
    def fail(done: int, total: int) -> None:
        raise KeyboardInterrupt

    want = said(llama)
    with pytest.raises(KeyboardInterrupt):
        said(llama, progress=fail)
    assert said(llama) == want


def test_another_text_of_another_kind_compiles_nothing(llama: Engine) -> None:
    stop = {1, 2}
    said(llama, stop=stop)
    programs = decode.step, prefill.take, prefill.head
    before = [program.count for program in programs]
    said(llama, tiny.random_ids(15, seed=8), limit=13, stop={4, 5}, sampling=Sampling(0.7, 40, 0.9, 0.05, 11))
    assert [program.count for program in programs] == before


def test_weights_that_give_no_numbers_are_refused(llama: Engine) -> None:
    damaged = Engine(
        llama.decoder,
        replace(llama.params, final_norm=llama.params.final_norm * np.float32("nan")),
        window=256,
        cache_bits=32,
    )
    with pytest.raises(FormatError, match="damaged"):
        said(damaged)


def test_a_reluctant_token_comes_first_only_where_it_is_likely_enough(llama: Engine) -> None:
    scores = llama.score(PROMPT)[-1].astype(np.float64)
    likely = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    best, second = np.argsort(-likely)[:2].tolist()
    assert said(llama, limit=1) == [best]
    assert said(llama, limit=1, reluctant={best: likely[best] - 0.01}) == [best]
    assert said(llama, limit=1, reluctant={best: likely[best] + 0.01}) == [second]
    assert said(llama, limit=9, reluctant={second: 0.99}) == said(llama, limit=9), "what is not first is free"


def as_soft(engine: Engine, ids: list[int], begin: int, end: int, *, is_block: bool) -> Soft:
    """What the embedding says of some tokens, as an encoder would give it."""
    config = engine.decoder.config
    rows = tiny.f64(engine.params.embed)[ids[begin:end]] * config.embed_scale
    return Soft(begin, rows.astype(np.float32), is_block)


@pytest.mark.parametrize("name", ["llama", "gemma"])
@pytest.mark.slow
def test_soft_tokens_are_what_they_stand_for(engines: dict[str, Engine], name: str) -> None:
    ids = tiny.random_ids(50)
    hidden = [*ids[:5], *[0] * 30, *ids[35:]]
    soft = as_soft(engines[name], ids, 5, 35, is_block=False)
    np.testing.assert_allclose(engines[name].score(hidden, [soft]), engines[name].score(ids), atol=5e-5)
    _, state = engines[name].prefill(ids, engines[name].new_state(50))
    logits, _ = engines[name].prefill(hidden, engines[name].new_state(50), soft=[soft])
    np.testing.assert_allclose(logits, engines[name].score(ids)[-1], atol=5e-5)
    assert int(state.length) == 50
