"""Attention of new tokens over a cache: what must be read, what is written, and by which implementation."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
from jax import Array, lax

from model.attention import blocked, compiled, reference
from model.attention.mask import EMPTY
from model.cache.layer import LayerCache, decode, encode

Implementation = Literal["reference", "blocked", "compiled"]

_KEYS_A_BLOCK = 256  # with many queries: the scores of a block stay in the second-level cache
_KEYS_A_BLOCK_ONE_QUERY = 1024  # with one, the loop's own cost counts
_QUERIES_A_PASS = 256  # over a full cache
_QUERIES_A_SLICE = 128  # of a sliding layer's chunk: each slice reads its own window and no more


def attend(
    queries: Array,
    keys: Array,
    values: Array,
    cache: LayerCache,
    layer: Array,
    at: Array,
    *,
    asking: Array,
    scale: float,
    window: int | None,
    implementation: Implementation,
) -> tuple[Array, LayerCache]:
    """Attention of new tokens over everything cached and over themselves.

    Args:
        queries: f32 [A, N, H], of all T new tokens or of one.
        keys, values: f32 [T, K, H], of the new tokens.
        cache: a full cache, or a ring with T = 1, has the positions of the new tokens entered already; a ring
            with more has not, since its first queries still need what the last ones displace.
        layer: which of the cache's stacked layers.
        at: int [T], positions of the new tokens, then `EMPTY` for padding.
        asking: int [A], positions of the queries.
        scale, window: see `model.attention.reference.attention`.
        implementation: which one computes it; all give the same result.

    Returns:
        f32 [A, N, H], and the cache with the new keys and values.
    """
    if cache.ring and at.shape[0] > 1:
        past = cache.in_order(layer, at[0])
        # Rounded as the cache will, so that a token looks the same in its own chunk and later.
        keys, values = (decode(encode(new, cache.keys.dtype)) for new in (keys, values))
        near = _joined(keys, values, past, at)
        cache = cache.write(layer, keys, values, at)
        if implementation == "reference":
            near_keys, near_values, near_at = near
            mixed = reference.attention(
                queries, near_keys, near_values, asking, near_at, scale=scale, window=window
            )
            return mixed, cache
        if implementation == "compiled":
            near_keys, near_values, near_at = near
            mixed = compiled.attention(
                queries,
                near_keys[None],
                near_values[None],
                jnp.int32(0),
                asking,
                near_at,
                scale=scale,
                window=window,
            )
            return mixed, cache
        return _slide(queries, near, asking, at, scale=scale, window=window), cache
    cache = cache.write(layer, keys, values, at)
    if implementation == "reference":
        stored = cache.layer(layer)
        mixed = reference.attention(queries, *stored, asking, cache.positions, scale=scale, window=window)
        return mixed, cache
    if implementation == "compiled":
        mixed = compiled.attention(
            queries, cache.keys, cache.values, layer, asking, cache.positions, scale=scale, window=window
        )
        return mixed, cache
    size = min(_KEYS_A_BLOCK if queries.shape[0] > 1 else _KEYS_A_BLOCK_ONE_QUERY, cache.slots)

    def few(queries: Array, asking: Array) -> Array:
        filled = cache.slots if cache.ring else asking.max() + 1
        return blocked.attention(
            queries,
            lambda index: cache.block(layer, index, size),
            (0, (filled + size - 1) // size),
            asking,
            scale=scale,
            window=window,
        )

    count = asking.shape[0]
    if count <= _QUERIES_A_PASS:
        return few(queries, asking), cache
    # Each pass reads only the blocks before its own last query.
    passes = -(-count // _QUERIES_A_PASS)
    padding = passes * _QUERIES_A_PASS - count
    queries = jnp.pad(queries, ((0, padding), (0, 0), (0, 0)))
    asking = jnp.pad(asking, (0, padding), constant_values=EMPTY)
    mixed = lax.map(
        lambda part: few(*part),
        (queries.reshape(passes, -1, *queries.shape[1:]), asking.reshape(passes, -1)),
    )
    return mixed.reshape(queries.shape)[:count], cache


_Stored = tuple[Array, Array, Array]  # keys, values [K, S, H] and positions [S]


def _joined(keys: Array, values: Array, past: _Stored, at: Array) -> _Stored:
    """A chunk's keys and values f32 [T, K, H] behind those of the tokens before it, oldest first."""
    old_keys, old_values, old_at = past
    return (
        jnp.concatenate([old_keys, keys.transpose(1, 0, 2)], axis=1),
        jnp.concatenate([old_values, values.transpose(1, 0, 2)], axis=1),
        jnp.concatenate([old_at, at]),
    )


def _slide(
    queries: Array, near: _Stored, asking: Array, at: Array, *, scale: float, window: int | None
) -> Array:
    """A chunk over the W tokens before it and itself, in slices of queries that read only their window.

    Args:
        queries: f32 [A, N, H], of the whole chunk or of one of its tokens.
        near: from `_joined`, S = W + T.
        asking: int [A].
        at: int [T].
    """
    keys, values, key_at = near
    tokens, count = at.shape[0], asking.shape[0]
    before = key_at.shape[0] - tokens
    size = _QUERIES_A_SLICE if count == tokens else count
    pieces = []
    for first in range(0, count, size):
        last = min(first + size, count)
        # Query i of the chunk sees no key before i of the joined ones.
        seen = slice(first, before + last) if count == tokens else slice(None)
        block = (keys[:, seen], values[:, seen], key_at[seen])
        pieces.append(
            blocked.attention(
                queries[first:last],
                lambda _, block=block: block,
                (0, 1),
                asking[first:last],
                scale=scale,
                window=window,
            )
        )
    return jnp.concatenate(pieces)
