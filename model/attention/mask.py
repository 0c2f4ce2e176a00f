"""Who sees whom, from positions alone: one formula for full caches, rings, chunks and rolled-back caches."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

EMPTY = -1  # position of a slot or a padding token that holds nothing


def visible(
    queries: Array, keys: Array, window: int | None, reach: Array | None = None, since: Array | None = None
) -> Array:
    """Whether each query may see each key.

    A key is seen when it exists, is not later than the query's reach and, under a sliding window W, is none
    of those that lie W tokens or more before the query.

    Args:
        queries: int [T] positions.
        keys: int [S] positions; `EMPTY` for slots that hold nothing.
        window: W, or None.
        reach: int [T], the last position that each query may see; None: its own.
        since: int [T], the first position that each query may see; None: 0.

    Returns:
        bool [T, S].
    """
    first, last = interval(queries, window, reach, since)
    key = keys[None, :]
    return (key >= 0) & (key >= first[:, None]) & (key <= last[:, None])


def interval(
    queries: Array, window: int | None, reach: Array | None = None, since: Array | None = None
) -> tuple[Array, Array]:
    """First and last position that each query may see, int [T] each; arguments as for `visible`.

    The last one of a query that is `EMPTY` is that too.
    """
    last = queries if reach is None else reach
    if window is None:
        return jnp.zeros_like(queries) if since is None else since, last
    first = queries - (window - 1)
    return first if since is None else jnp.maximum(first, since), last


def block_reach(at: Array, block: Array) -> Array:
    """How far each token of a chunk sees: to the end of its media block, or no further than itself.

    Args:
        at: int [T], consecutive positions, then `EMPTY` for padding.
        block: int [T], a number from 0 on that all tokens of one block share, -1 outside of blocks.  A block
            lies in one chunk as a whole.

    Returns:
        int [T].
    """
    same = (block[:, None] == block[None, :]) & (block >= 0)[:, None] & (at >= 0)[:, None]
    return jnp.where(same, at[None, :], at[:, None]).max(axis=1)
