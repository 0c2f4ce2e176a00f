"""The causal convolution against its sum written out; any cut of a text; padding; the text's beginning."""

from __future__ import annotations

import jax
import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from model.attention.mask import EMPTY
from model.nn.conv import causal_conv

LENGTH, WIDTH = 19, 5
SIZES = (1, 2, 6, LENGTH)  # less than the taps, more than them, everything

conv = jax.jit(causal_conv, compiler_options=tiny.QUICK)

_RNG = np.random.default_rng(0)
X = _RNG.standard_normal((LENGTH, WIDTH)).astype(np.float32)
BIAS = _RNG.standard_normal(WIDTH).astype(np.float32)


def taps(count: int) -> np.ndarray:
    return np.random.default_rng(count).standard_normal((WIDTH, count)).astype(np.float32)


def definition(x: np.ndarray, past: np.ndarray, weight: np.ndarray) -> np.ndarray:
    seen = np.concatenate([past, x]).astype(float)
    reach, out = weight.shape[1], np.zeros(x.shape)
    for token in range(len(x)):
        for channel in range(WIDTH):
            out[token, channel] = BIAS[channel] + sum(
                weight[channel, tap] * seen[token + tap, channel] for tap in range(reach)
            )
    return out


def positions(first: int, taken: int, size: int) -> np.ndarray:
    at = np.full(size, EMPTY, np.int32)
    at[:taken] = np.arange(first, first + taken)
    return at


@pytest.mark.parametrize("count", [2, 4])
def test_the_sum(count: int) -> None:
    past = np.random.default_rng(9).standard_normal((count - 1, WIDTH)).astype(np.float32)
    got, carried = conv(X, positions(7, LENGTH, LENGTH), past, taps(count), BIAS)
    np.testing.assert_allclose(got, definition(X, past, taps(count)), atol=1e-6)
    np.testing.assert_array_equal(carried, X[-(count - 1) :])


def test_a_text_begins_with_zeros_before_it() -> None:
    past = np.full((3, WIDTH), 1e6, np.float32)
    got, _ = conv(X, positions(0, LENGTH, LENGTH), past, taps(4), BIAS)
    np.testing.assert_allclose(got, definition(X, np.zeros((3, WIDTH)), taps(4)), atol=1e-6)


@st.composite
def cuts(draw: st.DrawFn) -> list[tuple[int, int]]:
    cut, left = [], LENGTH
    while left:
        size = draw(st.sampled_from(SIZES))
        taken = draw(st.integers(1, min(size, left)))
        cut.append((taken, size))
        left -= taken
    return cut


@settings(max_examples=30, deadline=None)
@given(cut=cuts())
def test_any_cut_is_one_shot_to_the_bit(cut: list[tuple[int, int]]) -> None:
    whole, _ = conv(X, positions(0, LENGTH, LENGTH), np.zeros((3, WIDTH), np.float32), taps(4), BIAS)
    past, parts, done = np.zeros((3, WIDTH), np.float32), [], 0
    for taken, size in cut:
        rows = np.full((size, WIDTH), 1e6, np.float32)  # padding is a row like any other
        rows[:taken] = X[done : done + taken]
        part, past = conv(rows, positions(done, taken, size), past, taps(4), BIAS)
        parts.append(np.asarray(part[:taken]))
        done += taken
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)
    np.testing.assert_array_equal(past, X[-3:])


def test_a_chunk_of_padding_alone_carries_what_was() -> None:
    past = X[:3]
    _, carried = conv(X[:2], positions(0, 0, 2), past, taps(4), BIAS)
    np.testing.assert_array_equal(carried, past)
