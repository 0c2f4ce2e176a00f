"""Attention of new tokens over a cache: what must be read, what is written, and by which implementation."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
from jax import Array, lax

from model.attention import blocked, reference
from model.cache.layer import LayerCache, decode, encode

Implementation = Literal["reference", "blocked"]

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
    scale: float,
    window: int | None,
    implementation: Implementation,
) -> tuple[Array, LayerCache]:
    """Attention of T new tokens over everything cached and over themselves.

    Args:
        queries: f32 [T, N, H].
        keys, values: f32 [T, K, H], of the new tokens.
        cache: a full cache, or a ring with T = 1, has the positions of the new tokens entered already; a ring
            with more has not, since its first queries still need what the last ones displace.
        layer: which of the cache's stacked layers.
        at: int [T], positions of the new tokens, then `EMPTY` for padding.
        scale, window: see `model.attention.reference.attention`.
        implementation: which one computes it; all give the same result.

    Returns:
        f32 [T, N, H], and the cache with the new keys and values.
    """
    if cache.ring and at.shape[0] > 1:
        past = cache.in_order(layer, at[0])
        # Rounded as the cache will, so that a token looks the same in its own chunk and later.
        keys, values = (decode(encode(new, cache.keys.dtype)) for new in (keys, values))
        return (
            _slide(
                queries, keys, values, past, at, scale=scale, window=window, implementation=implementation
            ),
            cache.write(layer, keys, values, at),
        )
    cache = cache.write(layer, keys, values, at)
    if implementation == "reference":
        stored = cache.layer(layer)
        return reference.attention(queries, *stored, at, cache.positions, scale=scale, window=window), cache
    size = min(_KEYS_A_BLOCK if at.shape[0] > 1 else _KEYS_A_BLOCK_ONE_QUERY, cache.slots)

    def few(queries: Array, at: Array) -> Array:
        filled = cache.slots if cache.ring else at.max() + 1
        return blocked.attention(
            queries,
            lambda index: cache.block(layer, index, size),
            (0, (filled + size - 1) // size),
            at,
            scale=scale,
            window=window,
        )

    tokens = at.shape[0]
    if tokens <= _QUERIES_A_PASS:
        return few(queries, at), cache
    # Each pass reads only the blocks before its own last query.
    passes = (tokens // _QUERIES_A_PASS, _QUERIES_A_PASS)
    mixed = lax.map(
        lambda part: few(*part), (queries.reshape(*passes, *queries.shape[1:]), at.reshape(passes))
    )
    return mixed.reshape(queries.shape), cache


def _slide(
    queries: Array,
    keys: Array,
    values: Array,
    past: tuple[Array, Array, Array],
    at: Array,
    *,
    scale: float,
    window: int | None,
    implementation: Implementation,
) -> Array:
    """A chunk over the W tokens before it and itself, in slices of queries that read only their window.

    Args:
        queries: f32 [T, N, H].
        keys, values: f32 [T, K, H].
        past: keys, values [K, W, H] and positions [W] of the tokens before the chunk, oldest first.
        at: int [T].
    """
    all_keys, all_values = (
        jnp.concatenate([old, new.transpose(1, 0, 2)], axis=1)
        for old, new in zip(past, (keys, values), strict=False)
    )
    all_at = jnp.concatenate([past[2], at])
    if implementation == "reference":
        return reference.attention(queries, all_keys, all_values, at, all_at, scale=scale, window=window)
    slots, tokens = past[2].shape[0], at.shape[0]
    pieces = []
    for first in range(0, tokens, _QUERIES_A_SLICE):
        last = min(first + _QUERIES_A_SLICE, tokens)
        seen = slice(first, slots + last)  # query i of the chunk sees no key before i of the joined ones
        block = (all_keys[:, seen], all_values[:, seen], all_at[seen])
        pieces.append(
            blocked.attention(
                queries[first:last],
                lambda _, block=block: block,
                (0, 1),
                at[first:last],
                scale=scale,
                window=window,
            )
        )
    return jnp.concatenate(pieces)
