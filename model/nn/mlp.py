"""The gated MLP."""

from __future__ import annotations

from collections.abc import Callable

import jax
from jax import Array

from model.nn.linear import Numerics, Weight, linear, split

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "silu": jax.nn.silu,
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
}


def gated_mlp(
    x: Array,
    gate_up: Weight,
    down: Weight,
    activation: str,
    numerics: Numerics,
    biases: tuple[Array, Array] | None = None,
    hands: int = 1,
) -> Array:
    """``down(act(gate x) * up x)``.

    Args:
        x: f32 [T, D].
        gate_up: [2F, D], the gate's rows first.
        down: [D, F].
        activation: a key of `ACTIVATIONS`.
        numerics: product types.
        biases: of gate_up f32 [2F] and down f32 [D], or None.
        hands: devices that gate and up are dealt to, see `model.nn.linear.split`.
    """
    both = linear(x, gate_up, numerics)
    both = both if biases is None else both + biases[0][None]
    gate, up = split(both, (both.shape[1] // 2,) * 2, hands)
    result = linear(ACTIVATIONS[activation](gate) * up, down, numerics)
    return result if biases is None else result + biases[1][None]
