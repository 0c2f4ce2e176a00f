"""Attention to a fixed number of keys, however long the text: for what lies beyond the trained window.

A block of queries sees the keys just before it, the beginning of the text, and those pages of the rest whose
keys it likes best (pages as in Quest, arXiv 2406.10774).  Pages that are read are moved up to the near
keys, so that no distance is greater than the number of keys that are read (as ReAttention, arXiv 2407.15176,
has it): rotations add up, so a key that is stored turned is turned on by as much as it moves.  Pages are
compared as if every key stood where the query stands, for a distance that was never trained says nothing.

While all of the past fits, it is all read, where it stands, and this is dense attention.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from model.attention import compiled, reference
from model.attention.api import Memory, narrow
from model.attention.kinds import Choice, Implementation, implementation_of
from model.attention.mask import EMPTY
from model.cache.layer import LayerCache, decode
from model.config import AttentionSpec, SparseSpec
from model.nn.rope import RopeTable, rotate

_SLOTS_A_STEP = 1024  # whose pages are summed up at a time
_NEVER = -1e30  # finite, so that nothing far leaves no NaN behind

Angles = tuple[Array, Array]


class _Keys(NamedTuple):
    """Keys and values f32 [K, M, H], and where they stand, int [M]."""

    keys: Array
    values: Array
    at: Array


def read(
    queries: Array,
    memory: Memory,
    spec: AttentionSpec,
    asking: Array,
    reach: Array | None,
    table: RopeTable,
    implementation: Implementation | Choice,
) -> Array:
    """As `model.attention.api.read` of a full cache that one device holds, but of a part of it.

    Args:
        queries, memory, asking, reach, implementation: as there.
        spec: its `sparse` says of how much.
        table: the angles that keys and queries are turned by.
    """
    assert spec.sparse is not None
    assert memory.near is None
    assert memory.cache.hands == 1
    means = group_means(memory.cache, memory.layer, spec, table, asking.max() + 1)
    count, size = asking.shape[0], min(asking.shape[0], spec.sparse.queries)
    chosen = implementation_of(implementation, spec, count)
    spare = -count % size
    # How far behind its last query a block may see.
    beyond = 0 if reach is None else count

    def some(part: tuple[Array, Array, Array | None]) -> Array:
        return _block(*part, memory, spec, means, table, beyond, chosen)

    if count == size:
        return some((queries, asking, reach))

    def cut(positions: Array) -> Array:
        return jnp.pad(positions, (0, spare), constant_values=EMPTY).reshape(-1, size)

    padded = jnp.pad(queries, ((0, spare), (0, 0), (0, 0)))
    parts = (
        padded.reshape(-1, size, *queries.shape[1:]),
        cut(asking),
        None if reach is None else cut(reach),
    )
    return lax.map(some, parts).reshape(padded.shape)[:count]


def group_means(
    cache: LayerCache, layer: Array, spec: AttentionSpec, table: RopeTable, filled: Array
) -> Array:
    """The mean of every group of keys, turned back to position 0.

    Args:
        cache: of which one layer is read.
        layer: which.
        spec: of the layer.
        table: the angles that its keys are turned by.
        filled: int [], slots that may hold anything.

    Returns:
        f32 [K, groups, H]; zeros where a group is empty.
    """
    assert spec.sparse is not None
    page, group = spec.sparse.page, spec.sparse.group
    slots = cache.slots // page * page
    step = min(_SLOTS_A_STEP // page * page, slots)
    shape = cache.keys.shape

    def one(index: Array, means: Array) -> Array:
        # The last step begins earlier and computes some twice.
        start = jnp.minimum(index * step, slots - step)
        keys = decode(lax.dynamic_slice(cache.keys, (layer, 0, start, 0), (1, shape[1], step, shape[3]))[0])
        at = lax.dynamic_slice(cache.positions, (start,), (step,))
        keys = _turned(keys, _back(table.angles(jnp.maximum(at, 0))), spec)
        keys = jnp.where((at >= 0)[None, :, None], keys, 0).reshape(shape[1], step // group, group, -1)
        there = (at >= 0).reshape(-1, group).sum(1).astype(jnp.float32)
        new = keys.sum(2) / jnp.maximum(there, 1)[None, :, None]
        return lax.dynamic_update_slice(means, new, (0, start // group, 0))

    empty = jnp.zeros((shape[1], slots // group, spec.head_dim))
    return lax.fori_loop(0, (filled + step - 1) // step, one, empty)


def choose(
    queries: Array, means: Array, asking: Array, end: Array, spec: AttentionSpec
) -> tuple[Array, Array]:
    """The pages that a block of queries reads besides the near keys.

    A page is worth the largest share of a query's attention that one of its groups would get, of all groups
    of far pages: the largest over heads and queries.

    Args:
        queries: f32 [T, N, H], turned back to position 0.
        means: f32 [K, groups, H], from `group_means`.
        asking: int [T], positions of the queries, padding behind them.
        end: int [], the far pages are those before this one.
        spec: of the layer.

    Returns:
        Indices int [K, n], rising, and whether each stands for a page, bool [K, n]; those that do come last.
    """
    sparse = spec.sparse
    assert sparse is not None
    tokens, heads, size = queries.shape
    kv_heads, a_page = means.shape[0], sparse.page // sparse.group
    voices = min(sparse.voices, tokens)
    last = (asking >= 0).sum(dtype=jnp.int32) - 1
    heard = last - jnp.arange(voices, dtype=jnp.int32) * (tokens // voices)
    rows = jnp.take(queries * spec.query_scale, jnp.maximum(heard, 0), axis=0)
    rows = rows.reshape(voices, kv_heads, heads // kv_heads, size).transpose(1, 0, 2, 3)
    # One product a head: XLA's batched product on a CPU is slower.
    scores = jnp.stack([row.reshape(-1, size) @ mean.T for row, mean in zip(rows, means, strict=True)])
    pages = means.shape[1] // a_page
    far = jnp.arange(pages) < end
    scores = jnp.where(jnp.repeat(far, a_page)[None, None], scores, _NEVER)
    shares = scores - jax.nn.logsumexp(scores, axis=-1, keepdims=True)
    spoken = jnp.repeat(heard >= 0, heads // kv_heads)
    shares = jnp.where(spoken[None, :, None], shares, _NEVER).max(1)
    worth = jnp.where(far[None], shares.reshape(kv_heads, pages, a_page).max(-1), -jnp.inf)
    worth = jnp.where((far & (jnp.arange(pages) < sparse.first))[None], jnp.inf, worth)
    best, index = lax.top_k(worth, min(sparse.pages, pages))
    index = jnp.sort(jnp.where(best > -jnp.inf, index, -1), axis=1)
    return jnp.maximum(index, 0), index >= 0


def _block(
    queries: Array,
    asking: Array,
    reach: Array | None,
    memory: Memory,
    spec: AttentionSpec,
    means: Array,
    table: RopeTable,
    beyond: int,
    implementation: Implementation,
) -> Array:
    """One block of queries f32 [T, N, H] at consecutive positions, padding behind them."""
    sparse = spec.sparse
    assert sparse is not None
    first = jnp.maximum(asking[0], 0)
    begin = jnp.maximum(first - sparse.near, 0) // sparse.page  # the page that the near keys begin with
    at_zero = _turned_rows(queries, _back(table.angles(jnp.maximum(asking, 0))), spec)
    index, real = choose(at_zero, means, asking, begin, spec)
    near = _near(memory, sparse, begin * sparse.page, asking.shape[0] + beyond)
    far = _far(memory, spec, table, index, real, begin)
    outs = []
    groups = spec.heads // spec.kv_heads
    for head in range(spec.kv_heads):
        keys, values = (
            jnp.concatenate([part[head : head + 1] for part in pair], axis=1)
            for pair in ((far.keys, near.keys), (far.values, near.values))
        )
        at = jnp.concatenate([far.at[head], near.at])
        outs.append(
            _attend(
                queries[:, head * groups : (head + 1) * groups],
                keys,
                values,
                asking,
                at,
                reach,
                spec,
                memory.cache,
                implementation,
            )
        )
    return jnp.concatenate(outs, axis=1)


def _near(memory: Memory, sparse: SparseSpec, begin: Array, count: int) -> _Keys:
    """The keys from position `begin` to the last of `count` queries."""
    cache = memory.cache
    size = min(sparse.near + sparse.page + count, cache.slots)
    start = jnp.minimum(begin, cache.slots - size)
    shape = (1, cache.keys.shape[1], size, cache.keys.shape[3])
    keys, values = (
        decode(lax.dynamic_slice(stack, (memory.layer, 0, start, 0), shape)[0])
        for stack in (cache.keys, cache.values)
    )
    at = lax.dynamic_slice(cache.positions, (start,), (size,))
    return _Keys(keys, values, jnp.where(at < begin, EMPTY, at))


def _far(
    memory: Memory, spec: AttentionSpec, table: RopeTable, index: Array, real: Array, begin: Array
) -> _Keys:
    """The chosen pages in their order, moved up to the near keys; positions are [K, M]."""
    sparse, cache = spec.sparse, memory.cache
    assert sparse is not None
    page = sparse.page
    kv_heads, count = index.shape

    def taken(stack: Array) -> Array:
        width = stack.shape[-1]
        pages = lax.dynamic_index_in_dim(stack, memory.layer, keepdims=False)
        pages = pages[:, : cache.slots // page * page].reshape(kv_heads, -1, page, width)
        found = jnp.take_along_axis(pages, index[:, :, None, None], axis=1)
        return decode(found.reshape(kv_heads, count * page, width))

    to = begin - count + jnp.arange(count)  # the page that each one moves to
    moved = jnp.where(real, to[None] - index, 0) * page
    cos, sin = (jnp.repeat(part, page, axis=1) for part in _angles(table, moved))
    keys = jnp.stack(
        [_turned(each[None], (c, s), spec)[0] for each, c, s in zip(taken(cache.keys), cos, sin, strict=True)]
    )
    at = (to[:, None] * page + jnp.arange(page)).reshape(-1)
    return _Keys(keys, taken(cache.values), jnp.where(jnp.repeat(real, page, axis=1), at[None], EMPTY))


def _attend(
    queries: Array,
    keys: Array,
    values: Array,
    asking: Array,
    at: Array,
    reach: Array | None,
    spec: AttentionSpec,
    cache: LayerCache,
    implementation: Implementation,
) -> Array:
    """Over keys and values f32 [1, M, H] that were taken out of a cache."""
    scale, softcap = spec.query_scale, spec.softcap
    if implementation == "compiled" and compiled.can_attend(spec.head_dim):
        stored = keys[None], values[None], jnp.int32(0), asking, at
        return compiled.attention(queries, *stored, scale=scale, window=None, softcap=softcap, reach=reach)
    if implementation == "pallas":
        from model.attention import pallas  # its library takes a fifth of a second to import

        if pallas.can_attend(spec.head_dim, cache.keys.dtype):
            stored = *narrow((keys, values), cache), jnp.int32(0), asking, at
            return pallas.attention(queries, *stored, scale=scale, window=None, softcap=softcap, reach=reach)
    return reference.attention(
        queries, keys, values, asking, at, scale=scale, window=None, softcap=softcap, reach=reach
    )


def _angles(table: RopeTable, positions: Array) -> Angles:
    """Cosine and sine of each angle of positions of any shape: f32 [..., pairs]."""
    cos, sin = table.angles(positions.reshape(-1))
    return cos.reshape(*positions.shape, -1), sin.reshape(*positions.shape, -1)


def _back(angles: Angles) -> Angles:
    return angles[0], -angles[1]


def _turned_rows(x: Array, angles: Angles, spec: AttentionSpec) -> Array:
    """f32 [T, N, H] turned by angles of T positions."""
    return rotate(x, angles, spec.head_dim // 2 if spec.rope.proportional else None)


def _turned(x: Array, angles: Angles, spec: AttentionSpec) -> Array:
    """f32 [K, M, H] turned by angles of M positions."""
    return _turned_rows(x.swapaxes(0, 1), angles, spec).swapaxes(0, 1)
