"""The recurrent mixer of a layer's tokens (Griffin, arXiv 2402.19427, §2.3): it stands where attention would.

Two branches of the input meet: one goes through a short convolution and the linear recurrence, the other
decides how much of the result is let through.
"""

from __future__ import annotations

import jax
from jax import Array, lax

from model.cache.recurrent import RecurrentAhead, RecurrentCache, RecurrentRows
from model.config import RecurrentSpec
from model.nn.conv import causal_conv
from model.nn.linear import Numerics, linear, outputs, split
from model.nn.mlp import ACTIVATIONS
from model.nn.rglru import rglru
from model.weights.params import LayerParams

Kept = RecurrentCache | RecurrentRows | RecurrentAhead


def mix(
    x: Array,
    params: LayerParams,
    cache: Kept,
    index: Array,
    spec: RecurrentSpec,
    at: Array,
    numerics: Numerics,
    only: Array | None = None,
    hands: int = 1,
) -> tuple[Array, Kept]:
    """``W_out(RG-LRU(conv(W_x x)) ⊙ act(W_y x))``, each product with its bias.

    Args:
        x: f32 [T, D], normed.
        params: of this layer alone.
        cache: of its place in the pattern.
        index: its place in the cache's stack.
        spec: what it computes.
        at: int [T], consecutive positions, then `EMPTY` for padding.
        numerics: product types.
        only: int [], the one row that is wanted; None for all.  The others still pass through the recurrence.
        hands: devices that the two branches are dealt to, see `model.nn.linear.split`.

    Returns:
        f32 [T, D], or [1, D] with `only`, and the cache with the chunk folded in.
    """
    width = spec.width
    if only is None or hands > 1:
        branches = linear(x, params.rec_in, numerics) + params.rec_in_bias[None]
        gate, entering = split(branches, (width, width), hands)
        gate = gate if only is None else lax.dynamic_slice_in_dim(gate, only, 1)
    else:
        row = lax.dynamic_slice_in_dim(x, only, 1)
        gate = linear(row, outputs(params.rec_in, 0, width), numerics) + params.rec_in_bias[None, :width]
        entering = linear(x, outputs(params.rec_in, width, 2 * width), numerics)
        entering = entering + params.rec_in_bias[None, width:]
    before = cache.layer(index)
    if isinstance(cache, RecurrentAhead):

        def next_one(
            known: tuple[Array, Array], row: tuple[Array, Array]
        ) -> tuple[tuple[Array, Array], tuple[Array, Array, Array]]:
            mixed, state, inputs = _fold(row[0][None], row[1][None], *known, params)
            return (state, inputs), (mixed[0], state, inputs)

        _, (states, state, inputs) = lax.scan(next_one, before, (entering, at))
    elif isinstance(cache, RecurrentRows):

        def one(row: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array]:
            token, position, *known = row
            mixed, state, inputs = _fold(token[None], position[None], known[0], known[1], params)
            return mixed[0], state, inputs

        rows = (entering, at, *before)
        # One by one on a processor, where that is as fast and gives the very numbers of a token alone.
        alone = jax.default_backend() == "cpu"
        states, state, inputs = lax.map(one, rows) if alone else jax.vmap(one)(rows)
    else:
        states, state, inputs = _fold(entering, at, *before, params)
    if only is not None:
        states = lax.dynamic_slice_in_dim(states, only, 1)
    gated = states * ACTIVATIONS[spec.activation](gate)
    mixed = linear(gated, params.rec_out, numerics) + params.rec_out_bias[None]
    return mixed, cache.write(index, state, inputs)


def _fold(
    x: Array, at: Array, state: Array, inputs: Array, params: LayerParams
) -> tuple[Array, Array, Array]:
    """A sequence's tokens f32 [T, E] taken into the recurrence: f32 [T, E], and what it keeps."""
    x, inputs = causal_conv(x, at, inputs, params.rec_conv, params.rec_conv_bias)
    states, state = rglru(x, at, state, params.rec_gates, params.rec_gates_bias, params.rec_decay)
    return states, state, inputs
