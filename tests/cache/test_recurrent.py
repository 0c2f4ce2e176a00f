"""The constant state: what is written is read, lengths are counted, and going back is by snapshot only."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.attention.mask import EMPTY
from model.cache.recurrent import RecurrentCache, RollbackError, empty

LAYERS, WIDTH, TAPS = 3, 5, 4


def filled(length: int, seed: int = 0) -> RecurrentCache:
    """A cache of `length` tokens, other numbers in every layer."""
    rng, cache = np.random.default_rng(seed), empty(LAYERS, WIDTH, TAPS)
    for layer in range(LAYERS):
        lru, conv = (rng.standard_normal(shape).astype(np.float32) for shape in (WIDTH, (TAPS - 1, WIDTH)))
        cache = cache.write(jnp.int32(layer), jnp.asarray(lru), jnp.asarray(conv))
    return cache.claim(jnp.arange(length, dtype=jnp.int32)) if length else cache


def test_an_empty_one_is_zeros() -> None:
    cache = empty(LAYERS, WIDTH, TAPS)
    assert cache.lru.shape == (LAYERS, WIDTH)
    assert cache.conv.shape == (LAYERS, TAPS - 1, WIDTH)
    assert all(not np.asarray(leaf).any() for leaf in jax.tree.leaves(cache))


def test_a_layer_is_written_and_read_and_its_neighbours_stay() -> None:
    before = filled(4)
    lru, conv = jnp.full(WIDTH, 7.0), jnp.full((TAPS - 1, WIDTH), 8.0)
    after = jax.jit(RecurrentCache.write)(before, jnp.int32(1), lru, conv)
    for index in range(LAYERS):
        got = after.layer(jnp.int32(index))
        want = (lru, conv) if index == 1 else before.layer(jnp.int32(index))
        for mine, other in zip(got, want, strict=True):
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize(("first", "taken", "size"), [(0, 1, 1), (3, 1, 1), (0, 5, 8), (5, 8, 8)])
def test_it_counts_tokens_but_no_padding(first: int, taken: int, size: int) -> None:
    at = np.full(size, EMPTY, np.int32)
    at[:taken] = np.arange(first, first + taken)
    assert int(jax.jit(RecurrentCache.claim)(filled(first), at).length) == first + taken


def test_padding_alone_counts_nothing() -> None:
    assert int(filled(6).claim(jnp.full(4, EMPTY)).length) == 6


def test_it_returns_to_a_snapshot_exactly() -> None:
    kept = (early := filled(4)).snapshot()
    back = filled(9, seed=1).trim(4, kept)
    for mine, other in zip(jax.tree.leaves(back), jax.tree.leaves(early), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_snapshot_outlives_its_cache_and_serves_more_than_once() -> None:
    give = partial(jax.jit, donate_argnums=0)(lambda cache: cache.claim(jnp.arange(9)))
    cache = filled(4)
    want = [np.array(leaf) for leaf in jax.tree.leaves(cache)]
    kept = cache.snapshot()
    give(cache)
    for _ in range(2):
        back = filled(9, seed=1).trim(4, kept)
        for mine, other in zip(jax.tree.leaves(back), want, strict=True):
            np.testing.assert_array_equal(mine, other)
        give(back)


@pytest.mark.parametrize("length", [9, 20])
def test_trimming_beyond_the_end_changes_nothing(length: int) -> None:
    cache = filled(9)
    assert cache.trim(length) is cache


def test_everything_can_be_forgotten() -> None:
    assert all(not np.asarray(leaf).any() for leaf in jax.tree.leaves(filled(9).trim(0)))


@pytest.mark.parametrize(("kept", "says"), [(None, "none was given"), (4, "the one given is of 4")])
def test_it_goes_back_to_nothing_else(kept: int | None, says: str) -> None:
    snapshot = None if kept is None else filled(kept)
    with pytest.raises(RollbackError, match=says):
        filled(9).trim(5, snapshot)
