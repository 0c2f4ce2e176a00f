"""RMS norm equals its formula in f64, over widths, sizes and types of input."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from model.nn.norm import rms_norm


@pytest.mark.parametrize("shape", [(1, 1), (3, 640), (2, 4, 16)])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e6])
def test_the_formula(shape: tuple[int, ...], size: float) -> None:
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal(shape) * size, rng.standard_normal(shape[-1])
    want = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * weight
    got = rms_norm(jnp.asarray(x, jnp.float32), jnp.asarray(weight, jnp.float32), 1e-6)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_the_weight_is_used_as_it_is() -> None:
    # GGUF holds 1+w for Gemma already: adding one again would double it here.
    x = jnp.array([[3.0, -3.0]])
    np.testing.assert_allclose(rms_norm(x, jnp.ones(2), 0.0), [[1, -1]])


def test_the_weight_may_be_left_out() -> None:
    x = jnp.asarray(np.random.default_rng(0).standard_normal((3, 2, 16)), jnp.float32)
    np.testing.assert_array_equal(rms_norm(x, None, 1e-6), rms_norm(x, jnp.ones(16), 1e-6))


def test_zeros_stay_zeros() -> None:
    assert not np.asarray(rms_norm(jnp.zeros((2, 8)), jnp.ones(8), 1e-6)).any()


def test_half_precision_is_computed_in_f32() -> None:
    x = jnp.full((1, 4096), 300.0, jnp.float16)  # the sum of squares is far beyond float16
    np.testing.assert_allclose(rms_norm(x, jnp.ones(4096), 1e-6), 1.0, rtol=1e-6)
