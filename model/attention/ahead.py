"""Attention of consecutive tokens of one sequence, some of which may be taken back: drafts that are verified.

Each token is computed as `model.attention.api` computes it alone, from the same keys in the same order, so
its result is to the bit what a step for it would give; and the cache can be brought to where it would be
without the last ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array, lax

from model.attention import api, compiled
from model.attention.kinds import FEW, Choice, Implementation
from model.attention.mask import EMPTY
from model.cache.layer import LayerCache, encode
from model.config import AttentionSpec

MOST = FEW
"""Tokens that are verified at once: with more of them the compiled kernel computes in another order."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Rows:
    """One cache as consecutive tokens see it.

    Attributes:
        cache: a full one has the positions of the tokens entered; a ring those of before.
        at: int32 [T], the tokens' positions.
        displaced: keys and values [L, K, T, ·] that a ring loses to the tokens, as they are stored; None for
            a full cache, which loses none.
    """

    cache: LayerCache
    at: Array
    displaced: tuple[Array, Array] | None

    def memory(self, layer: Array) -> RowsMemory:
        """What the tokens may read of one layer."""
        return RowsMemory(self, layer)

    def kept(self, count: Array) -> LayerCache:
        """The cache with the first `count` int [] of the tokens, at least one."""
        right = jnp.arange(self.at.shape[0]) < count
        at = jnp.where(right, self.at, EMPTY)
        if self.displaced is None:
            return self.cache.claim(at)
        slots = self.at % self.cache.slots

        def back(stack: Array, old: Array) -> Array:
            return stack.at[:, :, slots].set(jnp.where(right[:, None], stack[:, :, slots], old))

        keys, values = map(back, (self.cache.keys, self.cache.values), self.displaced)
        positions = self.cache.positions
        positions = positions.at[slots].set(jnp.where(right, self.at, positions[slots]))
        return replace(self.cache, keys=keys, values=values, positions=positions)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RowsMemory:
    """What consecutive tokens may read of one layer, int [], of a stacked cache."""

    rows: Rows
    layer: Array


def rows_of(cache: LayerCache, at: Array) -> Rows:
    """A cache as tokens at consecutive positions int32 [T] see it; T is at most that of a ring's window."""
    assert at.shape[0] <= MOST, "more tokens than are verified at once"
    if not cache.ring:
        return Rows(cache.claim(at), at, None)
    slots = at % cache.slots
    return Rows(cache, at, (cache.keys[:, :, slots], cache.values[:, :, slots]))


def remember(keys: Array, values: Array, rows: Rows, layer: Array) -> RowsMemory:
    """Enter the tokens' keys and values f32 [T, K, H] for one layer."""
    cache = rows.cache
    if rows.displaced is None:
        return RowsMemory(replace(rows, cache=cache.write(layer, keys, values, rows.at)), layer)
    slots = rows.at % cache.slots

    def into(stack: Array, new: Array) -> Array:
        return stack.at[layer, :, slots].set(encode(new, stack.dtype))

    cache = replace(cache, keys=into(cache.keys, keys), values=into(cache.values, values))
    return RowsMemory(replace(rows, cache=cache), layer)


def read(
    queries: Array, memory: RowsMemory, spec: AttentionSpec, implementation: Implementation | Choice
) -> Array:
    """Attention of every token over what it would see if it were the last.

    On an accelerator a full cache is read once for all of them, in whatever order that takes.

    Args:
        queries: f32 [T, N, H].
        memory: from `remember`.
        spec: scale, window and softcap.
        implementation: as in `model.attention.api.read`.

    Returns:
        f32 [T, N, H].
    """
    rows, layer = memory.rows, memory.layer
    cache, at = rows.cache, rows.at

    def alone(query: Array, of: LayerCache, layer: Array, position: Array) -> Array:
        read = api.read(query[None], api.Memory(of, layer), spec, position[None], None, implementation)
        return read[0]

    if rows.displaced is None:
        kernel = implementation == "compiled" and compiled.can_attend(spec.head_dim)
        if kernel or jax.default_backend() != "cpu":
            return api.read(queries, api.Memory(cache, layer), spec, at, None, implementation)
        return lax.map(lambda row: alone(row[0], cache, layer, row[1]), (queries, at))

    # From the last one back: each sees the ring as it is when those behind it have been taken out again.
    def one(index: Array, carry: tuple[Array, LayerCache]) -> tuple[Array, LayerCache]:
        mixed, ring = carry
        row = at.shape[0] - 1 - index
        slot = at[row] % ring.slots
        mixed = mixed.at[row].set(alone(queries[row], ring, jnp.int32(0), at[row]))

        def back(stack: Array, old: Array) -> Array:
            before = lax.dynamic_slice_in_dim(lax.dynamic_index_in_dim(old, layer), row, 1, axis=2)
            return lax.dynamic_update_slice(stack, before, (0, 0, slot, 0))

        assert rows.displaced is not None
        keys, values = map(back, (ring.keys, ring.values), rows.displaced)
        positions = ring.positions.at[slot].set(cache.positions[slot])
        return mixed, replace(ring, keys=keys, values=values, positions=positions)

    ring = replace(
        cache,
        keys=lax.dynamic_index_in_dim(cache.keys, layer),
        values=lax.dynamic_index_in_dim(cache.values, layer),
        positions=cache.positions.at[at % cache.slots].set(at),
    )
    mixed, _ = lax.fori_loop(0, at.shape[0], one, (jnp.zeros_like(queries), ring))
    return mixed
