"""The gated MLP: which half is the gate, both activations, plain and quantized weights."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.nn.linear import Numerics
from model.nn.mlp import ACTIVATIONS, gated_mlp
from model.nn.qarray import quantize

EXACT = Numerics(integer_rows=0)
mlp = jax.jit(gated_mlp, static_argnums=(3, 4))
POINTS = np.linspace(-6, 6, 49)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("silu", lambda x: x / (1 + math.exp(-x))),
        ("gelu_tanh", lambda x: x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
    ],
)
def test_activations(name: str, function) -> None:
    got = ACTIVATIONS[name](jnp.asarray(POINTS, jnp.float32))
    np.testing.assert_allclose(got, [function(x) for x in POINTS], atol=1e-6)


def test_gelu_is_the_tanh_form() -> None:
    exact = [x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in POINTS]
    got = np.asarray(ACTIVATIONS["gelu_tanh"](jnp.asarray(POINTS, jnp.float32)))
    assert np.abs(got - exact).max() > 1e-4, "the two forms differ by this much"


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("activation", ["silu", "gelu_tanh"])
def test_the_formula(activation: str, rows: int, quantized: bool) -> None:
    rng = np.random.default_rng(1)
    x, gate, up = (rng.standard_normal(shape) for shape in ((rows, 24), (40, 24), (40, 24)))
    down = rng.standard_normal((24, 40))
    acted = np.asarray(ACTIVATIONS[activation](jnp.asarray(x @ gate.T, jnp.float32)))
    want = (acted * (x @ up.T)) @ down.T
    weights = [jnp.asarray(w, jnp.float32) for w in (np.concatenate([gate, up]), down)]
    if quantized:
        weights = [jax.jit(quantize)(w) for w in weights]
    numerics = Numerics() if quantized else EXACT
    got = mlp(jnp.asarray(x, jnp.float32), weights[0], weights[1], activation, numerics)
    np.testing.assert_allclose(got, want, atol=np.abs(want).max() * (1e-3 if quantized else 1e-5))


def test_biases() -> None:
    rng = np.random.default_rng(2)
    x, gate_up, down = (rng.standard_normal(shape) for shape in ((3, 8), (20, 8), (8, 10)))
    inner, outer = rng.standard_normal(20), rng.standard_normal(8)
    gate, up = np.split(x @ gate_up.T + inner, 2, axis=1)
    want = (gate / (1 + np.exp(-gate)) * up) @ down.T + outer
    given = [jnp.asarray(part, jnp.float32) for part in (x, gate_up, down, inner, outer)]
    got = gated_mlp(*given[:3], "silu", EXACT, (given[3], given[4]))
    np.testing.assert_allclose(got, want, atol=1e-4)
