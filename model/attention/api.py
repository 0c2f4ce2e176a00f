"""Attention of new tokens over a cache: what is written, what must be read, and by which implementation.

Writing and reading are apart, because a layer may read what another one has written.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array, lax

from model.attention import blocked, compiled, reference
from model.attention.kinds import Choice, Implementation, implementation_of
from model.attention.mask import EMPTY
from model.cache.layer import LayerCache, decode, encode
from model.config import AttentionSpec
from model.mesh import AXIS

_KEYS_A_BLOCK = 256  # with many queries: the scores of a block stay in the second-level cache
KEYS_A_BLOCK_ONE_QUERY = 1024  # with one, the loop's own cost counts
_QUERIES_A_PASS = 256  # over a full cache
_QUERIES_A_SLICE = 128  # of a sliding layer's chunk: each slice reads its own window and no more

Stored = tuple[Array, Array, Array]  # keys, values f32 [K, S, H] and positions [S]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Memory:
    """What the queries of a chunk may read of one layer's keys and values.

    Attributes:
        cache: with those of the chunk.
        layer: int [], which of its stacked layers.
        near: of a ring that took a whole chunk: the chunk's behind those of the tokens before it, oldest
            first.  The ring itself has lost what the chunk's first queries see.
    """

    cache: LayerCache
    layer: Array
    near: Stored | None = None


def remember(keys: Array, values: Array, cache: LayerCache, layer: Array, at: Array) -> Memory:
    """Enter a chunk's keys and values for one layer.

    Args:
        keys, values: f32 [T, K, H], of the new tokens.
        cache: a full cache, or a ring with T = 1, has the positions of the new tokens entered already; a ring
            with more has not, since its first queries still need what the last ones displace.
        layer: which of the cache's stacked layers.
        at: int [T], positions of the new tokens, then `EMPTY` for padding.
    """
    if not (cache.ring and at.shape[0] > 1):
        return Memory(cache.write(layer, keys, values, at), layer)
    past = cache.in_order(layer, at[0])
    # Rounded as the cache does, so that a token looks the same in its own chunk and later.
    near_keys, near_values = (decode(encode(new, cache.keys.dtype)) for new in (keys, values))
    near = _joined(near_keys, near_values, past, at)
    return Memory(cache.write(layer, keys, values, at), layer, near)


def read(
    queries: Array,
    memory: Memory,
    spec: AttentionSpec,
    asking: Array,
    reach: Array | None,
    implementation: Implementation | Choice,
) -> Array:
    """Attention of queries over everything remembered.

    Args:
        queries: f32 [A, N, H], of all of a chunk's T tokens or of one.
        memory: from `remember`, of this layer or of the one that it borrows from.
        spec: scale, window and softcap.
        asking: int [A], positions of the queries.
        reach: int [A], see `model.attention.mask.visible`; None: their own positions.
        implementation: which one computes it; all give the same result.  What the compiled one, or that in
            Pallas, cannot take, ``blocked`` computes.

    Returns:
        f32 [A, N, H].
    """
    scale, window, softcap = spec.query_scale, spec.window, spec.softcap
    cache, layer = memory.cache, memory.layer
    implementation = implementation_of(implementation, spec, queries.shape[0])
    if implementation == "reference" and cache.hands == 1:
        keys, values, key_at = memory.near or (*cache.layer(layer), cache.positions)
        return reference.attention(
            queries, keys, values, asking, key_at, scale=scale, window=window, softcap=softcap, reach=reach
        )
    if implementation == "compiled" and compiled.can_attend(spec.head_dim):
        if memory.near is None:
            stored = cache.keys, cache.values, layer, asking, cache.positions
        else:
            keys, values, key_at = memory.near
            stored = keys[None], values[None], jnp.int32(0), asking, key_at
        return compiled.attention(queries, *stored, scale=scale, window=window, softcap=softcap, reach=reach)
    if implementation == "pallas" and cache.hands == 1:
        from model.attention import pallas  # its library takes a fifth of a second to import

        if pallas.can_attend(spec.head_dim, cache.keys.dtype) and pallas.can_address(cache.keys):
            if memory.near is None:
                stored = cache.keys, cache.values, layer, asking, cache.positions
            else:
                keys, values, key_at = memory.near
                stored = *narrow((keys, values), cache), jnp.int32(0), asking, key_at
            return pallas.attention(
                queries,
                *stored,
                scale=scale,
                window=window,
                softcap=softcap,
                reach=reach,
                in_place=memory.near is None and not cache.ring,
            )
    if memory.near is not None:
        return _slide(queries, memory.near, spec, asking, reach, cache.slots)
    size = min(_KEYS_A_BLOCK if queries.shape[0] > 1 else KEYS_A_BLOCK_ONE_QUERY, cache.slots)

    def few(queries: Array, asking: Array, reach: Array | None) -> Array:
        filled = cache.slots if cache.ring else (asking if reach is None else reach).max() + 1
        if cache.hands > 1:
            filled = (filled + cache.hands - 1) // cache.hands
        return blocked.attention(
            queries,
            lambda index: cache.block(layer, index, size),
            (0, (filled + size - 1) // size),
            asking,
            scale=scale,
            window=window,
            softcap=softcap,
            reach=reach,
            over=AXIS if cache.hands > 1 else None,
        )

    count = asking.shape[0]
    if count <= _QUERIES_A_PASS:
        return few(queries, asking, reach)
    # Each pass reads only the blocks before its own last query.
    passes = -(-count // _QUERIES_A_PASS)
    padding = passes * _QUERIES_A_PASS - count
    queries = jnp.pad(queries, ((0, padding), (0, 0), (0, 0)))

    def cut(positions: Array) -> Array:
        return jnp.pad(positions, (0, padding), constant_values=EMPTY).reshape(passes, -1)

    parts = (
        queries.reshape(passes, -1, *queries.shape[1:]),
        cut(asking),
        None if reach is None else cut(reach),
    )
    mixed = lax.map(lambda part: few(*part), parts)
    return mixed.reshape(queries.shape)[:count]


def narrow(parts: tuple[Array, Array], cache: LayerCache) -> tuple[Array, Array]:
    """Keys and values f32 [K, M, H] out of a cache as a cache of one layer would hold them: f32 as they are,
    others in 16 bits."""
    dtype = cache.keys.dtype if cache.keys.dtype == jnp.float32 else jnp.dtype(jnp.uint16)
    keys, values = (encode(part, dtype)[None] for part in parts)
    return keys, values


def nothing_near(cache: LayerCache, at: Array) -> Stored:
    """What `Memory.near` of a ring is before any layer has taken the chunk: those shapes, nothing there."""
    slots = cache.slots + at.shape[0]
    zeros = jnp.zeros((cache.keys.shape[1], slots, cache.head_dim), jnp.float32)
    return zeros, zeros, jnp.full(slots, EMPTY, jnp.int32)


def _joined(keys: Array, values: Array, past: Stored, at: Array) -> Stored:
    """A chunk's keys and values f32 [T, K, H] behind those of the tokens before it, oldest first."""
    old_keys, old_values, old_at = past
    return (
        jnp.concatenate([old_keys, keys.transpose(1, 0, 2)], axis=1),
        jnp.concatenate([old_values, values.transpose(1, 0, 2)], axis=1),
        jnp.concatenate([old_at, at]),
    )


def _slide(
    queries: Array, near: Stored, spec: AttentionSpec, asking: Array, reach: Array | None, before: int
) -> Array:
    """A chunk over the W tokens before it and itself, in slices of queries that read only their window.

    Args:
        queries: f32 [A, N, H], of the whole chunk or of one of its tokens.
        near: S = W + T.
        spec: scale, window and softcap.
        asking: int [A].
        reach: int [A], or None.
        before: W.
    """
    keys, values, key_at = near
    tokens, count = key_at.shape[0] - before, asking.shape[0]
    size = _QUERIES_A_SLICE if count == tokens else count
    pieces = []
    for first in range(0, count, size):
        last = min(first + size, count)
        # Query i of the chunk sees no key before i of the joined ones, and none after W + i but in its block.
        end = before + last if reach is None else None
        seen = slice(first, end) if count == tokens else slice(None)
        block = (keys[:, seen], values[:, seen], key_at[seen])
        pieces.append(
            blocked.attention(
                queries[first:last],
                lambda _, block=block: block,
                (0, 1),
                asking[first:last],
                scale=spec.query_scale,
                window=spec.window,
                softcap=spec.softcap,
                reach=None if reach is None else reach[first:last],
            )
        )
    return jnp.concatenate(pieces)
