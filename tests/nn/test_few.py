"""Products of few rows with grouped integers, interpreted: what the definition gives, and nothing widened."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from model.nn import few
from model.nn.grouped import GroupedArray, widened
from model.nn.linear import Numerics, linear, outputs, rows

RANGES: dict[Any, tuple[int, int]] = {jnp.int8: (-128, 128), jnp.int4: (-8, 8), jnp.uint4: (0, 16)}
product = jax.jit(few.product, compiler_options=tiny.QUICK)


def weight_of(
    kind: Any, shape: tuple[int, ...], group: int, *, mins: bool = False, seed: int = 0
) -> GroupedArray:
    draw = np.random.default_rng(seed)
    groups = (*shape[:-1], shape[-1] // group)
    return GroupedArray(
        jnp.asarray(draw.integers(*RANGES[kind], shape), kind),
        jnp.asarray(draw.uniform(-1, 1, groups), jnp.float16),
        jnp.asarray(draw.uniform(-1, 1, groups), jnp.float16) if mins else None,
        jnp.asarray(2.0 ** draw.integers(-9, 9, shape[:-1]), jnp.float32),
    )


def activations(tokens: int, columns: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(1).standard_normal((tokens, columns)), jnp.float32)


def check(x: jax.Array, weight: GroupedArray, got: jax.Array) -> None:
    """Row by row, since rows differ in size as their multipliers do."""
    wide = np.asarray(widened(weight, jnp.float32), np.float64)
    want = np.asarray(x, np.float64) @ wide.T
    assert got.dtype == jnp.float32
    size = np.abs(x).sum() * np.abs(wide).max(1)
    assert (np.abs(np.asarray(got) - want) <= 1e-6 * size).all()


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_weight(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(RANGES)))
    shape = data.draw(st.sampled_from([(48, 640), (4, 32), (36, 96)]))
    group = data.draw(st.sampled_from([16, 32]))
    weight = weight_of(kind, shape, group, mins=data.draw(st.booleans()), seed=data.draw(st.integers(0, 99)))
    x = activations(data.draw(st.sampled_from([1, 3, 8])), shape[1])
    assert few.can_multiply(weight)
    check(x, weight, product(x, weight))


@pytest.mark.parametrize("index", [0, 2])
def test_a_matrix_of_a_stack_is_found_where_it_lies(index: int) -> None:
    stack = weight_of(jnp.int4, (3, 32, 128), 32, mins=True)
    alone = jax.tree.map(lambda part: part[index], stack)
    chosen, x = stack.at(jnp.int32(index)), activations(2, 128)
    np.testing.assert_array_equal(product(x, chosen), product(x, alone))
    np.testing.assert_array_equal(widened(chosen, jnp.float32), widened(alone, jnp.float32))
    at = jnp.asarray([3, 31])
    np.testing.assert_array_equal(rows(chosen, at), rows(alone, at))
    for start, stop in ((0, 32), (8, 24)):
        some = (widened(outputs(each, start, stop), jnp.float32) for each in (chosen, alone))
        np.testing.assert_array_equal(*some)


def test_what_the_kernel_does_not_take_is_widened() -> None:
    odd = weight_of(jnp.int8, (46, 96), 32)
    assert not few.can_multiply(odd), "outputs without a power of two as a factor"
    assert not few.can_multiply(weight_of(jnp.int8, (48, 96), 48)), "a group that is no power of two"
    x = activations(1, 96)
    check(x, odd, linear(x, odd, Numerics(grouped_rows=8)))


def test_many_rows_and_other_numerics_leave_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(few, "product", lambda x, weight: asked.append(len(x)))
    weight = weight_of(jnp.int8, (48, 96), 32)
    for tokens, numerics in ((9, Numerics(grouped_rows=8)), (1, Numerics()), (8, Numerics(grouped_rows=8))):
        linear(activations(tokens, 96), weight, numerics)
    assert asked == [8]


@pytest.mark.parametrize("kind", list(RANGES), ids=lambda kind: kind.__name__)
def test_it_is_translated_for_a_gpu(kind: Any) -> None:
    """And nothing of the weight's size is made besides."""
    weight = weight_of(kind, (2, 256, 640), 32, mins=True).at(jnp.int32(1))
    traced = jax.jit(lambda x, weight: few.product(x, weight, interpret=False)).trace(
        activations(8, 640), weight
    )
    lowered = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert lowered.count("xla.gpu.triton") == 1
    floats = re.findall(r"tensor<([0-9x]+)x(?:f32|bf16|f16)>", lowered)
    assert max(np.prod([int(size) for size in each.split("x")]) for each in floats) < 256 * 640
