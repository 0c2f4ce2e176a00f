"""Filters against a plain sort, draws against the distribution they come from, seeds against each other."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from model.sampling.sampler import Sampler, Sampling, keep, likeliest

SIZE = 24
kept = jax.jit(keep)
LOGITS = nps.arrays(
    np.float32,
    SIZE,
    elements=st.floats(-20, 20, width=32, allow_subnormal=False)
    | st.sampled_from([-3.0, -0.0, 0.0, 1.5, 2.0]),
)


def survivors(logits: np.ndarray, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0) -> set[int]:
    got = np.asarray(kept(jnp.asarray(logits), jnp.int32(top_k), jnp.float32(top_p), jnp.float32(min_p)))
    alive = got > -np.inf
    np.testing.assert_array_equal(got[alive], logits[alive])
    return set(np.flatnonzero(alive).tolist())


def softmax(logits: np.ndarray) -> np.ndarray:
    likely = np.exp(logits.astype(np.float64) - logits.max())
    return likely / likely.sum()


def naive_top_k(logits: np.ndarray, k: int) -> np.ndarray:
    """Everything at least as likely as the k-th of the sorted."""
    if k <= 0 or k >= len(logits):
        return logits
    return np.where(logits >= np.sort(logits)[-k], logits, -np.inf)


def naive_top_p(logits: np.ndarray, p: float) -> tuple[np.ndarray, float]:
    """Sorted and added up until p is reached, with ties of the last; and how narrowly it was decided."""
    if p >= 1:
        return logits, 1.0
    order = np.argsort(-logits, kind="stable")
    sums = np.cumsum(softmax(logits)[order])
    last = order[min(np.searchsorted(sums, p), len(order) - 1)]
    ranked = logits[order]
    ends = sums[np.append(ranked[:-1] != ranked[1:], True)]  # ties are in or out together
    return np.where(logits >= logits[last], logits, -np.inf), float(np.abs(ends - p).min())


def naive_min_p(logits: np.ndarray, m: float) -> tuple[np.ndarray, float]:
    likely = softmax(logits)
    bound = m * likely.max()
    return np.where(likely >= bound, logits, -np.inf), float(np.abs(likely - bound).min() / likely.max())


def alive(logits: np.ndarray) -> set[int]:
    return set(np.flatnonzero(logits > -np.inf).tolist())


@given(LOGITS, st.integers(-1, SIZE + 3))
@settings(max_examples=120, deadline=None)
def test_top_k(logits: np.ndarray, k: int) -> None:
    assert survivors(logits, top_k=k) == alive(naive_top_k(logits, k))


@given(LOGITS, st.floats(0, 1, width=32))
@settings(max_examples=120, deadline=None)
def test_top_p(logits: np.ndarray, p: float) -> None:
    want, margin = naive_top_p(logits, p)
    assume(margin > 1e-6 or p in (0, 1))  # beyond f32, either side is right
    assert survivors(logits, top_p=p) == alive(want)


@given(LOGITS, st.floats(0, 1, width=32))
@settings(max_examples=120, deadline=None)
def test_min_p(logits: np.ndarray, m: float) -> None:
    want, margin = naive_min_p(logits, m)
    assume(margin > 1e-6 or m in (0, 1))
    assert survivors(logits, min_p=m) == alive(want)


@given(LOGITS, st.integers(0, SIZE), st.floats(0, 1, width=32), st.floats(0, 1, width=32))
@settings(max_examples=120, deadline=None)
def test_all_at_once_in_their_order(logits: np.ndarray, k: int, p: float, m: float) -> None:
    after_p, margin_p = naive_top_p(naive_top_k(logits, k), p)
    want, margin_m = naive_min_p(after_p, m)
    assume((margin_p > 1e-6 or p in (0, 1)) and (margin_m > 1e-6 or m in (0, 1)))
    assert survivors(logits, k, p, m) == alive(want)


@given(LOGITS)
@example(np.linspace(-1e30, 1e30, SIZE, dtype=np.float32))
@example(np.array([0.0] * (SIZE - 1) + [200.0], np.float32))
@settings(max_examples=100, deadline=None)
def test_the_neutral_settings_keep_all(logits: np.ndarray) -> None:
    assert survivors(logits) == set(range(SIZE))


@given(LOGITS, st.integers(1, SIZE), st.floats(0, 1, width=32), st.floats(0, 1, width=32))
@settings(max_examples=100, deadline=None)
def test_the_likeliest_always_stays(logits: np.ndarray, k: int, p: float, m: float) -> None:
    assert int(logits.argmax()) in survivors(logits, k, p, m)


@pytest.mark.parametrize("setting", [{"top_k": 1}, {"top_p": 0.0}, {"top_p": 1e-6}, {"min_p": 1.0}], ids=str)
def test_the_narrowest_settings_leave_the_likeliest(setting: dict[str, Any]) -> None:
    logits = np.random.default_rng(0).standard_normal(SIZE).astype(np.float32)
    assert survivors(logits, **setting) == {int(logits.argmax())}


@pytest.mark.parametrize("setting", [{"top_k": 1}, {"top_p": 0.3}, {"min_p": 1.0}, {"top_k": 2}], ids=str)
def test_ties_stay_together(setting: dict[str, Any]) -> None:
    logits = np.full(SIZE, -1.0, np.float32)
    logits[[2, 5, 11]] = 4.0
    assert survivors(logits, **setting) == {2, 5, 11}


def test_a_vocabulary_of_a_quarter_million() -> None:
    logits = np.random.default_rng(0).standard_normal(262_144).astype(np.float32) * 4
    order = np.argsort(-logits)
    assert survivors(logits, top_k=64) == set(order[:64].tolist())
    nucleus = int(np.searchsorted(np.cumsum(softmax(logits)[order]), 0.95)) + 1
    assert len(survivors(logits, top_p=0.95)) == pytest.approx(nucleus, rel=1e-3)


@pytest.fixture(scope="module")
def draws():
    """`draws(logits, **sampling)`: tokens at 20,000 positions."""

    @jax.jit
    def many(sampler: Sampler, logits: jax.Array) -> jax.Array:
        return jax.vmap(partial(sampler.pick, logits))(jnp.arange(20_000))

    return lambda logits, **sampling: np.asarray(many(Sampler.of(Sampling(**sampling)), jnp.asarray(logits)))


FACES = np.array([1.0, 0.2, -0.5, 2.0, 0.0, 1.0, -2.0, 0.7], np.float32)


def chi_square(tokens: np.ndarray, probabilities: np.ndarray) -> float:
    """The statistic over its degrees of freedom: about 1 for a fair draw."""
    possible = probabilities > 0
    counts = np.bincount(tokens, minlength=len(probabilities))
    assert not counts[~possible].any()
    expected = probabilities[possible] * len(tokens)
    return float(((counts[possible] - expected) ** 2 / expected).sum() / max(possible.sum() - 1, 1))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_draws_follow_the_temperature(draws, temperature: float) -> None:
    tokens = draws(FACES, temperature=temperature, seed=1)
    assert chi_square(tokens, softmax(FACES / temperature)) < 3.5  # 7 degrees of freedom: p < 0.001
    other = softmax(FACES / (temperature * 1.15))
    assert chi_square(tokens, other) > 3.5, "the test would see a temperature that is 15 % off"


@pytest.mark.parametrize(
    "filters",
    [{"top_k": 3}, {"top_p": 0.7}, {"min_p": 0.3}, {"top_k": 5, "top_p": 0.8, "min_p": 0.2}],
    ids=str,
)
def test_draws_follow_what_the_filters_leave(draws, filters: dict[str, Any]) -> None:
    """Filters see the distribution after temperature."""
    hot = FACES / np.float32(1.7)
    left = naive_top_k(hot, filters.get("top_k", 0))
    left, _ = naive_top_p(left, filters.get("top_p", 1.0))
    left, _ = naive_min_p(left, filters.get("min_p", 0.0))
    tokens = draws(FACES, temperature=1.7, seed=2, **filters)
    assert chi_square(tokens, softmax(left)) < 4.5


def test_neighbouring_draws_are_independent(draws) -> None:
    tokens = draws(FACES, temperature=1.0, seed=3)
    chance = softmax(FACES)
    pairs = tokens[:-1] * len(FACES) + tokens[1:]
    assert chi_square(pairs, np.outer(chance, chance).ravel()) < 1.6  # 63 degrees of freedom


pick = jax.jit(lambda sampler, logits, position: sampler.pick(logits, position))


@given(LOGITS, st.integers(0, 1 << 20))
@settings(max_examples=100, deadline=None)
def test_greedy_is_the_argmax_whatever_else_is_set(logits: np.ndarray, position: int) -> None:
    for sampling in (Sampling(), Sampling(temperature=0.0, top_k=3, top_p=0.5, min_p=0.1, seed=9)):
        token = pick(Sampler.of(sampling), logits, np.int32(position))
        assert token.dtype == jnp.int32
        assert int(token) == int(logits.argmax())


@pytest.mark.parametrize("temperature", [1e-3, 1e-7, 1e-30])
def test_a_tiny_temperature_is_greedy_too(draws, temperature: float) -> None:
    assert (draws(FACES, temperature=temperature) == FACES.argmax()).all()


SEEDS = [0, 1, -1, 2**31, 2**32, 2**32 + 1, 2**40 + 1, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 2, -(2**40)]


def test_every_seed_is_a_text_of_its_own(draws) -> None:
    texts = {}
    for seed in SEEDS:
        text = tuple(draws(FACES, temperature=1.0, seed=seed)[:200].tolist())
        assert text not in texts, f"seeds {seed} and {texts[text]} say the same"
        texts[text] = seed


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_says_the_same_again(draws, seed: int) -> None:
    first, second = (draws(FACES, temperature=1.0, seed=seed) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_seed_of_any_size() -> None:
    assert math.isfinite(float(Sampler.of(Sampling(seed=10**40)).temperature))


def test_changing_a_number_compiles_nothing() -> None:
    programs = jax.jit(lambda sampler, logits: sampler.pick(logits, 0))
    for sampling in (Sampling(), Sampling(0.7, 40, 0.9, 0.05, 7), Sampling(1.0, seed=2**63)):
        programs(Sampler.of(sampling), jnp.asarray(FACES))
    assert programs._cache_size() == 1


@given(LOGITS, st.sets(st.integers(0, SIZE - 1), min_size=1, max_size=SIZE - 1))
@settings(max_examples=60, deadline=None)
def test_what_is_suppressed_is_never_the_likeliest(logits: np.ndarray, suppressed: set[int]) -> None:
    token = int(pick(padded_sampler(suppressed), logits, np.int32(0)))
    left = np.where(np.isin(np.arange(SIZE), list(suppressed)), -np.inf, logits)
    assert token == int(left.argmax())


def padded_sampler(suppressed: set[int]) -> Sampler:
    """Greedy; the tokens repeated to one length, so that one program serves all examples."""
    sampler = Sampler.of(Sampling(), suppressed)
    assert sampler.suppressed is not None
    return replace(sampler, suppressed=jnp.resize(sampler.suppressed, SIZE))


@pytest.mark.parametrize("filters", [{}, {"top_k": 3}, {"top_p": 0.7}, {"min_p": 0.3}], ids=str)
def test_what_is_suppressed_is_never_drawn(filters: dict[str, Any]) -> None:
    suppressed = {3, 5}  # the likeliest is among them
    left = np.where(np.isin(np.arange(len(FACES)), list(suppressed)), -np.inf, FACES).astype(np.float32)
    many = jax.jit(lambda sampler, logits: jax.vmap(lambda at: sampler.pick(logits, at))(jnp.arange(20_000)))
    tokens = np.asarray(many(Sampler.of(Sampling(1.0, seed=4, **filters), suppressed), jnp.asarray(FACES)))
    left = naive_top_k(left, filters.get("top_k", 0))
    left, _ = naive_top_p(left, filters.get("top_p", 1.0))
    left, _ = naive_min_p(left, filters.get("min_p", 0.0))
    assert chi_square(tokens, softmax(left)) < 4.5


def test_a_model_that_suppresses_nothing_computes_what_it_did() -> None:
    logits, at = jnp.asarray(FACES), jnp.int32(0)
    bare = Sampler.of(Sampling())
    assert bare.suppressed is None
    assert Sampler.of(Sampling(), []).suppressed is None
    program = str(jax.make_jaxpr(lambda sampler: sampler.pick(logits, at))(bare))
    assert "scatter" not in program
    masked = Sampler.of(Sampling(), {1, 2})
    assert "scatter" in str(jax.make_jaxpr(lambda sampler: sampler.pick(logits, at))(masked))


@pytest.mark.parametrize("size", [259, 1024, 1187 * 64, 3 * 512, 512])
@pytest.mark.parametrize("rows", [1, 5])
def test_the_first_of_the_largest(size: int, rows: int) -> None:
    draw = np.random.default_rng(size)
    few = draw.integers(-3, 3, (rows, size)).astype(np.float32)  # many are equal
    each = draw.standard_normal((rows, size)).astype(np.float32)
    signs = np.where(draw.integers(0, 2, (rows, size)) > 0, np.float32(0), np.float32(-0.0))
    nothing = np.full((rows, size), -np.inf, np.float32)
    for logits in (few, each, signs, nothing):
        got = np.asarray(likeliest(jnp.asarray(logits)))
        np.testing.assert_array_equal(got, logits.argmax(axis=1))


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_rows_are_picked_as_each_alone(temperature: float) -> None:
    logits = jnp.asarray(np.random.default_rng(1).standard_normal((6, 512)).astype(np.float32))
    sampler = Sampler.of(Sampling(temperature, top_p=0.9, seed=5), suppress=[3, 7])
    at = jnp.arange(6) + 40
    rows = jax.jit(Sampler.pick_rows)(sampler, logits, at)
    assert rows.tolist() == [
        int(jax.jit(Sampler.pick)(sampler, *row)) for row in zip(logits, at, strict=True)
    ]
