"""The state of a sequence: which cache every layer gets, growing and rolling back."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from model.attention.mask import EMPTY
from model.cache.layer import LayerCache
from model.cache.state import State, init_state
from model.config import ModelConfig
from model.weights.params import stacks


def test_sliding_layers_get_rings_and_global_ones_full_caches() -> None:
    config = tiny.gemma(8)
    state = init_state(config, 64)
    assert int(state.length) == 0
    for stack, caches in zip(stacks(config), state.caches, strict=True):
        for spec, cache in zip(stack.specs, caches, strict=True):
            mixer = spec.attention
            assert mixer is not None
            assert isinstance(cache, LayerCache)
            assert cache.ring == (mixer.window is not None)
            assert cache.slots == (mixer.window or 64)
            assert cache.keys.shape == (stack.repeats, mixer.kv_heads, cache.slots, mixer.head_dim)
            assert (np.asarray(cache.positions) == EMPTY).all()


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize(
    "config",
    [tiny.gemma(8), tiny.gemma4(6, 6, inputs=8), tiny.gemma4(tied_values=True)],
    ids=["3", "E", "31"],
)
def test_its_bytes_are_those_of_the_configuration(config: ModelConfig, bits: int) -> None:
    caches = [
        cache
        for stack in init_state(config, 64, bits).caches
        for cache in stack
        if isinstance(cache, LayerCache)
    ]
    held = sum(cache.keys.nbytes + cache.values.nbytes for cache in caches)
    assert held == config.kv_bytes(64, bytes_per_value=bits // 8)


def filled(config, slots: int, tokens: int) -> State:
    at = jnp.arange(tokens, dtype=jnp.int32)
    numbers = jax.random.normal(jax.random.key(0), (tokens, 2, 16))
    state = init_state(config, slots, 32)

    def fill(cache):
        cache = cache.claim(at)
        for layer in range(cache.keys.shape[0]):
            cache = cache.write(jnp.int32(layer), numbers + layer, -numbers, at)
        return cache

    caches = tuple(tuple(fill(cache) for cache in stack) for stack in state.caches)
    return replace(state, caches=caches, length=jnp.int32(tokens))


def test_growing_keeps_everything_and_adds_empty_room() -> None:
    state = filled(tiny.gemma(7), 32, 20)
    grown = state.grow(80)
    assert int(grown.length) == 20
    for before, after in zip(jax.tree.leaves(state.caches, is_leaf=_is_cache),
                             jax.tree.leaves(grown.caches, is_leaf=_is_cache), strict=True):  # fmt: skip
        assert after.ring == before.ring
        assert after.slots == (before.slots if before.ring else 80)
        for name in ("keys", "values"):
            old, new = np.asarray(getattr(before, name)), np.asarray(getattr(after, name))
            assert old.dtype == new.dtype
            np.testing.assert_array_equal(new[:, :, : before.slots], old)
        np.testing.assert_array_equal(after.positions[: before.slots], before.positions)
        assert (np.asarray(after.positions[before.slots :]) == EMPTY).all()


def test_it_never_shrinks() -> None:
    state = filled(tiny.gemma(7), 32, 20)
    assert jax.tree.leaves(state.grow(8))[0] is jax.tree.leaves(state)[0]


def test_the_room_is_that_of_the_full_caches() -> None:
    assert init_state(tiny.gemma(8), 64).room == 64
    assert init_state(tiny.gemma(5), 64).room is None


def test_layers_that_read_others_have_no_cache() -> None:
    own, shared = init_state(tiny.gemma4(6, 6, inputs=8), 64).caches
    assert all(isinstance(cache, LayerCache) and cache.keys.shape[0] == 2 for cache in own)
    assert shared == (None, None, None)


def test_trimming_forgets_the_end() -> None:
    state = filled(tiny.gemma(7), 32, 20).trim(15)
    assert int(state.length) == 15
    for cache in jax.tree.leaves(state.caches, is_leaf=_is_cache):
        held = sorted(at for at in cache.positions.tolist() if at != EMPTY)
        assert held == (list(range(12, 15)) if cache.ring else list(range(15)))


def test_a_snapshot_brings_back_what_rings_forgot() -> None:
    config = tiny.gemma(7)
    kept = filled(config, 32, 15).snapshot()
    assert [cache is None for stack in kept.caches for cache in stack] == [
        spec.mixer.window is None for stack in stacks(config) for spec in stack.specs
    ]
    back = filled(config, 32, 20).trim(15, kept)
    assert int(back.length) == 15
    for cache in jax.tree.leaves(back.caches, is_leaf=_is_cache):
        held = sorted(at for at in cache.positions.tolist() if at != EMPTY)
        assert held == list(range(15 - tiny.WINDOW if cache.ring else 0, 15))


def test_a_snapshot_of_another_length_is_no_help() -> None:
    config = tiny.gemma(7)
    state = filled(config, 32, 20)
    for mine, other in zip(
        jax.tree.leaves(state.trim(15, filled(config, 32, 14).snapshot())),
        jax.tree.leaves(state.trim(15)),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, other)


def test_trimming_beyond_the_end_changes_nothing() -> None:
    state = filled(tiny.gemma(7), 32, 20)
    for before, after in zip(jax.tree.leaves(state), jax.tree.leaves(state.trim(99)), strict=True):
        np.testing.assert_array_equal(before, after)


def _is_cache(leaf: object) -> bool:
    return hasattr(leaf, "ring")
