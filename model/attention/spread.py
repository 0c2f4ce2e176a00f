"""Attention on several devices: each over the heads or the slots that it holds; no cache ever moves.

By heads a device needs nothing of another.  Where slots are dealt every device attends with all queries to
its own slots, and the parts are merged by their log-sum-exp (as in FlashDecoding): masks follow from
positions, so it does not matter which slots those are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
from jax import Array
from jax.sharding import Mesh

from model.attention import api
from model.attention.kinds import Choice, Implementation
from model.cache.layer import LayerCache
from model.config import AttentionSpec
from model.mesh import partition

_WHOLE = partition()


def remember(
    keys: Array, values: Array, cache: LayerCache, layer: Array, at: Array, mesh: Mesh | None
) -> api.Memory:
    """As `model.attention.api.remember`, on every device of a mesh (None: one) for its own part."""
    if mesh is None:
        return api.remember(keys, values, cache, layer, at)
    stored = cache.partitions(mesh.size)
    new = partition(1) if _by_heads(cache, mesh) else _WHOLE
    write = jax.shard_map(
        api.remember,
        mesh=mesh,
        in_specs=(new, new, stored, _WHOLE, _WHOLE),
        out_specs=_memory(cache, mesh, near=cache.ring and at.shape[0] > 1),
        check_vma=False,
    )
    memory = write(keys, values, cache, layer, at)
    return replace(memory, cache=replace(memory.cache, positions=cache.positions))


def read(
    queries: Array,
    memory: api.Memory,
    spec: AttentionSpec,
    asking: Array,
    reach: Array | None,
    implementation: Implementation | Choice,
    mesh: Mesh | None,
) -> Array:
    """As `model.attention.api.read`, on every device of a mesh (None: one) for its own part."""
    if mesh is None:
        return api.read(queries, memory, spec, asking, reach, implementation)
    cache = memory.cache
    # A ring of one head is on every device: queries are divided all the same.
    alone = cache.hands == 1 and spec.kv_heads == 1 and spec.heads % mesh.size == 0
    of_queries = partition(1) if alone or _by_heads(cache, mesh) else _WHOLE
    attend = jax.shard_map(
        lambda queries, memory, asking, reach: api.read(queries, memory, spec, asking, reach, implementation),
        mesh=mesh,
        in_specs=(of_queries, _memory(cache, mesh, near=memory.near is not None), _WHOLE, _WHOLE),
        out_specs=of_queries,
        check_vma=False,
    )
    return attend(queries, memory, asking, reach)


def _by_heads(cache: LayerCache, mesh: Mesh) -> bool:
    return cache.hands == 1 and cache.keys.shape[1] % mesh.size == 0


def _memory(cache: LayerCache, mesh: Mesh, *, near: bool) -> Any:
    """A `Memory` with a partition in the place of each array."""
    heads = partition(0) if _by_heads(cache, mesh) else _WHOLE
    where: list[Any] = [cache.partitions(mesh.size), _WHOLE, (heads, heads, _WHOLE) if near else None]
    return api.Memory(*where)
