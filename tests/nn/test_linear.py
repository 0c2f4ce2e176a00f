"""One product, look-up and cut for weights however they are stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gguf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from model.formats.ggml import Blocks, GGMLType, unpack
from model.nn import packed
from model.nn.linear import DEFAULT, Numerics, Weight, linear, outputs, rows
from model.nn.qarray import quantize

OUT, IN = 48, 640
product = jax.jit(linear, static_argnums=2)


@dataclass(frozen=True)
class Stored:
    """A weight, the numbers f64 that it holds, and how near products come, as a part of the largest."""

    weight: Weight
    exact: np.ndarray
    tolerance: float


def random(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, IN)).astype(np.float32)


def plain(numbers: np.ndarray) -> Stored:
    return Stored(jnp.asarray(numbers), numbers.astype(np.float64), 1e-6)


def in_two_parts(numbers: np.ndarray) -> Stored:
    weight = quantize(jnp.asarray(numbers))
    return Stored(weight, tiny.f64(weight), 1e-4)


def in_the_files_bits(numbers: np.ndarray) -> Stored:
    tiny.needs_kernel(packed.KERNEL)
    raw = gguf.quantize(numbers, gguf.GGMLQuantizationType.Q5_1)
    blocks, part = unpack(raw.reshape(-1), GGMLType.Q5_1, numbers.shape), packed.segment(GGMLType.Q5_1, OUT)
    assert isinstance(blocks, Blocks)
    assert part is not None
    matrix = np.zeros(packed.nbytes([part], IN), np.uint8)
    packed.pack(blocks, part, matrix[packed.write_header(matrix, [part], IN)[0]])
    weight = packed.PackedArray(jnp.asarray(matrix[None]), None, (OUT, IN))
    return Stored(weight, blocks.dequantize().astype(np.float64), 1e-4)


@pytest.fixture(params=[plain, in_two_parts, in_the_files_bits], ids=lambda store: store.__name__)
def stored(request: pytest.FixtureRequest) -> Stored:
    store: Callable[[np.ndarray], Stored] = request.param
    return store(random(OUT, 0))


def relative(got: jax.Array, want: np.ndarray) -> float:
    return float(np.abs(np.asarray(got, np.float64) - want).max() / np.abs(want).max())


@pytest.mark.parametrize("tokens", [1, 2, 3, 33])
@pytest.mark.parametrize("integer_rows", [0, 2, 8])
def test_products(stored: Stored, tokens: int, integer_rows: int) -> None:
    x = random(tokens, 1)
    got = product(jnp.asarray(x), stored.weight, Numerics(integer_rows=integer_rows))
    assert got.dtype == jnp.float32
    assert relative(got, x.astype(np.float64) @ stored.exact.T) <= stored.tolerance


@pytest.mark.parametrize(("start", "stop"), [(0, OUT), (8, 24), (40, 41)])
def test_some_outputs_are_those_of_all(stored: Stored, start: int, stop: int) -> None:
    some = outputs(stored.weight, start, stop)
    for tokens in (1, 5):
        x = random(tokens, 2)
        got = product(jnp.asarray(x), some, DEFAULT)
        assert got.shape == (tokens, stop - start)
        assert relative(got, x.astype(np.float64) @ stored.exact[start:stop].T) <= stored.tolerance


def test_rows_of_a_table(stored: Stored) -> None:
    index = np.array([3, OUT - 1, 0, 3])
    got = jax.jit(rows)(stored.weight, jnp.asarray(index))
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, stored.exact[index], rtol=1e-6)


def test_rows_of_a_table_in_16_bits() -> None:
    table = jnp.asarray(random(OUT, 0), jnp.bfloat16)
    got = rows(table, jnp.asarray([7]))
    assert got.dtype == jnp.float32
    np.testing.assert_array_equal(got[0], table[7].astype(jnp.float32))


def test_bfloat16_products_lose_what_bfloat16_loses_and_no_more() -> None:
    stored, x = in_two_parts(random(OUT, 0)), random(33, 1)
    want = x.astype(np.float64) @ stored.exact.T
    got = product(jnp.asarray(x), stored.weight, Numerics(gemm="bfloat16"))
    assert got.dtype == jnp.float32
    assert 1e-5 < relative(got, want) <= 1e-2
    few = product(jnp.asarray(x[:2]), stored.weight, Numerics(gemm="bfloat16"))
    assert relative(few, want[:2]) <= 1e-4, "few rows are a product of integers all the same"


def test_the_files_bits_are_multiplied_alike_whatever_is_asked_of_other_weights() -> None:
    stored, x = in_the_files_bits(random(OUT, 0)), jnp.asarray(random(5, 1))
    default = product(x, stored.weight, DEFAULT)
    for numerics in (Numerics(gemm="bfloat16"), Numerics(integer_rows=0), Numerics(integer_rows=9)):
        np.testing.assert_array_equal(product(x, stored.weight, numerics), default)
