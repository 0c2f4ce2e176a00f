"""The memory of one sequence: a cache for every layer, and how many tokens they hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array

from model.attention.mask import EMPTY
from model.cache.layer import LayerCache, empty
from model.config import ModelConfig
from model.weights.params import stacks


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """Caches in the order of the parameters' stacks, and the length int32 [] of the sequence."""

    caches: tuple[tuple[LayerCache, ...], ...]
    length: Array

    def grow(self, slots: int) -> State:
        """The state with room for `slots` tokens in the full caches."""

        def larger(cache: LayerCache) -> LayerCache:
            more = slots - cache.slots
            if cache.ring or more <= 0:
                return cache
            pad = ((0, 0), (0, 0), (0, more), (0, 0))
            return replace(
                cache,
                keys=jnp.pad(cache.keys, pad),
                values=jnp.pad(cache.values, pad),
                positions=jnp.pad(cache.positions, (0, more), constant_values=EMPTY),
            )

        return State(tuple(tuple(larger(cache) for cache in stack) for stack in self.caches), self.length)

    def trim(self, length: int) -> State:
        """The state without the tokens at `length` and later.

        Only a full cache can be rolled back exactly by any amount: a ring has already forgotten the tokens
        that the dropped ones displaced.
        """
        caches = tuple(tuple(cache.trim(length) for cache in stack) for stack in self.caches)
        return State(caches, jnp.minimum(self.length, length))


def init_state(config: ModelConfig, slots: int, bits: int = 16) -> State:
    """An empty state.

    Args:
        config: the model.
        slots: tokens that the full caches hold, the room for a chunk included.
        bits: of every key and value: 16 (f16) or 32 (f32).
    """
    caches = tuple(
        tuple(
            empty(
                stack.repeats,
                spec.kv_heads,
                spec.window or slots,
                spec.head_dim,
                bits,
                ring=spec.window is not None,
            )
            for spec in stack.specs
        )
        for stack in stacks(config)
    )
    return State(caches, jnp.zeros((), jnp.int32))
