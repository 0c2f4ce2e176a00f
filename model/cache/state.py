"""The memory of one sequence: what every layer keeps, and how many tokens that is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from model.cache import recurrent
from model.cache.layer import LayerCache, empty
from model.cache.recurrent import RecurrentCache
from model.config import LayerSpec, ModelConfig, RecurrentSpec
from model.mesh import partition, size
from model.weights.params import stacks

Cache = LayerCache | RecurrentCache | None


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """Caches in the order of the parameters' stacks, and the length int32 [] of the sequence.

    A layer that reads another's keys and values has None for a cache.
    """

    caches: tuple[tuple[Cache, ...], ...]
    length: Array

    @property
    def room(self) -> int | None:
        """Slots of the full caches; None where there are none, and so no end."""
        full = [
            cache.slots
            for stack in self.caches
            for cache in stack
            if isinstance(cache, LayerCache) and not cache.ring
        ]
        return min(full, default=None)

    def grow(self, slots: int) -> State:
        """The state with room for `slots` tokens in the full caches."""

        def larger(cache: Cache) -> Cache:
            if not isinstance(cache, LayerCache) or cache.ring or cache.slots >= slots:
                return cache
            return cache.grow(slots)

        return State(tuple(tuple(larger(cache) for cache in stack) for stack in self.caches), self.length)

    def snapshot(self) -> State:
        """What `trim` needs to come back to this length exactly: copies of the memory of constant size.

        Rings and recurrences are copied; full caches, which can be rolled back without, are None.
        """

        def copied(cache: Cache) -> Cache:
            if isinstance(cache, LayerCache) and not cache.ring:
                return None
            return jax.tree.map(jnp.copy, cache)

        caches = tuple(tuple(copied(cache) for cache in stack) for stack in self.caches)
        return State(caches, jnp.copy(self.length))

    def trim(self, length: Array | int, snapshot: State | None = None) -> State:
        """The state without the tokens at `length` and later.

        By itself only a full cache can be rolled back exactly by any amount: a ring has already forgotten the
        tokens that the dropped ones displaced, and a recurrence cannot go back at all.

        Args:
            length: tokens to keep.
            snapshot: of this very length, which makes it exact.

        Raises:
            RollbackError: a recurrent layer has folded in tokens that it cannot take out again.
        """
        exact = snapshot is not None and int(snapshot.length) == length < int(self.length)

        def shorter(cache: Cache, kept: Cache) -> Cache:
            if isinstance(cache, RecurrentCache):
                return cache.trim(length, kept if isinstance(kept, RecurrentCache) else None)
            if cache is not None and cache.ring and exact:
                return jax.tree.map(jnp.copy, kept)
            return None if cache is None else cache.trim(length)

        kept = snapshot.caches if snapshot else tuple((None,) * len(stack) for stack in self.caches)
        caches = tuple(
            tuple(map(shorter, stack, of_stack)) for stack, of_stack in zip(self.caches, kept, strict=True)
        )
        return State(caches, jnp.minimum(self.length, length))


def placed(state: State, mesh: Mesh | None) -> State:
    """The state with every cache where it belongs; inside of `jax.jit`."""
    if mesh is None:
        return state

    def put(part: Array, where: PartitionSpec) -> Array:
        return lax.with_sharding_constraint(part, NamedSharding(mesh, where))

    def cached(cache: Cache) -> Cache:
        if not isinstance(cache, LayerCache):
            return jax.tree.map(lambda part: put(part, partition()), cache)
        where = replace(cache.partitions(mesh.size), positions=partition())
        return jax.tree.map(put, cache, where)

    caches = tuple(tuple(map(cached, stack)) for stack in state.caches)
    return State(caches, put(state.length, partition()))


def init_state(config: ModelConfig, slots: int, bits: int = 16, mesh: Mesh | None = None) -> State:
    """An empty state.

    Args:
        config: the model.
        slots: tokens that the full caches hold, the room for a chunk included.
        bits: of every key and value: 16 (f16) or 32 (f32).
        mesh: devices that it is spread over; None: one.
    """
    caches = tuple(
        tuple(_empty(spec, stack.repeats, slots, bits, size(mesh)) for spec in stack.specs)
        for stack in stacks(config)
    )
    return placed(State(caches, jnp.zeros((), jnp.int32)), mesh)


def _empty(spec: LayerSpec, layers: int, slots: int, bits: int, devices: int) -> Cache:
    mixer = spec.mixer
    if isinstance(mixer, RecurrentSpec):
        return recurrent.empty(layers, mixer.width, mixer.conv)
    if mixer.source is not None:
        return None
    ring = mixer.window is not None
    slots = mixer.window or slots
    return empty(layers, mixer.kv_heads, slots, mixer.head_dim, bits, ring=ring, devices=devices)
