"""Attention to a fixed number of keys, whatever the length of the text: for what lies beyond the trained window.

A block of queries sees the keys just before it, the beginning of the text, and those pages of the rest whose
mean key it likes best (pages as in Quest, arXiv 2406.10774).  Pages that are read are moved up to the near
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
from model.attention.api import Implementation, Memory
from model.attention.mask import EMPTY
from model.cache.layer import LayerCache, decode
from model.config import AttentionSpec, SparseSpec
from model.nn.rope import RopeTable, rotate

_SLOTS_A_STEP = 1024  # whose pages are summed up at a time

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
    implementation: Implementation,
) -> Array:
    """As `model.attention.api.read` of a full cache that one device holds, but of a part of it.

    Args:
        queries, memory, asking, reach, implementation: as there.
        spec: its `sparse` says of how much.
        table: the angles that keys and queries are turned by.
    """
    assert spec.sparse is not None and memory.near is None and memory.cache.hands == 1
    means = page_means(memory.cache, memory.layer, spec, table, asking.max() + 1)
    count, size = asking.shape[0], min(asking.shape[0], spec.sparse.queries)
    spare = -count % size
    # How far behind its last query a block may see.
    beyond = 0 if reach is None else count

    def some(part: tuple[Array, Array, Array | None]) -> Array:
        return _block(*part, memory, spec, means, table, beyond, implementation)

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


def page_means(
    cache: LayerCache, layer: Array, spec: AttentionSpec, table: RopeTable, filled: Array
) -> Array:
    """The mean of every page's keys, turned back to position 0.

    Args:
        cache: of which one layer is read.
        layer: which.
        spec: of the layer.
        table: the angles that its keys are turned by.
        filled: int [], slots that may hold anything.

    Returns:
        f32 [K, pages, H]; zeros where a page is empty.
    """
    assert spec.sparse is not None
    page, slots = spec.sparse.page, cache.slots
    step = min(_SLOTS_A_STEP, slots) // page * page
    shape = cache.keys.shape

    def one(index: Array, means: Array) -> Array:
        # The last step begins earlier and computes some pages twice.
        start = jnp.minimum(index * step, slots // page * page - step)
        keys = decode(lax.dynamic_slice(cache.keys, (layer, 0, start, 0), (1, shape[1], step, shape[3]))[0])
        at = lax.dynamic_slice(cache.positions, (start,), (step,))
        keys = _turned(keys, _back(table.angles(jnp.maximum(at, 0))), spec)
        keys = jnp.where((at >= 0)[None, :, None], keys, 0).reshape(shape[1], step // page, page, -1)
        there = (at >= 0).reshape(-1, page).sum(1).astype(jnp.float32)
        new = keys.sum(2) / jnp.maximum(there, 1)[None, :, None]
        return lax.dynamic_update_slice(means, new, (0, start // page, 0))

    empty = jnp.zeros((shape[1], slots // page, spec.head_dim))
    return lax.fori_loop(0, (filled + step - 1) // step, one, empty)


def choose(
    queries: Array, means: Array, asking: Array, end: Array, spec: AttentionSpec
) -> tuple[Array, Array]:
    """The pages that a block of queries reads besides the near keys.

    A page is worth the largest share that any query of any head would give it among all far pages.

    Args:
        queries: f32 [T, N, H], turned back to position 0.
        means: f32 [K, pages, H], from `page_means`.
        asking: int [T], positions of the queries.
        end: int [], the far pages are those before this one.
        spec: of the layer.

    Returns:
        Indices int [K, n], rising, and whether each stands for a page, bool [K, n]; those that do come last.
    """
    assert spec.sparse is not None
    tokens, heads, size = queries.shape
    kv_heads, pages, _ = means.shape
    rows = (queries * spec.query_scale).reshape(tokens, kv_heads, heads // kv_heads, size)
    scores = jnp.einsum("tkgh,kph->ktgp", rows, means)
    far = jnp.arange(pages) < end
    scores = jnp.where(far[None, None, None], scores, -jnp.inf)
    worth = jnp.where(
        (far & (end > 0))[None, None, None],
        scores - jax.nn.logsumexp(scores, axis=-1, keepdims=True, where=far[None, None, None] | (end == 0)),
        -jnp.inf,
    )
    worth = jnp.where((asking >= 0)[None, :, None, None], worth, -jnp.inf).max((1, 2))
    first = (jnp.arange(pages) < spec.sparse.first) & far
    worth = jnp.where(first[None], jnp.inf, worth)
    best, index = lax.top_k(worth, min(spec.sparse.pages, pages))
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
    implementation: Implementation,
) -> Array:
    scale, softcap = spec.query_scale, spec.softcap
    if implementation == "compiled" and compiled.can_attend(spec.head_dim):
        stored = keys[None], values[None], jnp.int32(0), asking, at
        return compiled.attention(queries, *stored, scale=scale, window=None, softcap=softcap, reach=reach)
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
