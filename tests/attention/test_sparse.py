"""Attention to a part of the past equals its definition: pages are chosen and moved up, then softmax."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from model.attention import compiled, sparse
from model.attention.api import Memory, read, remember
from model.attention.mask import EMPTY
from model.cache.layer import LayerCache, empty
from model.config import AttentionSpec, RopeSpec, SparseSpec
from model.nn.rope import RopeTable, rope_table

HEADS, KV_HEADS, SIZE, SCALE = 4, 2, 16, 0.4
LAYERS, LAYER = 2, 1
SMALL = SparseSpec(page=4, group=2, pages=5, first=1, near=12, queries=8, voices=4)
SLOTS = 256


@partial(jax.jit, static_argnames=("spec", "implementation"), compiler_options=tiny.QUICK)
def step(q, k, v, cache: LayerCache, at, reach, table: RopeTable, *, spec, implementation):
    memory = remember(k, v, cache.claim(at), jnp.int32(LAYER), at)
    return sparse.read(q, memory, spec, at, reach, table, implementation), memory.cache


@partial(jax.jit, static_argnames=("spec", "implementation"), compiler_options=tiny.QUICK)
def dense(q, cache: LayerCache, at, reach, *, spec, implementation):
    return read(q, Memory(cache, jnp.int32(LAYER)), spec, at, reach, implementation)


def spec_of(choice: SparseSpec, rope: RopeSpec | None = None) -> AttentionSpec:
    return AttentionSpec(HEADS, KV_HEADS, SIZE, rope or RopeSpec(1e4), query_scale=SCALE, sparse=choice)


def turned(x: np.ndarray, by: np.ndarray, rope: RopeSpec) -> np.ndarray:
    """Rows [M, …, H] turned by positions [M], in f64."""
    turning = rope.turning(SIZE)
    half, apart = turning // 2, SIZE // 2 if rope.proportional else turning // 2
    size = SIZE if rope.proportional else turning
    angles = by[:, None] * rope.theta ** (-np.arange(0, turning, 2) / size)
    pairs = (x[..., :half] + 1j * x[..., apart : apart + half]) * np.exp(
        1j * angles.reshape(len(by), *(1,) * (x.ndim - 2), half)
    )
    out = x.copy()
    out[..., :half], out[..., apart : apart + half] = pairs.real, pairs.imag
    return out


def definition(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    at: np.ndarray,
    spec: AttentionSpec,
    reach: np.ndarray,
    size: int,
) -> np.ndarray:
    """One block of queries [T, N, H] over the keys [S, K, H] of positions 0…S-1, none of them rotated.

    `size` is what the block would have without its end.
    """
    choice, out = spec.sparse, np.zeros(q.shape)
    assert choice is not None
    page, groups = choice.page, HEADS // KV_HEADS
    begin = max(at[0] - choice.near, 0) // page
    where = np.arange(len(k))
    for head in range(KV_HEADS):
        keys, mine = k[:, head], q[:, head * groups : (head + 1) * groups]
        worth = np.zeros(begin)
        if begin:
            means = keys[: begin * page].reshape(-1, choice.group, SIZE).mean(1)
            stride = size // min(choice.voices, size)
            heard = mine[::-1][::stride][: choice.voices]
            scores = heard @ means.T * SCALE
            shares = np.exp(scores - scores.max(-1, keepdims=True))
            shares /= shares.sum(-1, keepdims=True)
            worth = shares.max((0, 1)).reshape(begin, -1).max(1)
            worth[: choice.first] = np.inf
        chosen = np.sort(np.argsort(-worth, kind="stable")[: choice.pages])
        to = where.copy()  # where each key comes to stand; those that are not read nowhere
        to[: begin * page] = EMPTY
        for rank, index in enumerate(chosen):
            here = slice(index * page, (index + 1) * page)
            to[here] = (begin - len(chosen) + rank) * page + np.arange(page)
        seen = (to >= 0) & ((where < begin * page) | (where <= reach[:, None]))
        placed = turned(keys, np.maximum(to, 0), spec.rope)
        asked = turned(mine, at, spec.rope)
        scores = np.where(seen[:, None], asked @ placed.T * SCALE, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        out[:, head * groups : (head + 1) * groups] = weights / weights.sum(-1, keepdims=True) @ v[:, head]
    return out


def check(
    chunks: list[tuple[int, int]],
    spec: AttentionSpec,
    *,
    implementation: str = "reference",
    bits: int = 32,
    block: tuple[int, int] = (0, 0),
    like_dense: bool = False,
) -> None:
    total = sum(taken for taken, _ in chunks)
    rng = np.random.default_rng(total)
    q = rng.standard_normal((total, HEADS, SIZE))
    k, v = rng.standard_normal((2, total, KV_HEADS, SIZE))
    where = np.arange(total)
    table = rope_table(spec.rope, SIZE, SLOTS)
    sent = turned(q, where, spec.rope), turned(k, where, spec.rope), v
    cache, done = empty(LAYERS, KV_HEADS, SLOTS, SIZE, bits, ring=False), 0
    choice = spec.sparse
    assert choice is not None
    tolerance = 3e-6 if bits == 32 else 5e-3
    for taken, size in chunks:
        padded = [np.full((size, *x.shape[1:]), 9.0, np.float32) for x in sent]
        for target, source in zip(padded, sent, strict=True):
            target[:taken] = source[done : done + taken]
        at = np.full(size, EMPTY, np.int32)
        at[:taken] = where[done : done + taken]
        reach = at.copy()
        if block[1] <= taken:
            reach[slice(*block)] = done + block[1] - 1
        asked = reach if block[1] else None
        got, cache = step(*padded, cache, at, asked, table, spec=spec, implementation=implementation)
        done += taken
        for first in range(0, taken, choice.queries):
            part = slice(first, min(first + choice.queries, taken))
            here = at[part]
            want = definition(q[here], k[:done], v[:done], here, spec, reach[part], min(size, choice.queries))
            np.testing.assert_allclose(got[part], want, atol=tolerance)
        assert not np.asarray(got[taken:]).any(), "padding sees nothing"
        if like_dense:
            whole = dense(
                padded[0], cache, at, asked, spec=replace(spec, sparse=None), implementation=implementation
            )
            np.testing.assert_allclose(got, whole, atol=tolerance)


@pytest.fixture(params=["reference", "compiled", "pallas"])
def implementation(request: pytest.FixtureRequest) -> str:
    if request.param == "compiled":
        tiny.needs_kernel(compiled.KERNEL)
    return request.param


LONG = [(40, 40), (33, 40), (1, 1), (1, 1), (40, 40), (20, 40), (1, 1), (1, 1), (1, 1)]


def test_pages_of_a_long_text(implementation: str) -> None:
    check(LONG, spec_of(SMALL), implementation=implementation)


def test_rounded_keys(implementation: str) -> None:
    """Scores of rounded keys may choose otherwise, so all is chosen."""
    check(LONG, spec_of(replace(SMALL, pages=64)), implementation=implementation, bits=16)


def test_what_fits_is_dense_attention(implementation: str) -> None:
    check(LONG, spec_of(replace(SMALL, pages=64)), implementation=implementation, like_dense=True)


@pytest.mark.parametrize("rope", [RopeSpec(1e4, rotated=0.5), RopeSpec(1e4, rotated=0.5, proportional=True)])
def test_heads_that_turn_in_part(rope: RopeSpec) -> None:
    check(LONG, spec_of(SMALL, rope))


def test_a_block_of_media_sees_itself(implementation: str) -> None:
    check([(40, 40), (40, 40), (40, 40)], spec_of(SMALL), implementation=implementation, block=(5, 30))
