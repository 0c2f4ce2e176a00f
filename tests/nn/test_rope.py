"""Rotary angles are exact to a million positions, and the pairs are (i, i + H/2)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from model.config import RopeSpec
from model.nn.rope import RopeTable, rope_table, rotate

MILLION = 1 << 20
SPECS = [
    (RopeSpec(10_000.0), 256),
    (RopeSpec(1_000_000.0, 8.0), 256),
    (RopeSpec(1_000_000.0), 128),
    (RopeSpec(100_000.0), 64),
    (RopeSpec(130_000.0), 2),
]
TABLES = [rope_table(spec, size, MILLION) for spec, size in SPECS]


def exact(positions: np.ndarray, spec: RopeSpec, size: int) -> tuple[np.ndarray, np.ndarray]:
    angles = positions[:, None] / (spec.factor * spec.theta ** (np.arange(0, size, 2) / size))
    return np.cos(angles), np.sin(angles)


@jax.jit
def angles(table: RopeTable, positions: jax.Array) -> tuple[jax.Array, jax.Array]:
    return table.angles(positions)


@pytest.mark.parametrize("which", range(len(SPECS)))
def test_angles_up_to_a_million(which: int) -> None:
    edges = [0, 1, 1023, 1024, 1025, 4095, 65_536, 999_999, MILLION - 1025, MILLION - 1024, MILLION - 1]
    random = np.random.default_rng(which).integers(0, MILLION, 4096 - len(edges))
    positions = np.concatenate([edges, random])
    got = angles(TABLES[which], jnp.asarray(positions, jnp.int32))
    for part, want in zip(got, exact(positions, *SPECS[which]), strict=True):
        assert np.abs(np.asarray(part, np.float64) - want).max() <= 1e-6


def test_f32_angles_would_not_do() -> None:
    """The reason for the tables: the bound above is no easy one."""
    spec, size = SPECS[0]
    naive = np.float32(MILLION - 1) * (
        np.float32(spec.theta) ** -(np.arange(0, size, 2, dtype=np.float32) / size)
    )
    want, _ = exact(np.array([MILLION - 1]), spec, size)
    assert np.abs(np.cos(naive.astype(np.float64)) - want).max() > 1e-3


@given(st.integers(0, MILLION - 1))
@settings(max_examples=200, deadline=None)
def test_angles_anywhere(position: int) -> None:
    positions = np.full(1, position)
    got = angles(TABLES[1], jnp.asarray(positions, jnp.int32))
    for part, want in zip(got, exact(positions, *SPECS[1]), strict=True):
        assert np.abs(np.asarray(part) - want).max() <= 1e-6


@pytest.mark.parametrize("context", [1, 1023, 1024, 1025, 5000])
def test_the_table_covers_its_context_and_is_no_larger(context: int) -> None:
    spec, size = SPECS[0]
    table = rope_table(spec, size, context)
    assert table.high.shape == (-(-context // 1024), 2, size // 2)
    (cos, sin), (want_cos, want_sin) = (
        table.angles(jnp.array([context - 1])),
        exact(np.array([context - 1]), spec, size),
    )
    np.testing.assert_allclose(cos, want_cos, atol=1e-6)
    np.testing.assert_allclose(sin, want_sin, atol=1e-6)


def test_rotation_pairs_halves() -> None:
    """A vector along axis 0 turns towards axis H/2, never towards axis 1."""
    table = rope_table(RopeSpec(10_000.0), 8, 64)
    x = jnp.zeros((1, 1, 8)).at[0, 0, 0].set(1.0)
    turned = np.asarray(rotate(x, table.angles(jnp.array([1]))))[0, 0]
    np.testing.assert_allclose(turned, [np.cos(1), 0, 0, 0, np.sin(1), 0, 0, 0], atol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 8.0])
def test_rotation_against_complex_numbers(factor: float) -> None:
    rng = np.random.default_rng(0)
    spec, positions = RopeSpec(10_000.0, factor), np.array([0, 1, 2, 77, 5000, 1_000_000])
    x = rng.standard_normal((len(positions), 3, 16))
    table = rope_table(spec, 16, MILLION)
    got = rotate(jnp.asarray(x, jnp.float32), table.angles(jnp.asarray(positions)))
    np.testing.assert_allclose(got, tiny.rope(x, positions, spec), atol=1e-5)


PART = RopeSpec(10_000.0, rotated=0.5)
SPREAD = RopeSpec(1_000_000.0, rotated=0.25, proportional=True)


@pytest.mark.parametrize(("spec", "apart"), [(PART, None), (SPREAD, 16)], ids=["part", "spread"])
def test_a_part_of_a_head_may_turn(spec: RopeSpec, apart: int | None) -> None:
    positions = np.array([0, 1, 2, 77, 5000, 1_000_000])
    x = np.random.default_rng(0).standard_normal((len(positions), 3, 32))
    table = rope_table(spec, 32, MILLION)
    got = rotate(jnp.asarray(x, jnp.float32), table.angles(jnp.asarray(positions)), apart)
    np.testing.assert_allclose(got, tiny.rope(x, positions, spec), atol=1e-5)
    moved = np.abs(np.asarray(got) - x).max(axis=(0, 1)) > 1e-3
    turning = range(16) if spec is PART else [0, 1, 2, 3, 16, 17, 18, 19]
    assert np.flatnonzero(moved).tolist() == list(turning)


def test_gemma_4_turns_64_pairs_of_256() -> None:
    """The file's factors: 64 times 1, then 1e30, which leaves nothing of a frequency."""
    table = rope_table(SPREAD, 512, 1024)
    assert table.low.shape == (1024, 2, 64)
    assert float(jnp.arcsin(table.low[1, 1, 63])) == pytest.approx(0.033376, abs=1e-6)


def test_scores_depend_on_the_distance_alone() -> None:
    rng = np.random.default_rng(3)
    q, k = (jnp.asarray(rng.standard_normal((1, 1, 64)), jnp.float32) for _ in range(2))
    table = rope_table(RopeSpec(10_000.0), 64, MILLION)

    def score(query: int, key: int) -> float:
        turned = [rotate(x, table.angles(jnp.array([at]))) for x, at in ((q, query), (k, key))]
        return float(jnp.sum(turned[0] * turned[1]))

    near = score(100, 93)
    assert score(1_000_100, 1_000_093) == pytest.approx(near, abs=1e-4)
    assert abs(score(100, 92) - near) > 1e-2
