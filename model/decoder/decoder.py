"""The decoder: embed → layers → logits.  Layers run in a scan over the model's repeating pattern."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array, lax

from model.attention.api import Implementation
from model.cache.layer import LayerCache
from model.cache.state import State
from model.config import ModelConfig, RopeSpec
from model.decoder.block import Chunk, layer
from model.nn.linear import DEFAULT, Numerics, linear, rows
from model.nn.norm import rms_norm
from model.nn.packed import PackedArray
from model.nn.rope import RopeTable, rope_table
from model.weights.params import LayerParams, Params, Stack, stacks


@dataclass(frozen=True, slots=True)
class Decoder:
    """A model's architecture and the choices of how to compute it; static in a compiled program."""

    config: ModelConfig
    numerics: Numerics = DEFAULT
    implementation: Implementation = "blocked"

    def rope_tables(self, context: int) -> tuple[RopeTable, ...]:
        """Rotary tables for positions below `context`, in the order of `_rope_keys`."""
        return tuple(rope_table(spec, head_dim, context) for spec, head_dim in self._rope_keys())

    def hidden(
        self, params: Params, ropes: tuple[RopeTable, ...], state: State, tokens: Array, count: Array
    ) -> tuple[Array, State]:
        """Run a chunk through all layers.

        Args:
            params: the weights.
            ropes: from `rope_tables`.
            state: of the tokens before; its full caches have room for T more.
            tokens: int32 [T], the chunk, padded at its end.
            count: int32 [], how many of them are real; at least one.

        Returns:
            f32 [T, D] after the last layer, before the final norm, and the state with the chunk.
        """
        return self._layers(params, ropes, state, tokens, count, only=None)

    def last(
        self, params: Params, ropes: tuple[RopeTable, ...], state: State, tokens: Array, count: Array
    ) -> tuple[Array, State]:
        """As `hidden`, but f32 [1, D], of the last real token alone.

        The last layer then computes for the other tokens only what later ones will read: keys and values.
        """
        return self._layers(params, ropes, state, tokens, count, only=count - 1)

    def logits(self, params: Params, x: Array) -> Array:
        """Logits f32 [T, V] of hidden rows f32 [T, D]."""
        output = params.embed if params.output is None else params.output
        logits = linear(rms_norm(x, params.final_norm, self.config.norm_eps), output, self.numerics)
        cap = self.config.final_softcap
        return logits if cap is None else jnp.tanh(logits / cap) * cap

    def _rope_keys(self) -> list[tuple[RopeSpec, int]]:
        return list(dict.fromkeys((spec.rope, spec.head_dim) for spec in self.config.layers))

    def _layers(
        self,
        params: Params,
        ropes: tuple[RopeTable, ...],
        state: State,
        tokens: Array,
        count: Array,
        only: Array | None,
    ) -> tuple[Array, State]:
        index = jnp.arange(tokens.shape[0], dtype=jnp.int32)
        at = jnp.where(index < count, state.length + index, -1)
        angles = {
            key: table.angles(jnp.maximum(at, 0)) for key, table in zip(self._rope_keys(), ropes, strict=True)
        }
        chunk = Chunk(at, angles, self.numerics, self.implementation)
        x = rows(params.embed, tokens) * self.config.embed_scale
        caches = []
        groups = stacks(self.config)
        for stack, weights, memory in zip(groups, params.stacks, state.caches, strict=True):
            x, memory = self._run(stack, weights, memory, x, chunk, only if stack is groups[-1] else None)
            caches.append(memory)
        return x, State(tuple(caches), state.length + count)

    def _run(
        self,
        stack: Stack,
        weights: tuple[LayerParams, ...],
        memory: tuple[LayerCache, ...],
        x: Array,
        chunk: Chunk,
        only: Array | None,
    ) -> tuple[Array, tuple[LayerCache, ...]]:
        """One scan; with `only` its last layer gives that row alone and stands outside of the scan."""
        # A ring that takes a whole chunk keeps its old positions until every layer has read them.
        late = [cache.ring and chunk.at.shape[0] > 1 for cache in memory]
        memory = tuple(
            cache if wait else cache.claim(chunk.at) for cache, wait in zip(memory, late, strict=True)
        )

        def one_round(
            carry: tuple[Array, tuple[LayerCache, ...]], index: Array, only: Array | None = None
        ) -> tuple[tuple[Array, tuple[LayerCache, ...]], None]:
            x, caches = carry
            # Taken out one by one: a slice of all but the last round's weights would be a copy of them.
            here = jax.tree.map(lambda part: _in_stack(part, index), weights, is_leaf=_is_packed)
            new = []
            for place, (spec, params, cache) in enumerate(zip(stack.specs, here, caches, strict=True)):
                row = only if place == len(stack.specs) - 1 else None
                x, cache = layer(x, params, cache, index, spec, self.config.norm_eps, chunk, row)
                new.append(cache)
            return (x, tuple(new)), None

        repeats = stack.repeats if only is None else stack.repeats - 1
        carry, _ = lax.scan(one_round, (x, memory), jnp.arange(repeats, dtype=jnp.int32))
        if only is not None:
            carry, _ = one_round(carry, jnp.int32(repeats), only)
        x, memory = carry
        return x, tuple(
            cache.claim(chunk.at) if wait else cache for cache, wait in zip(memory, late, strict=True)
        )


def _is_packed(part: object) -> bool:
    return isinstance(part, PackedArray)


def _in_stack(part: Array | PackedArray, index: Array) -> Array | PackedArray:
    if isinstance(part, PackedArray):
        return part.at(index)
    return lax.dynamic_index_in_dim(part, index, keepdims=False)
