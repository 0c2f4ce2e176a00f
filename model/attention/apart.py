"""Attention of tokens of many sequences, one of each, every one over its own keys in a shared pool.

Each row is computed as `model.attention.api` computes one token alone, from the same keys in the same order,
so its result does not depend on what other rows there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
from jax import Array, lax

from model.attention import blocked, compiled
from model.attention.api import KEYS_A_BLOCK_ONE_QUERY
from model.attention.kinds import Choice, Implementation
from model.attention.mask import EMPTY
from model.cache.layer import LayerCache, decode, encode
from model.cache.pool import PAGE
from model.config import AttentionSpec


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Rows:
    """One cache of a pool as the tokens of a step see it.

    Attributes:
        cache: of the pool, with the positions of the tokens entered.
        starts: int32 [B, n], the slot where each piece of PAGE slots of a row's sequence begins.
        slots: int32 [B], where the tokens are written.
        own: slots of a sequence: those of its ring, or of n pages.
    """

    cache: LayerCache
    starts: Array
    slots: Array
    own: int = field(metadata={"static": True})

    def memory(self, layer: Array) -> RowsMemory:
        """What the tokens may read of one layer."""
        return RowsMemory(self, layer)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RowsMemory:
    """What the tokens of a step may read of one layer, int [], of a stacked cache."""

    rows: Rows
    layer: Array


def in_pages(cache: LayerCache, pages: Array, at: Array) -> Rows:
    """A full cache's rows, with the tokens claimed.

    Args:
        cache: of a pool.
        pages: int32 [B, n], of each row's sequence; -1 behind its last.
        at: int32 [B], the tokens' positions; `EMPTY` for rows that have no sequence.
    """
    row = jnp.arange(at.shape[0])
    slots = pages[row, jnp.maximum(at, 0) // PAGE] * PAGE + at % PAGE
    slots = jnp.where(at == EMPTY, 0, slots)
    return Rows(_claimed(cache, slots, at), pages * PAGE, slots, pages.shape[1] * PAGE)


def in_rings(cache: LayerCache, window: int, rows: Array, at: Array) -> Rows:
    """A pool of rings, with the tokens claimed.

    Args:
        cache: rings one behind another.
        window: W.
        rows: int32 [B], which ring each token belongs to.
        at: as in `in_pages`.
    """
    starts = rows[:, None] * window + jnp.arange(0, window, PAGE)
    slots = rows * window + jnp.maximum(at, 0) % window
    return Rows(_claimed(cache, slots, at), starts, slots, window)


def _claimed(cache: LayerCache, slots: Array, at: Array) -> LayerCache:
    return replace(cache, positions=cache.positions.at[slots].set(at))


def remember(keys: Array, values: Array, rows: Rows, layer: Array) -> RowsMemory:
    """Enter the tokens' keys and values f32 [B, K, H] for one layer."""

    def into(stack: Array, new: Array) -> Array:
        return stack.at[layer, :, rows.slots].set(encode(new, stack.dtype))

    cache = replace(rows.cache, keys=into(rows.cache.keys, keys), values=into(rows.cache.values, values))
    return RowsMemory(replace(rows, cache=cache), layer)


def read(
    queries: Array,
    memory: RowsMemory,
    spec: AttentionSpec,
    at: Array,
    implementation: Implementation | Choice,
) -> Array:
    """Attention of every token over its own sequence.

    Args:
        queries: f32 [B, N, H].
        memory: from `remember`.
        spec: scale, window and softcap.
        at: int32 [B], the tokens' positions; `EMPTY` for rows that have no sequence.
        implementation: as in `model.attention.api.read`; that in Pallas is of one sequence alone.

    Returns:
        f32 [B, N, H].
    """
    rows = memory.rows
    if implementation == "compiled" and compiled.can_attend(spec.head_dim):
        cache = rows.cache
        return compiled.attention_apart(
            queries,
            cache.keys,
            cache.values,
            memory.layer,
            at,
            cache.positions,
            rows.starts,
            rows.own,
            scale=spec.query_scale,
            window=spec.window,
            softcap=spec.softcap,
        )
    size = min(KEYS_A_BLOCK_ONE_QUERY, rows.own)

    def one(row: tuple[Array, Array, Array]) -> Array:
        query, starts, position = row
        filled = rows.own if rows.cache.ring else position + 1
        return blocked.attention(
            query[None],
            lambda index: _block(rows, memory.layer, starts, index, size),
            (0, (filled + size - 1) // size),
            position[None],
            scale=spec.query_scale,
            window=spec.window,
            softcap=spec.softcap,
        )[0]

    given = (queries, rows.starts, at)
    # One by one on a processor, where that is as fast and gives the very numbers of a token alone.
    return lax.map(one, given) if jax.default_backend() == "cpu" else jax.vmap(one)(given)


def _block(rows: Rows, layer: Array, starts: Array, index: Array, size: int) -> tuple[Array, Array, Array]:
    """As `LayerCache.block`, of one sequence's slots."""
    cache = rows.cache
    if cache.ring:
        start = jnp.minimum(index * size, rows.own - size)
        pieces, count = [starts[0] + start], size
        shared = jnp.arange(size) < index * size + size - rows.own
    else:
        count = min(size, PAGE)
        first = index * (size // count)
        # Behind the last page there is the one of nobody: a negative start would count from the end.
        pieces = [jnp.maximum(starts[first + piece], 0) for piece in range(size // count)]
        shared = jnp.zeros(size, bool)
    shape = (1, cache.keys.shape[1], count, cache.keys.shape[3])

    def stack(whole: Array) -> Array:
        parts = [lax.dynamic_slice(whole, (layer, 0, start, 0), shape)[0] for start in pieces]
        return decode(jnp.concatenate(parts, axis=1))

    positions = jnp.concatenate([lax.dynamic_slice_in_dim(cache.positions, start, count) for start in pieces])
    return stack(cache.keys), stack(cache.values), jnp.where(shared, EMPTY, positions)
