"""Two int8 a weight: how far rounding moves a number, and products equal to those of the rounded numbers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from model.nn.linear import Numerics, linear
from model.nn.qarray import QArray, quantize

FINE = 254 * 127  # steps from zero to a row's largest number
FLOATS = st.floats(-1e4, 1e4, width=32, allow_subnormal=False)
quantized = jax.jit(quantize)
product = jax.jit(linear, static_argnums=2)


def matrix(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def assert_within_half_a_step(weight: np.ndarray, stored: QArray) -> None:
    peak = np.abs(weight.astype(np.float64)).max(-1, keepdims=True)
    assert stored.values.dtype == jnp.int8
    # Half a fine step, and what f32 arithmetic costs; rows whose scale is no normal f32 become zero.
    assert (np.abs(tiny.f64(stored) - weight) <= peak * (0.5 / FINE + 2e-7) + 2e-36).all()


@given(nps.arrays(np.float32, (3, 8), elements=FLOATS))
@settings(max_examples=200, deadline=None)
def test_rounding_is_bounded(weight: np.ndarray) -> None:
    assert_within_half_a_step(weight, quantized(weight))


@pytest.mark.parametrize("size", [1e-30, 1e-12, 1e-3, 1.0, 65_504.0, 1e30])
def test_rounding_at_every_size(size: float) -> None:
    weight = matrix(5, 64) * np.float32(size)
    assert_within_half_a_step(weight, quantized(weight))


def test_rows_of_very_different_size_do_not_disturb_each_other() -> None:
    weight = matrix(4, 64) * np.array([[1e-8], [1.0], [1e8], [0.0]], np.float32)
    stored = quantized(weight)
    assert_within_half_a_step(weight, stored)
    assert not tiny.f64(stored)[3].any()


@pytest.mark.parametrize("size", [1e-44, 1e-39, 1.2e-38, 1e-36])
def test_rows_too_small_for_a_scale_become_zero_not_nonsense(size: float) -> None:
    weight = np.full((2, 8), [[size], [1.0]], np.float32)
    stored = quantized(weight)
    assert_within_half_a_step(weight, stored)
    got = np.asarray(product(jnp.ones((1, 8)), stored, Numerics()))
    np.testing.assert_allclose(got, [[0, 8]], rtol=1e-4, atol=1e-34)
    tiny_activations = np.asarray(product(jnp.asarray(weight[:1]), stored, Numerics()))
    np.testing.assert_allclose(tiny_activations, 0, atol=1e-34)


def test_the_extremes_of_int8_are_enough() -> None:
    """A row's largest number, both signs, and every place between two coarse steps."""
    row = np.linspace(-1, 1, 2 * FINE + 1, dtype=np.float32)[None]
    stored = quantized(row)
    assert_within_half_a_step(row, stored)
    values = np.asarray(stored.values)
    assert values.min() >= -127
    assert values.max() <= 127


def test_stacks_are_quantized_layer_by_layer() -> None:
    weight = np.stack([matrix(3, 8, seed) for seed in range(4)])
    stored = quantized(weight)
    assert stored.values.shape == (4, 2, 3, 8)
    for index in range(4):
        one = quantized(weight[index])
        np.testing.assert_array_equal(stored.values[index], one.values)
        np.testing.assert_array_equal(stored.scales[index], one.scales)


def test_rows_of_an_embedding() -> None:
    stored = quantized(matrix(50, 16))
    index = np.array([3, 49, 0, 3])
    np.testing.assert_allclose(stored.rows(jnp.asarray(index)), tiny.f64(stored)[index], rtol=1e-6)


def relative(got: jax.Array, want: np.ndarray) -> float:
    return float(np.abs(np.asarray(got, np.float64) - want).max() / np.abs(want).max())


@pytest.mark.parametrize(
    ("rows", "columns"), [(1, 640), (2, 640), (3, 640), (7, 16), (1, 1), (2, 2049), (33, 2049)]
)
def test_products_equal_those_of_the_dequantized_weight(rows: int, columns: int) -> None:
    x, stored = matrix(rows, columns, 1), quantized(matrix(48, columns))
    want = x.astype(np.float64) @ tiny.f64(stored).T
    assert relative(product(jnp.asarray(x), stored, Numerics()), want) <= 1e-4
    assert relative(product(jnp.asarray(x), stored, Numerics(integer_rows=0)), want) <= 1e-5


@pytest.mark.parametrize("size", [1e-12, 1e6])
@pytest.mark.parametrize("rows", [1, 3])
def test_products_at_every_size(rows: int, size: float) -> None:
    x, stored = matrix(rows, 64, 1) * np.float32(size), quantized(matrix(48, 64) * np.float32(size))
    want = x.astype(np.float64) @ tiny.f64(stored).T
    assert relative(product(jnp.asarray(x), stored, Numerics()), want) <= 1e-4


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_one_huge_activation_leaves_the_others_right(rows: int) -> None:
    """The outliers of real models, a thousand times the rest in one channel, cost a factor of two or so."""
    x, stored = matrix(rows, 512, 1), quantized(matrix(48, 512))
    x[:, 100] = 1000.0
    want = x.astype(np.float64) @ tiny.f64(stored).T
    assert relative(product(jnp.asarray(x), stored, Numerics()), want) <= 5e-4


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_rows_are_scaled_each_on_its_own(rows: int) -> None:
    x = matrix(rows, 64, 1) * (10.0 ** (-6 * np.arange(rows, dtype=np.float32)))[:, None]
    stored = quantized(matrix(48, 64))
    want = x.astype(np.float64) @ tiny.f64(stored).T
    got = product(jnp.asarray(x), stored, Numerics())
    for row in range(rows):
        assert relative(got[row], want[row]) <= 1e-4


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_zero_rows_give_zeros(rows: int) -> None:
    weight = matrix(8, 16)
    weight[2] = 0
    x = matrix(rows, 16, 1)
    x[0] = 0
    got = np.asarray(product(jnp.asarray(x), quantized(weight), Numerics()))
    assert not got[0].any()
    assert not got[:, 2].any()
    assert got[1:, :2].all()


def test_integer_sums_do_not_overflow() -> None:
    """The worst case of the widest layer that Gemma 3 has, and of twice that."""
    for columns in (21_504, 43_008):
        ones = np.ones((1, columns), np.float32)
        got = product(jnp.asarray(ones), quantized(np.ones((4, columns), np.float32)), Numerics())
        np.testing.assert_allclose(got, columns, rtol=1e-4)
