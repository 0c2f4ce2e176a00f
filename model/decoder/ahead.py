"""Consecutive tokens of one sequence in one pass, each as a step for it alone would compute it.

That is what drafts are verified by: all weights are read once for all of them, and those that turn out wrong
are taken back, out of rings and recurrences too (arXiv 2302.01318, §2; the acceptance is the engine's).
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from model.attention import ahead
from model.cache.layer import LayerCache
from model.cache.recurrent import RecurrentAhead, RecurrentCache, ahead_of
from model.cache.state import Cache, State
from model.decoder import rowwise
from model.decoder.block import Kept
from model.decoder.decoder import Decoder
from model.nn.rope import RopeTable
from model.reach import is_sparse
from model.weights.params import Params


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Ahead:
    """A state with tokens of which only the first may be right.

    Attributes:
        kept: of each layer.
        length: int32 [], of the sequence without the tokens.
    """

    kept: rowwise.AllKept
    length: Array

    def state(self, count: Array) -> State:
        """The state of the sequence with the first `count` int32 [] of the tokens, at least one."""
        return State(
            tuple(tuple(_cache(each, count) for each in stack) for stack in self.kept), self.length + count
        )


def can_look_ahead(decoder: Decoder) -> bool:
    """Whether `hidden` computes it: on one device, without sparse attention."""
    return decoder.mesh is None and not is_sparse(decoder.config)


def hidden(
    decoder: Decoder, params: Params, ropes: tuple[RopeTable, ...], state: State, tokens: Array
) -> tuple[Array, Ahead]:
    """Run consecutive tokens through all layers.

    Args:
        decoder, params, ropes: as in `Decoder.hidden`.
        state: of the tokens before; its full caches have room for T more.
        tokens: int32 [T], at most `model.attention.ahead.MOST`.

    Returns:
        f32 [T, D] after the last layer, before the final norm, and the state from which to take those back
        that are wrong.
    """
    at = state.length + jnp.arange(tokens.shape[0], dtype=jnp.int32)
    seen = tuple(tuple(_seen(cache, at) for cache in stack) for stack in state.caches)
    x, kept = rowwise.hidden(decoder, params, ropes, seen, tokens, at)
    return x, Ahead(kept, state.length)


def _seen(cache: Cache, at: Array) -> Kept:
    if isinstance(cache, LayerCache):
        return ahead.rows_of(cache, at)
    return None if cache is None else ahead_of(cache, at)


def _cache(kept: Kept, count: Array) -> Cache:
    if isinstance(kept, (ahead.Rows, RecurrentAhead)):
        return kept.kept(count)
    assert not isinstance(kept, (LayerCache, RecurrentCache)), "all that is kept can be taken back"
    return None
