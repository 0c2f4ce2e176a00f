"""Attention over real caches, full and ring, in chunks of every kind, equals softmax over the whole past."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from model.attention import compiled
from model.attention.api import read, remember
from model.attention.mask import EMPTY
from model.cache.layer import LayerCache, empty
from model.config import AttentionSpec, RopeSpec

HEADS, KV_HEADS, SIZE, SCALE = 4, 2, 16, 0.4
LAYERS, LAYER = 2, 1


@partial(jax.jit, static_argnames=("spec", "implementation"), compiler_options=tiny.QUICK)
def step(q, k, v, cache: LayerCache, at, reach, *, spec, implementation):
    """One pass of the decoder over one layer: positions entered before or after, as the decoder does."""
    late = cache.ring and len(at) > 1
    memory = remember(k, v, cache if late else cache.claim(at), jnp.int32(LAYER), at)
    out = read(q, memory, spec, at, reach, implementation)
    return out, memory.cache.claim(at) if late else memory.cache


def spec_of(window: int | None, softcap: float | None = None) -> AttentionSpec:
    return AttentionSpec(
        HEADS, KV_HEADS, SIZE, RopeSpec(1e4), query_scale=SCALE, window=window, softcap=softcap
    )


def check(
    chunks: list[tuple[int, int]],
    *,
    slots: int,
    window: int | None,
    implementation: str,
    ring: bool = False,
    bits: int = 32,
    softcap: float | None = None,
    block: tuple[int, int] = (0, 0),
) -> None:
    """Chunks (tokens, compiled size) through a cache, each held to the definition; the tokens of the block
    [first, end) of every chunk that has so many see one another."""
    total = sum(taken for taken, _ in chunks)
    rng = np.random.default_rng(total)
    q = rng.standard_normal((total, HEADS, SIZE)).astype(np.float32)
    k, v = rng.standard_normal((2, total, KV_HEADS, SIZE)).astype(np.float32)
    if bits == 16:  # then the answer is exact for the rounded numbers
        k, v = (np.asarray(jnp.asarray(part).astype(jnp.float16), np.float32) for part in (k, v))
    cache, done = empty(LAYERS, KV_HEADS, slots, SIZE, bits, ring=ring), 0
    for taken, size in chunks:
        part = slice(done, done + taken)
        padded = [np.full((size, *x.shape[1:]), 1e3, np.float32) for x in (q, k, v)]
        for target, source in zip(padded, (q, k, v), strict=True):
            target[:taken] = source[part]
        at = np.full(size, EMPTY, np.int32)
        at[:taken] = np.arange(done, done + taken)
        reach = at.copy()
        if block[1] <= taken:
            reach[slice(*block)] = done + block[1] - 1
        got, cache = step(
            *padded,
            cache,
            at,
            reach if block[1] else None,
            spec=spec_of(window, softcap),
            implementation=implementation,
        )
        done += taken
        seen = np.arange(done)
        want = tiny.attention(
            q[part],
            k[:done],
            v[:done],
            seen[part],
            seen,
            scale=SCALE,
            window=window,
            softcap=softcap,
            reach=reach[:taken],
        )
        # A kernel for GPUs multiplies numbers of 16 bits by what is rounded to as many.
        rounded = implementation == "pallas" and bits == 16
        np.testing.assert_allclose(got[:taken], want, atol=2e-3 if rounded else 3e-6)
        assert not np.asarray(got[taken:]).any(), "padding sees nothing"
    assert not np.asarray(cache.keys[1 - LAYER]).any(), "other layers of the stack are left alone"


@pytest.fixture(params=["reference", "blocked", "compiled", "pallas"])
def implementation(request: pytest.FixtureRequest) -> str:
    if request.param == "compiled":
        tiny.needs_kernel(compiled.KERNEL)
    return request.param


@pytest.fixture(params=["blocked", "compiled", "pallas"])
def cutting(request: pytest.FixtureRequest) -> str:
    """The implementations that cut keys and queries into blocks."""
    if request.param == "compiled":
        tiny.needs_kernel(compiled.KERNEL)
    return request.param


MIXED = [(3, 20), (1, 1), (20, 20), (1, 1), (9, 20), (8, 20), (20, 20), (1, 20), (1, 1), (7, 20)]


@pytest.mark.parametrize("bits", [32, 16])
def test_full_cache(implementation: str, bits: int) -> None:
    check(MIXED, slots=90, window=None, implementation=implementation, bits=bits)


@pytest.mark.parametrize("bits", [32, 16])
def test_ring(implementation: str, bits: int) -> None:
    check(MIXED, slots=8, window=8, ring=True, implementation=implementation, bits=bits)


def test_full_cache_under_a_window(implementation: str) -> None:
    check(MIXED, slots=90, window=8, implementation=implementation)


@pytest.mark.parametrize("window", [1, 64])
def test_rings_of_one_and_longer_than_a_chunk(implementation: str, window: int) -> None:
    check(MIXED * 2, slots=window, window=window, ring=True, implementation=implementation)


@pytest.mark.parametrize("ring", [False, True])
def test_what_the_compiled_one_leaves_to_the_blocked_one(implementation: str, ring: bool) -> None:
    slots, window = (8, 8) if ring else (90, None)
    check(MIXED, slots=slots, window=window, ring=ring, implementation=implementation, softcap=1.0)
    check(MIXED, slots=slots, window=window, ring=ring, implementation=implementation, block=(2, 7))


# What only a cut into blocks and slices can get wrong.


def test_many_blocks_of_keys(cutting: str) -> None:
    """More than a block for chunks and for single tokens, to the end of slots that blocks do not divide."""
    chunks = [(1, 1), *[(300, 300)] * 6, (1, 1), (1, 1)]
    check(chunks, slots=1850, window=None, implementation=cutting)


@pytest.mark.parametrize("window", [8, 200])
def test_chunks_of_many_slices(window: int, cutting: str) -> None:
    """A sliding layer cuts a long chunk; the window is smaller and larger than a slice."""
    chunks = [(300, 300), (100, 300), (300, 300)]
    check(chunks, slots=window, window=window, ring=True, implementation=cutting)


@pytest.mark.parametrize("window", [None, 8, 200])
def test_a_block_across_slices_and_passes(window: int | None) -> None:
    """Its first tokens see keys of slices and passes behind their own."""
    check(
        [(300, 300), (300, 300)],
        slots=window or 700,
        window=window,
        ring=window is not None,
        implementation="blocked",
        block=(120, 270),
    )


def test_one_token_over_a_long_ring(cutting: str) -> None:
    """Longer than a block, which does not divide it; not yet full, and gone round."""
    chunks = [*[(100, 100)] * 14, (1, 1), (1, 1), *[(100, 100)] * 5, (1, 1), (1, 1)]
    check(chunks, slots=1500, window=1500, ring=True, implementation=cutting)
