"""Which implementation of attention a machine uses for which kind of layer, each tried before it is used.

An implementation that does not compile here, or does not compute what is defined, is passed over for the next
in the list: that costs time, and is said, but never changes an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from model.attention import compiled
from model.attention.api import read, remember
from model.attention.kinds import Choice, Implementation, Kind, kinds
from model.cache.layer import LayerCache, empty
from model.config import AttentionSpec, LayerSpec, RopeSpec
from model.native import enable
from model.trial import refusal

# No cuDNN: `jax.nn.dot_product_attention` (jax 0.10.2) rounds the residual that parts merge by to 16 bits.
ORDER: Mapping[str, tuple[Implementation, ...]] = {"gpu": ("pallas", "blocked"), "tpu": ("blocked",)}
"""For every backend but a processor, what is tried in turn; the last, the library's own, needs no trial."""

_PAST = 150  # tokens of a trial's past: more than a block, and no multiple of one
_CHUNK = 70  # of its many queries: more than a tile
_WINDOW = 48  # at most
_TOLERANCE = 5e-3  # for weighted means of numbers of unit size, in products of 16 bits


def choose(
    layers: Iterable[LayerSpec], backend: str, bits: int, *, plain: bool = False
) -> tuple[Choice | Implementation, list[str]]:
    """What computes the layers of a model.

    Args:
        layers: of the model.
        backend: as JAX names it.
        bits: of a cached key or value.
        plain: without any kernel: on several devices, or where every bit counts.

    Returns:
        The choice, and a sentence for each implementation that was passed over.
    """
    if plain:
        return "blocked", []
    if backend == "cpu":
        return "blocked" if enable(compiled.KERNEL, None) else "compiled", []
    order = ORDER.get(backend, ("blocked",))
    if len(order) == 1:
        return order[0], []
    chosen: list[tuple[Kind, Implementation]] = []
    passed: dict[str, None] = {}
    for kind in kinds(layers):
        name, said = _first_sound(kind, order, bits)
        chosen.append((kind, name))
        passed |= dict.fromkeys(said)
    return Choice(tuple(chosen)), list(passed)


def _first_sound(
    kind: Kind, order: tuple[Implementation, ...], bits: int
) -> tuple[Implementation, list[str]]:
    said: list[str] = []
    for name in order[:-1]:
        if not _reaches(name, kind, bits):
            continue
        why = trial(name, kind, bits)
        if why is None:
            return name, said
        said.append(f"attention of layers {kind.layers()} cannot use the {name} kernel: {why}")
    return order[-1], said


def _reaches(name: Implementation, kind: Kind, bits: int) -> bool:
    """Whether an implementation is meant for such layers at all."""
    if name != "pallas":
        return True
    from model.attention import pallas

    return pallas.can_attend(kind.head_dim, empty(1, 1, 1, kind.head_dim, bits, ring=False).keys.dtype)


@cache
def trial(name: Implementation, kind: Kind, bits: int) -> str | None:
    """What is wrong with an implementation on this machine; None when it computes what is defined.

    Once for a kind in a process.
    """
    window = None if kind.window is None else min(kind.window, _WINDOW)
    spec = AttentionSpec(
        2 * kind.groups,
        2,
        kind.head_dim,
        RopeSpec(1e4),
        query_scale=2 * kind.head_dim**-0.5,
        window=window,
        softcap=kind.softcap,
    )
    for count in (1, 3) if kind.few else (_CHUNK,):
        queries, keys, values, stored = _case(spec, bits, count)
        at = jnp.arange(_PAST, _PAST + count, dtype=jnp.int32)
        attend = jax.jit(partial(_attend, spec=spec), static_argnames="name")
        want = np.asarray(attend(queries, keys, values, stored, at, name="reference"))
        try:
            got = np.asarray(attend(queries, keys, values, stored, at, name=name))
        except Exception as error:
            return refusal(error)
        if not np.isfinite(got).all():
            return f"its attention of {count} queries is no number"
        if not np.allclose(got, want, rtol=0, atol=_TOLERANCE):
            return f"its attention of {count} queries is off by {np.abs(got - want).max():.2g}"
    return None


def _case(spec: AttentionSpec, bits: int, count: int) -> tuple[Array, Array, Array, LayerCache]:
    """Queries f32 [T, N, H], keys and values f32 [T, K, H] of a chunk, and a cache with those before it."""
    draw = np.random.default_rng(0)
    shape = (_PAST + count, spec.kv_heads, spec.head_dim)
    keys, values = (jnp.asarray(draw.standard_normal(shape), jnp.float32) for _ in range(2))
    queries = jnp.asarray(draw.standard_normal((count, spec.heads, spec.head_dim)), jnp.float32)
    ring, at = spec.window is not None, jnp.arange(_PAST, dtype=jnp.int32)
    slots = spec.window or _PAST + _CHUNK + 1
    stored = empty(1, spec.kv_heads, slots, spec.head_dim, bits, ring=ring).claim(at)
    stored = stored.write(jnp.int32(0), keys[:_PAST], values[:_PAST], at)
    return queries, keys[_PAST:], values[_PAST:], stored


def _attend(
    queries: Array,
    keys: Array,
    values: Array,
    stored: LayerCache,
    at: Array,
    *,
    spec: AttentionSpec,
    name: Implementation,
) -> Array:
    """One layer of a pass as the decoder does it."""
    late = stored.ring and at.shape[0] > 1
    memory = remember(keys, values, stored if late else stored.claim(at), jnp.int32(0), at)
    return read(queries, memory, spec, at, None, name)
