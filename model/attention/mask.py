"""Who sees whom, from positions alone: one formula for full caches, rings, chunks and rolled-back caches."""

from __future__ import annotations

from jax import Array

EMPTY = -1  # position of a slot or a padding token that holds nothing


def visible(queries: Array, keys: Array, window: int | None) -> Array:
    """Whether each query may see each key.

    A key is seen when it exists, is not later than the query and, under a sliding window W, is one of the
    W tokens that end with the query itself.

    Args:
        queries: int [T] positions.
        keys: int [S] positions; `EMPTY` for slots that hold nothing.
        window: W, or None.

    Returns:
        bool [T, S].
    """
    query, key = queries[:, None], keys[None, :]
    seen = (key >= 0) & (key <= query)
    return seen if window is None else seen & (query - key < window)
