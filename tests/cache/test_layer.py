"""Caches against the simplest of all: a dictionary from slot to token."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.attention.mask import EMPTY
from model.cache.layer import LayerCache, decode, empty, encode
from model.cache.spreading import spread

LAYERS, KV_HEADS, SIZE = 2, 2, 4
WINDOW, ROOM = 8, 48
CHUNKS = (1, 5, 16)  # one token; less than the ring; twice the ring

appended = jax.jit(lambda cache, keys, values, at: _append(cache, keys, values, at))
trimmed = jax.jit(LayerCache.trim)


def _append(cache: LayerCache, keys: jax.Array, values: jax.Array, at: jax.Array) -> LayerCache:
    cache = cache.claim(at)
    for layer in range(LAYERS):
        cache = cache.write(jnp.int32(layer), keys[layer], values[layer], at)
    return cache


class Simple:
    """What a cache must hold: slot → (position, number), the numbers telling every write from every other."""

    def __init__(self, slots: int, ring: bool, bits: int = 32) -> None:
        self.slots, self.ring, self.length, self.written = slots, ring, 0, 0
        self.cache = empty(LAYERS, KV_HEADS, slots, SIZE, bits, ring=ring)
        self.held: dict[int, tuple[int, int]] = {}

    def append(self, taken: int, size: int) -> None:
        at = np.full(size, EMPTY, np.int32)
        at[:taken] = np.arange(self.length, self.length + taken)
        numbers = np.arange(self.written, self.written + size) % 200 + 1
        keys, values = (self.content(numbers, which) for which in (0, 1))
        self.cache = appended(self.cache, keys, values, at)
        for index in range(taken):
            slot = at[index] % self.slots if self.ring else at[index]
            self.held[int(slot)] = (int(at[index]), int(numbers[index]))
        self.length += taken
        self.written += size

    def trim(self, length: int) -> None:
        self.cache = trimmed(self.cache, jnp.int32(length))
        self.held = {slot: token for slot, token in self.held.items() if token[0] < length}
        self.length = min(self.length, length)

    @staticmethod
    def content(numbers: np.ndarray, which: int) -> np.ndarray:
        """f32 [L, T, K, H] of numbers that are exact in f16, other for every layer, head and place."""
        place = np.arange(LAYERS * KV_HEADS * SIZE).reshape(LAYERS, 1, KV_HEADS, SIZE) + 16 * which
        sign = np.where(place % 2, -1, 1)
        return (numbers[None, :, None, None] * sign * 2.0 ** (place // 2 - 12)).astype(np.float32)

    def check(self) -> None:
        positions = np.full(self.slots, EMPTY)
        for slot, (position, _) in self.held.items():
            positions[slot] = position
        np.testing.assert_array_equal(self.cache.positions, positions)
        slots = sorted(self.held)
        numbers = np.array([self.held[slot][1] for slot in slots], int)
        for layer in range(LAYERS):
            for which, stored in enumerate(self.cache.layer(jnp.int32(layer))):
                want = self.content(numbers, which)[layer].transpose(1, 0, 2)
                np.testing.assert_array_equal(np.asarray(stored)[:, slots], want)


APPENDS = st.sampled_from(CHUNKS).flatmap(lambda size: st.tuples(st.integers(1, size), st.just(size)))
TRIMS = st.integers(0, ROOM)
ACTIONS = st.lists(APPENDS | TRIMS, max_size=8)


@pytest.mark.parametrize("bits", [32, 16])
@pytest.mark.parametrize("ring", [False, True])
@given(actions=ACTIONS)
@settings(max_examples=60, deadline=None)
def test_a_cache_is_its_history(ring: bool, bits: int, actions: list[Any]) -> None:
    simple = Simple(WINDOW if ring else ROOM, ring, bits)
    for action in actions:
        if isinstance(action, int):
            simple.trim(action)
        elif ring or simple.length + action[1] <= ROOM:
            simple.append(*action)
        simple.check()


@given(st.lists(APPENDS, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_ring_holds_the_last_window_in_order(appends: list[tuple[int, int]]) -> None:
    ring = Simple(WINDOW, ring=True)
    for taken, size in appends:
        ring.append(taken, size)
    keys, values, positions = in_order(ring.cache, jnp.int32(1), jnp.int32(ring.length))
    last = [max(at, EMPTY) for at in range(ring.length - WINDOW, ring.length)]
    assert [at if at >= 0 else EMPTY for at in positions.tolist()] == last
    numbers = np.array([ring.held[at % WINDOW][1] if at >= 0 else 0 for at in last])
    seen = np.array(last) >= 0
    for which, got in enumerate((keys, values)):
        want = Simple.content(numbers, which)[1].transpose(1, 0, 2)
        np.testing.assert_array_equal(np.asarray(got)[:, seen], want[:, seen])


in_order = jax.jit(LayerCache.in_order)


@pytest.mark.parametrize("ring", [False, True])
@pytest.mark.parametrize("size", [1, 7, 16, 48])
def test_blocks_are_a_partition(ring: bool, size: int) -> None:
    """Every token is in exactly one block, also where the block size does not divide the slots."""
    slots = WINDOW + 3 if ring else ROOM
    if size > slots:
        size = slots
    simple = Simple(slots, ring)
    for _ in range(3):
        simple.append(16, 16)
    seen: list[int] = []
    for index in range(-(-slots // size)):
        keys, values, positions = simple.cache.block(jnp.int32(1), jnp.int32(index), size)
        assert keys.shape == values.shape == (KV_HEADS, size, SIZE)
        for place, at in enumerate(positions.tolist()):
            if at != EMPTY:
                seen.append(at)
                number = np.array([simple.held[at % slots][1]])
                np.testing.assert_array_equal(keys[:, place], Simple.content(number, 0)[1, 0])
                np.testing.assert_array_equal(values[:, place], Simple.content(number, 1)[1, 0])
    assert sorted(seen) == sorted(position for position, _ in simple.held.values())


def test_a_full_cache_is_padded_behind_its_last_token_only() -> None:
    simple = Simple(ROOM, ring=False)
    simple.append(5, 5)
    simple.append(2, 16)
    simple.check()
    assert simple.cache.positions.tolist() == [*range(7), *[EMPTY] * (ROOM - 7)]


@pytest.mark.parametrize("ring", [False, True])
def test_an_empty_cache_holds_nothing(ring: bool) -> None:
    cache = empty(1, 1, 8, 4, 16, ring=ring)
    assert cache.positions.tolist() == [EMPTY] * 8
    assert cache.slots == 8
    assert cache.keys.shape == (1, 1, 8, 4)


def test_sixteen_bits_are_float16() -> None:
    rng = np.random.default_rng(0)
    x = jnp.asarray(
        np.concatenate([rng.standard_normal(1000) * 10.0 ** rng.integers(-8, 4, 1000), [0.0, -0.0, 1e-40]]),
        jnp.float32,
    )
    stored = encode(x, jnp.dtype("uint16"))
    assert stored.dtype == jnp.uint16
    back = decode(stored)
    np.testing.assert_array_equal(back, np.asarray(x).astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(decode(encode(back, jnp.dtype("uint16"))), back)
    assert encode(x, jnp.dtype("float32")) is x


def test_sixteen_bits_saturate() -> None:
    x = jnp.asarray([1e5, -1e30, jnp.inf, -jnp.inf, 65504.0])
    assert decode(encode(x, jnp.dtype("uint16"))).tolist() == [65504.0, -65504.0, 65504.0, -65504.0, 65504.0]


@pytest.mark.parametrize("size", [16, 48, 64, 256])
def test_eight_bits_are_parts_of_the_largest(size: int) -> None:
    """An error is at most about half a step of either half of a row, also where a channel stands out."""
    x = np.random.default_rng(0).standard_normal((50, 3, size)).astype(np.float32)
    x[..., size // 2 + 1] *= 100
    x[0] = 0
    stored = encode(jnp.asarray(x), jnp.dtype("int8"))
    assert (stored.dtype, stored.shape) == (jnp.int8, (50, 3, size + 4))
    back = np.asarray(decode(stored))
    assert not back[0].any()
    error = np.linalg.norm(back - x, axis=-1)
    flat = np.abs(np.asarray(spread(jnp.asarray(x)))).max(-1)
    assert (error <= 0.55 * flat / 127 * size**0.5).all()
    assert np.median(error[1:]) > 0.1 * np.median(flat[1:]) / 127 * size**0.5, "it is rounded"


def test_eight_bits_saturate_and_keep_what_is_no_number() -> None:
    x = jnp.full((2, 16), 1.0).at[0, 0].set(jnp.inf).at[1, 0].set(jnp.nan)
    back = np.asarray(decode(encode(x, jnp.dtype("int8"))))
    assert np.isfinite(back[0]).all()
    assert back[0, 0] == pytest.approx(65504, rel=0.02)
    assert np.isnan(back[1]).all()


@pytest.mark.parametrize("size", [4, 16, 48, 80, 256])
def test_spreading_twice_is_nothing_and_keeps_products(size: int) -> None:
    a, b = jnp.asarray(np.random.default_rng(0).standard_normal((2, 5, size)), jnp.float32)
    np.testing.assert_allclose(spread(spread(a)), a, atol=1e-5)
    np.testing.assert_allclose((spread(a) * spread(b)).sum(-1), (a * b).sum(-1), atol=1e-4)
    one = spread(jnp.eye(size)[0])
    assert np.abs(one).max() == pytest.approx((size & -size) ** -0.5)
