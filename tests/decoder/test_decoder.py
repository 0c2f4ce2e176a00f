"""Chunks, caches, rings and scans change nothing: however the text is cut, the decoder is its definition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.cache.layer import empty
from model.cache.state import State, init_state
from model.config import ExpertsSpec, ModelConfig
from model.decoder.decoder import Decoder, Media
from model.nn.linear import Numerics
from model.weights.params import Params, stacks

LENGTH = 75  # more than nine windows, and no multiple of anything
SIZES = (1, 5, LENGTH)  # compiled: one token, less than the window, everything
SLOTS = 2 * LENGTH  # room for a padded chunk behind the last token

Cut = list[tuple[int, int]]
ONE_SHOT: Cut = [(LENGTH, LENGTH)]
TOKEN_BY_TOKEN: Cut = [(1, 1)] * LENGTH


@partial(jax.jit, static_argnums=0, compiler_options=tiny.QUICK)
def step(
    decoder: Decoder, params: Params, ropes, state: State, tokens, count, media: Media | None = None
) -> tuple[jax.Array, State]:
    hidden, state = decoder.hidden(params, ropes, state, tokens, count, media)
    return decoder.logits(params, hidden), state


@partial(jax.jit, static_argnums=0, compiler_options=tiny.QUICK)
def step_last(
    decoder: Decoder, params: Params, ropes, state: State, tokens, count, media: Media | None = None
) -> tuple[jax.Array, State]:
    hidden, state = decoder.last(params, ropes, state, tokens, count, media)
    return decoder.logits(params, hidden), state


class Case:
    """A tiny model, a text, and what the definition says of it."""

    def __init__(self, config: ModelConfig, *, quantized: bool = False) -> None:
        self.config = config
        self.params = tiny.random_params(config, quantized=quantized)
        self.decoder = Decoder(config, Numerics() if quantized else Numerics(integer_rows=0))
        self.ropes = self.decoder.rope_tables(SLOTS)
        self.bits = 16 if quantized else 32
        self.ids = tiny.random_ids(LENGTH)
        self.want = tiny.dense(config, self.params, self.ids)
        # Scores that are not scaled are sharp, and show what f32 rounds.
        sharp = any(tiny.attention_of(spec).query_scale == 1 for spec in config.layers)
        self.close = 4e-4 if sharp else 5e-5

    def logits(self, cut: Cut, state: State | None = None, run=step) -> np.ndarray:
        state, done, parts = state or init_state(self.config, SLOTS, self.bits), 0, []
        for taken, size in cut:
            tokens = np.full(size, tiny.VOCAB - 1, np.int32)  # padding is a token like any other
            tokens[:taken] = self.ids[done : done + taken]
            logits, state = run(self.decoder, self.params, self.ropes, state, tokens, np.int32(taken))
            parts.append(np.asarray(logits[:taken]))
            done += taken
        assert int(state.length) == done
        return np.concatenate(parts)


CONFIGS = {
    "llama": tiny.llama(),
    "qwen": tiny.qwen(),
    "gemma": tiny.gemma(7),
    "gemma untied": tiny.gemma(7, tied=False),
    "gemma4 E": tiny.gemma4(7, 3, inputs=8),  # lenders in the last rounds of two stacks
    "gemma4 A": tiny.gemma4(5, experts=ExpertsSpec(6, 2, 16), tied_values=True),
}


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    built = {name: Case(config) for name, config in CONFIGS.items() if name != "gemma untied"}
    return built | {
        f"{name} quantized": Case(CONFIGS[name], quantized=True) for name in ("qwen", "gemma untied")
    }


@pytest.fixture(scope="module")
def one_shots(cases: dict[str, Case]) -> dict[str, np.ndarray]:
    return {name: case.logits(ONE_SHOT) for name, case in cases.items()}


EXACT = ["llama", "qwen", "gemma", "gemma4 E", "gemma4 A"]
BY_STEPS = EXACT[:-1]
QUANTIZED = ["qwen quantized", "gemma untied quantized"]


@st.composite
def cuts(draw: st.DrawFn, sizes: tuple[int, ...] = SIZES) -> Cut:
    """(tokens taken, size compiled for) until the text is used up, padded chunks included."""
    cut, left = [], LENGTH
    while left:
        size = draw(st.sampled_from(sizes))
        taken = draw(st.integers(1, min(size, left)))
        cut.append((taken, size))
        left -= taken
    return cut


def split_at(point: int) -> Cut:
    return [(point, LENGTH), (LENGTH - point, LENGTH)]


AROUND_THE_WINDOW = [*range(6, 11), *range(15, 18), 63, 64, 65, 73, 74]


@pytest.mark.parametrize("name", EXACT)
def test_one_shot_is_the_definition(
    cases: dict[str, Case], one_shots: dict[str, np.ndarray], name: str
) -> None:
    np.testing.assert_allclose(one_shots[name], cases[name].want, atol=cases[name].close)


@pytest.mark.parametrize("name", BY_STEPS)
def test_token_by_token(cases: dict[str, Case], name: str) -> None:
    np.testing.assert_allclose(cases[name].logits(TOKEN_BY_TOKEN), cases[name].want, atol=cases[name].close)


@pytest.mark.parametrize("name", BY_STEPS)
@pytest.mark.parametrize("cut", [ONE_SHOT, [(4, 5), *[(5, 5)] * 14, (1, 1)], [(40, LENGTH), (35, LENGTH)]])
def test_the_last_token_alone(cases: dict[str, Case], name: str, cut: Cut) -> None:
    ends = np.cumsum([taken for taken, _ in cut]) - 1
    alone = cases[name].logits(cut, run=step_last)
    np.testing.assert_allclose(alone, cases[name].want[ends], atol=cases[name].close)


@given(cut=cuts())
@example([(5, 5)] * 15)
@example([(8, LENGTH)] * 9 + [(3, 5)])
@settings(max_examples=15, deadline=None)
def test_every_cut(cases: dict[str, Case], cut: Cut) -> None:
    np.testing.assert_allclose(cases["gemma"].logits(cut), cases["gemma"].want, atol=5e-5)


@given(cut=cuts((1, LENGTH)))
@example([(8, LENGTH)] * 9 + [(3, LENGTH)])
@settings(max_examples=10, deadline=None)
def test_every_cut_of_layers_that_read_others(cases: dict[str, Case], cut: Cut) -> None:
    case = cases["gemma4 E"]
    np.testing.assert_allclose(case.logits(cut), case.want, atol=case.close)


@pytest.mark.parametrize("name", ["llama", "qwen"])
@given(cut=cuts((1, LENGTH)))
@settings(max_examples=10, deadline=None)
def test_every_cut_without_rings(cases: dict[str, Case], name: str, cut: Cut) -> None:
    np.testing.assert_allclose(cases[name].logits(cut), cases[name].want, atol=cases[name].close)


@pytest.mark.parametrize("point", AROUND_THE_WINDOW)
def test_cuts_around_the_window(cases: dict[str, Case], point: int) -> None:
    np.testing.assert_allclose(cases["gemma"].logits(split_at(point)), cases["gemma"].want, atol=5e-5)


# With 16-bit keys and values a difference of one f32 step can become one f16 step (2^-12): some thousandths
# in logits of deviation 1.5; and rounding keys and values costs as much against the definition.


@pytest.mark.parametrize("name", QUANTIZED)
def test_the_quantized_path_is_near_the_definition(
    cases: dict[str, Case], one_shots: dict[str, np.ndarray], name: str
) -> None:
    for got in (one_shots[name], cases[name].logits(TOKEN_BY_TOKEN)):
        error = np.abs(got - cases[name].want)
        assert error.max() < 0.02
        assert error.mean() < 0.002


@pytest.mark.parametrize("name", QUANTIZED)
@given(cut=cuts((1, LENGTH)))
@example(TOKEN_BY_TOKEN)
@settings(max_examples=8, deadline=None)
def test_every_cut_of_the_quantized_path(
    cases: dict[str, Case], one_shots: dict[str, np.ndarray], name: str, cut: Cut
) -> None:
    error = np.abs(cases[name].logits(cut) - one_shots[name])
    assert error.max() < 0.01
    assert error.mean() < 0.001


def without_rings(config: ModelConfig) -> State:
    """Every cache full-length: the sliding layers' windows are then the mask's doing alone."""
    caches = tuple(
        tuple(
            empty(stack.repeats, mixer.kv_heads, SLOTS, mixer.head_dim, 32, ring=False)
            for mixer in (spec.attention for spec in stack.specs)
            if mixer is not None
        )
        for stack in stacks(config)
    )
    return State(caches, jnp.zeros((), jnp.int32))


def test_a_ring_is_a_full_cache_and_a_mask(cases: dict[str, Case]) -> None:
    case = cases["gemma"]
    cut: Cut = [(1, 1)] * 20 + [(30, LENGTH), (25, LENGTH)]
    full = case.logits(cut, without_rings(case.config))
    np.testing.assert_allclose(full, case.want, atol=5e-5)
    np.testing.assert_allclose(case.logits(cut), full, atol=5e-5)


def test_both_implementations_of_attention_agree(cases: dict[str, Case]) -> None:
    case = cases["qwen"]
    reference = Case(case.config)
    reference.decoder = replace(case.decoder, implementation="reference")
    cut: Cut = [(40, LENGTH), (1, 1), (34, LENGTH)]
    np.testing.assert_allclose(reference.logits(cut), case.want, atol=5e-5)


def test_a_trimmed_full_cache_continues_as_if_nothing_had_been(cases: dict[str, Case]) -> None:
    case = cases["llama"]
    state = init_state(case.config, SLOTS, 32)
    wrong = np.array(case.ids[:40] + [3] * 35, np.int32)
    _, state = step(case.decoder, case.params, case.ropes, state, wrong, np.int32(60))
    right = np.array(case.ids[40:] + [0] * 40, np.int32)
    logits, _ = step(case.decoder, case.params, case.ropes, state.trim(40), right, np.int32(35))
    np.testing.assert_allclose(logits[:35], case.want[40:], atol=5e-5)


FIRST, SOFT = 21, 11  # the block: more tokens than the window


@pytest.mark.parametrize(
    ("name", "run"), [("gemma", step), ("gemma", step_last), ("gemma4 A", step), ("gemma4 E", step_last)]
)
def test_soft_tokens_see_one_another_where_the_model_lets_them(
    cases: dict[str, Case], name: str, run: Callable[..., tuple[jax.Array, State]]
) -> None:
    case = cases[name]
    soft = np.random.default_rng(1).standard_normal((SOFT, case.config.width)).astype(np.float32)
    want = tiny.dense(case.config, case.params, case.ids, [(FIRST, soft)])
    np.testing.assert_allclose(want[:FIRST], case.want[:FIRST], atol=1e-12)
    assert np.abs(want[FIRST:] - case.want[FIRST:]).max(axis=1).min() > 0.01
    state, done = init_state(case.config, SLOTS, 32), 0
    for taken in (16, 30, 29):  # the second chunk holds the block, with text on both sides
        tokens, rows = np.zeros(LENGTH, np.int32), np.zeros((LENGTH, case.config.width), np.float32)
        tokens[:taken] = case.ids[done : done + taken]
        number = np.full(LENGTH, -1, np.int32)
        if done <= FIRST < done + taken:
            here = slice(FIRST - done, FIRST - done + SOFT)
            rows[here], number[here], tokens[here] = soft, 3, tiny.VOCAB + 5
        media = Media(jnp.asarray(rows), jnp.asarray(number >= 0), jnp.asarray(number))
        logits, state = run(case.decoder, case.params, case.ropes, state, tokens, np.int32(taken), media)
        done += taken
        expected = want[done - 1 : done] if run is step_last else want[done - taken : done]
        np.testing.assert_allclose(np.asarray(logits)[: len(expected)], expected, atol=case.close)


def test_the_final_softcap() -> None:
    case = Case(replace(tiny.qwen(), final_softcap=1.5, layers=tiny.qwen().layers[:1]))
    got = case.logits(ONE_SHOT)
    assert np.abs(got).max() < 1.5
    np.testing.assert_allclose(got, case.want, atol=5e-5)
