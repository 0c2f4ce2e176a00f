"""The real-gated linear recurrent unit (Griffin, arXiv 2402.19427, §2.4): a memory of constant size.

Every element of the state is a leaky sum of gated inputs, ``h[t] = a[t]·h[t-1] + b[t]``, whose leak the input
itself decides.  Steps of that form can be joined before they are taken, so where rounds are dear a chunk
needs few of them.  Padding is a step that leaves the state alone.
"""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array, lax

from model.attention.mask import EMPTY

Form = Literal["sequential", "associative"]

_SHARPNESS = 8.0  # c of the paper


def rglru(
    u: Array, at: Array, past: Array, gates: Array, gate_bias: Array, decay: Array, form: Form | None = None
) -> tuple[Array, Array]:
    """Run the unit over a chunk.

    At position 0 a text begins: whatever the state held is forgotten, and the input enters whole
    (transformers, modeling_recurrent_gemma.py, `RecurrentGemmaRglru`).

    Args:
        u: f32 [T, E].
        at: int [T], consecutive positions, then `EMPTY` for padding.
        past: f32 [E], the state after the tokens before.
        gates: f32 [2R, E/R, E/R], R blocks of the input gate, then as many of the recurrence gate; each takes
            its own part of u, as ``u @ block``.
        gate_bias: f32 [2R, E/R].
        decay: f32 [E], Λ.
        form: of the recurrence, see there.

    Returns:
        f32 [T, E], the state after every token (after a padded one: that before it), and the last f32 [E].
    """
    leak, enter = steps(u, at, gates, gate_bias, decay)
    states = recurrence(leak, enter, past, form)
    return states, states[-1]


def steps(u: Array, at: Array, gates: Array, gate_bias: Array, decay: Array) -> tuple[Array, Array]:
    """Leak a and input b of ``h[t] = a[t]·h[t-1] + b[t]``, f32 [T, E] each; arguments as of `rglru`."""
    tokens, blocks = u.shape[0], gates.shape[0]
    parts = u.reshape(tokens, blocks // 2, -1).swapaxes(0, 1)
    # Both gates' blocks as one batch: the parts are given twice, so that the weights stay where they lie.
    both = jnp.einsum(
        "bti,bio->bto",
        jnp.concatenate([parts, parts]),
        gates,
        precision=lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )
    both = jax.nn.sigmoid(both + gate_bias[:, None])
    opened = both.reshape(2, blocks // 2, tokens, -1).swapaxes(1, 2).reshape(2, tokens, -1)
    log_leak = -_SHARPNESS * opened[1] * jax.nn.softplus(decay)
    # √(1 - a²) keeps the state's size; by expm1 it keeps its digits too where the leak is almost one.
    kept_size = jnp.sqrt(-jnp.expm1(2.0 * log_leak))
    first, padding = (at == 0)[:, None], (at == EMPTY)[:, None]
    leak = jnp.where(first, 0.0, jnp.where(padding, 1.0, jnp.exp(log_leak)))
    enter = opened[0] * u * jnp.where(first, 1.0, kept_size)
    return leak, jnp.where(padding, 0.0, enter)


def recurrence(leak: Array, enter: Array, past: Array, form: Form | None = None) -> Array:
    """``h[t] = leak[t]·h[t-1] + enter[t]`` with h[-1] = past, f32 [T, E].

    Args:
        leak, enter: f32 [T, E].
        past: f32 [E].
        form: ``sequential`` is the definition, token by token; ``associative`` joins pairs of steps, then
            pairs of pairs: more work in few rounds.  None: `fastest`.
    """
    if leak.shape[0] == 1:
        return leak * past[None] + enter
    if (form or fastest()) == "sequential":
        return _walk(leak, enter, past)
    leaks, states = lax.associative_scan(_joined, (leak, enter))
    return states + leaks * past[None]


def fastest() -> Form:
    """The form of `recurrence` for the default device.

    A round costs a processor next to nothing: [512, 2560] takes 1.2 ms one by one, and 5.3 ms by pairs.  An
    accelerator starts a program for every round.
    """
    return "sequential" if jax.default_backend() == "cpu" else "associative"


def _joined(first: tuple[Array, Array], then: tuple[Array, Array]) -> tuple[Array, Array]:
    """The one step that does what two in a row do."""
    return first[0] * then[0], then[0] * first[1] + then[1]


def _walk(leak: Array, enter: Array, past: Array) -> Array:
    def step(state: Array, of: tuple[Array, Array]) -> tuple[Array, Array]:
        state = of[0] * state + of[1]
        return state, state

    return lax.scan(step, past, (leak, enter))[1]
