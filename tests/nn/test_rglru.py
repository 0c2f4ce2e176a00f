"""The RG-LRU against the paper's equations, one token at a time in f64; all forms; any cut; padding."""

from __future__ import annotations

from functools import partial
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from model.attention.mask import EMPTY
from model.nn.rglru import Form, recurrence, rglru, steps

FORMS: tuple[Form, ...] = get_args(Form)
LENGTH, WIDTH, BLOCKS = 53, 12, 3
SIZES = (1, 7, LENGTH)  # compiled chunk sizes

run = jax.jit(rglru, static_argnames="form", compiler_options=tiny.QUICK)
recur = jax.jit(recurrence, static_argnums=3, compiler_options=tiny.QUICK)

_RNG = np.random.default_rng(0)
SIDE = WIDTH // BLOCKS
U = _RNG.standard_normal((LENGTH, WIDTH)).astype(np.float32)
GATES = (_RNG.standard_normal((2 * BLOCKS, SIDE, SIDE)) * SIDE**-0.5).astype(np.float32)
BIAS = _RNG.standard_normal((2 * BLOCKS, SIDE)).astype(np.float32)
# Leaks from 0.9 to 0.999 where the gate is open, as the paper begins with.
DECAY = np.log(np.expm1(-np.log(_RNG.uniform(0.9, 0.999, WIDTH)) / 8)).astype(np.float32)
PAST = _RNG.standard_normal(WIDTH).astype(np.float32)


def definition(u: np.ndarray, past: np.ndarray, first: int) -> np.ndarray:
    """States f64 [T, E] of tokens at `first`, `first` + 1, …; every block of every gate by itself."""
    state, states = past.astype(float), []
    weights, bias, decay = (part.astype(float) for part in (GATES, BIAS, DECAY))
    for position, row in enumerate(u.astype(float), start=first):
        opened = np.zeros((2, WIDTH))
        for gate in (0, 1):
            for block in range(BLOCKS):
                own = slice(block * SIDE, (block + 1) * SIDE)
                score = row[own] @ weights[gate * BLOCKS + block] + bias[gate * BLOCKS + block]
                opened[gate, own] = 1 / (1 + np.exp(-score))
        leak = np.exp(-8 * opened[1] * np.log1p(np.exp(decay)))
        kept_size = np.sqrt(1 - leak**2)
        if position == 0:
            leak, kept_size = np.zeros(WIDTH), np.ones(WIDTH)
        state = leak * state + kept_size * opened[0] * row
        states.append(state)
    return np.array(states)


def positions(first: int, taken: int, size: int) -> np.ndarray:
    at = np.full(size, EMPTY, np.int32)
    at[:taken] = np.arange(first, first + taken)
    return at


def cut_up(form: Form, cut: list[tuple[int, int]], past: np.ndarray = PAST) -> np.ndarray:
    """States of all tokens when they come in chunks of (tokens taken, size compiled for)."""
    done, states, state = 0, [], jnp.asarray(past)
    for taken, size in cut:
        rows = np.full((size, WIDTH), 1e3, np.float32)  # padding is a row like any other
        rows[:taken] = U[done : done + taken]
        part, state = run(rows, positions(done, taken, size), state, GATES, BIAS, DECAY, form=form)
        states.append(np.asarray(part[:taken]))
        np.testing.assert_allclose(state, part[taken - 1], atol=1e-6)
        done += taken
    return np.concatenate(states)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("first", [0, 1, 4000])
def test_it_is_the_papers(form: Form, first: int) -> None:
    got, last = run(U, positions(first, LENGTH, LENGTH), PAST, GATES, BIAS, DECAY, form=form)
    np.testing.assert_allclose(got, definition(U, PAST, first), atol=3e-6)
    np.testing.assert_array_equal(last, got[-1])


@st.composite
def cuts(draw: st.DrawFn) -> list[tuple[int, int]]:
    cut, left = [], LENGTH
    while left:
        size = draw(st.sampled_from(SIZES))
        taken = draw(st.integers(1, min(size, left)))
        cut.append((taken, size))
        left -= taken
    return cut


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=20, deadline=None)
@given(cut=cuts())
def test_any_cut_is_one_shot(form: Form, cut: list[tuple[int, int]]) -> None:
    np.testing.assert_allclose(cut_up(form, cut), definition(U, PAST, 0), atol=3e-6)


@pytest.mark.parametrize("form", FORMS)
def test_token_by_token_is_one_shot(form: Form) -> None:
    whole, single = cut_up(form, [(LENGTH, LENGTH)]), cut_up(form, [(1, 1)] * LENGTH)
    np.testing.assert_allclose(single, whole, atol=2e-6)


@pytest.mark.parametrize("form", FORMS)
def test_what_padding_holds_does_not_matter_to_the_bit(form: Form) -> None:
    rows = U.copy()
    at = positions(5, 20, LENGTH)
    got, last = run(rows, at, PAST, GATES, BIAS, DECAY, form=form)
    rows[20:] = 1e6
    other, other_last = run(rows, at, PAST, GATES, BIAS, DECAY, form=form)
    np.testing.assert_array_equal(got, other)
    np.testing.assert_array_equal(last, other_last)
    np.testing.assert_allclose(got[20:], np.broadcast_to(got[19], got[20:].shape), atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_a_chunk_of_padding_alone_changes_nothing(form: Form) -> None:
    _, last = run(U, positions(0, 0, LENGTH), PAST, GATES, BIAS, DECAY, form=form)
    np.testing.assert_array_equal(last, PAST)


def test_a_text_begins_with_nothing_before_it() -> None:
    at = positions(0, LENGTH, LENGTH)
    clean, soiled = (run(U, at, past, GATES, BIAS, DECAY)[0] for past in (np.zeros_like(PAST), 1e6 * PAST))
    np.testing.assert_array_equal(clean, soiled)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tokens", [1, 2, 15, 16, 17, 31, 64, 100])
def test_every_form_is_the_recurrence(form: Form, tokens: int) -> None:
    rng = np.random.default_rng(tokens)
    leak = rng.uniform(0, 1, (tokens, 5)).astype(np.float32)
    leak[rng.uniform(size=leak.shape) < 0.1] = 0
    enter, past = (rng.standard_normal(shape).astype(np.float32) for shape in ((tokens, 5), 5))
    state, want = past.astype(float), []
    for a, b in zip(leak.astype(float), enter, strict=True):
        state = a * state + b
        want.append(state)
    np.testing.assert_allclose(recur(leak, enter, past, form), want, atol=2e-6)


def test_a_leak_of_almost_one_keeps_its_digits() -> None:
    """√(1 - a²) from a² rounded to f32 is 3 % off here."""
    slow = np.full(WIDTH, -17.0, np.float32)
    compute = jax.jit(partial(steps, gates=np.zeros_like(GATES), gate_bias=np.zeros_like(BIAS)))
    _, enter = compute(np.ones((1, WIDTH), np.float32), positions(9, 1, 1), decay=slow)
    log_leak = -8 * 0.5 * np.log1p(np.exp(-17.0))
    np.testing.assert_allclose(enter[0], 0.5 * np.sqrt(-np.expm1(2 * log_leak)), rtol=1e-6)
