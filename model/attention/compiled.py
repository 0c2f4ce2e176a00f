"""Attention by a compiled kernel (compiled.c), over the cache where it lies."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from model.attention.mask import interval
from model.cache.layer import decode, encode
from model.cache.spreading import spread
from model.native import Kernel

_FEW = 8  # queries; the kernel's own numbers
_PIECE = 512
_LANES = 16


def can_attend(head_dim: int) -> bool:
    """Whether the kernel takes heads of this width."""
    return head_dim % _LANES == 0


def attention(
    queries: Array,
    keys: Array,
    values: Array,
    layer: Array,
    at: Array,
    key_at: Array,
    *,
    scale: float,
    window: int | None,
    softcap: float | None = None,
    reach: Array | None = None,
    since: Array | None = None,
) -> Array:
    """As `model.attention.reference.attention`, over one layer of a cache.

    Args:
        queries: f32 [T, N, H].
        keys, values: [L, K, S, H] as a cache stores them: f32, f16 as its bits in uint16, or int8 [L, K, S,
            H + 4], see `model.cache.layer.encode`.
        layer: int [], which of the L.
        at: int [T], positions of the queries.
        key_at: int [S], positions of the keys.
        scale, window, softcap, reach, since: as there.

    Returns:
        f32 [T, N, H].
    """
    return attend(
        queries,
        keys,
        values,
        layer,
        at,
        key_at,
        scale=scale,
        window=window,
        softcap=softcap,
        reach=reach,
        since=since,
    )[0]


def attend(
    queries: Array,
    keys: Array,
    values: Array,
    layer: Array,
    at: Array,
    key_at: Array,
    *,
    scale: float,
    window: int | None,
    softcap: float | None = None,
    reach: Array | None = None,
    since: Array | None = None,
) -> tuple[Array, Array]:
    """As `attention`, and the log of the sum of e^score, f32 [T, N]: -inf for a query that sees nothing.

    With it, what was attended to in parts can be merged.
    """
    count, heads, size = queries.shape
    partial = -(-keys.shape[2] // _PIECE) * count * heads * (size + 2) if count <= _FEW else 1
    shapes = (queries.shape, (count, heads), (partial,))
    call = jax.ffi.ffi_call(
        "gemcli_attention", tuple(jax.ShapeDtypeStruct(each, jnp.float32) for each in shapes)
    )
    first, last = interval(at, window, reach, since)
    mixed, total, _ = call(
        _as_stored(queries, keys),
        keys,
        values,
        layer.astype(jnp.int32),
        key_at.astype(jnp.int32),
        first.astype(jnp.int32),
        last.astype(jnp.int32),
        scale=np.float32(scale),
        softcap=np.float32(softcap or 0),
    )
    return _as_stored(mixed, keys), total


def _as_stored(rows: Array, keys: Array) -> Array:
    """Queries as a cache of this type holds keys, or what is mixed of its values as it was."""
    return spread(rows) if keys.dtype == jnp.int8 else rows


def attention_apart(
    queries: Array,
    keys: Array,
    values: Array,
    layer: Array,
    at: Array,
    key_at: Array,
    starts: Array,
    own: int,
    *,
    scale: float,
    window: int | None,
    softcap: float | None = None,
) -> Array:
    """`attention` of one query each of many sequences, over keys of its own: to the bit as each alone.

    Args:
        queries: f32 [B, N, H].
        keys, values, layer: as of `attention`; every sequence has some of the slots.
        at: int [B], positions of the queries.
        key_at: int [S], positions of the keys.
        starts: int [B, n], the slot where each piece of 512 slots of a sequence begins; -1 behind the last.
        own: slots of which a sequence's pieces consist: the last may be shorter.
        scale, window, softcap: as there.

    Returns:
        f32 [B, N, H].
    """
    count, heads, size = queries.shape
    shapes = (queries.shape, (count, heads), (count * heads * starts.shape[1] * (size + 2),))
    call = jax.ffi.ffi_call(
        "gemcli_attention_apart", tuple(jax.ShapeDtypeStruct(each, jnp.float32) for each in shapes)
    )
    first, last = interval(at, window)
    mixed, _, _ = call(
        _as_stored(queries, keys),
        keys,
        values,
        layer.astype(jnp.int32),
        key_at.astype(jnp.int32),
        first.astype(jnp.int32),
        last.astype(jnp.int32),
        starts.astype(jnp.int32),
        own=np.int64(own),
        scale=np.float32(scale),
        softcap=np.float32(softcap or 0),
    )
    return _as_stored(mixed, keys)


def _check() -> str | None:
    """What is wrong with the compiled kernel on this machine; None when it computes what is defined."""
    draw = np.random.default_rng(0)
    keys, values = draw.standard_normal((2, 2, 2, 70, 16)).astype(np.float32)
    key_at = np.where(np.arange(70) < 60, np.arange(70), -1)
    for kind in (jnp.float32, jnp.uint16, jnp.int8):
        stored = [encode(jnp.asarray(part), jnp.dtype(kind)) for part in (keys, values)]
        known = [np.asarray(decode(part[1])) for part in stored]
        for count, window in ((1, None), (3, 20), (40, None), (40, 20)):
            queries = draw.standard_normal((count, 6, 16)).astype(np.float32)
            at = np.arange(60 - count, 60)
            want = _plain(queries, known[0], known[1], at, key_at, scale=0.5, window=window)
            got = attention(
                jnp.asarray(queries),
                stored[0],
                stored[1],
                jnp.int32(1),
                jnp.asarray(at),
                jnp.asarray(key_at),
                scale=0.5,
                window=window,
            )
            if not np.allclose(got, want, rtol=0, atol=1e-4):
                return f"its attention of {count} queries is wrong on this processor"
    return None


def _plain(
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    at: np.ndarray,
    key_at: np.ndarray,
    *,
    scale: float,
    window: int | None,
) -> np.ndarray:
    """The definition without the array library, which would compile it for seconds."""
    groups = queries.shape[1] // len(keys)
    scores = np.einsum("tnh,nsh->nts", queries, np.repeat(keys, groups, axis=0).astype(np.float64)) * scale
    back = at[:, None] - key_at[None]
    unseen = (key_at < 0) | (back < 0) | (back >= (window or len(key_at)))
    weights = np.where(unseen, 0, np.exp(scores))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("nts,nsh->tnh", weights, np.repeat(values, groups, axis=0).astype(np.float64))


KERNEL = Kernel(
    Path(__file__).with_name("compiled.c"), ("gemcli_attention", "gemcli_attention_apart"), _check
)
