"""How much memory models take, against the published table and the sizes of real files."""

from __future__ import annotations

import jax
import pytest

from model import footprint
from model.arch.released import names, released
from model.cache.layer import LayerCache
from model.cache.state import init_state
from model.engine.plan import slots

GB = {"gemma-4-e2b": 4.63, "gemma-4-e4b": 7.46, "gemma-4-31b": 30.7, "gemma-3-27b": 27.0}


@pytest.mark.parametrize("name", GB)
def test_bytes_of_weights(name: str) -> None:
    config, size = released(name).config, GB[name] * 1e9
    assert footprint.weights_bytes(config, "bf16") == pytest.approx(2 * size, rel=0.01)
    assert footprint.weights_bytes(config, "int8") == pytest.approx(size * 34 / 32, rel=0.01)
    small = footprint.weights_bytes(config, "int4")
    assert size * 20 / 32 < small < footprint.weights_bytes(config, "int8")


def test_tables_keep_eight_bits() -> None:
    config = released("gemma-4-e4b").config
    assert footprint.tables(config) == 262_144 * (2560 + 42 * 256)
    others = config.parameters - footprint.tables(config)
    assert footprint.weights_bytes(config, "int4") == round(
        footprint.tables(config) * 34 / 32 + others * 20 / 32
    )


@pytest.mark.parametrize("name", names())
def test_a_cache_is_what_grows_and_what_does_not(name: str) -> None:
    config = released(name).config
    tokens = 1 << 20
    parts = footprint.fixed_bytes(config) + tokens * footprint.kv_bytes_per_token(config)
    assert parts == config.kv_bytes(tokens)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("bits", [16, 8])
def test_a_cache_is_what_is_allocated(name: str, bits: int) -> None:
    config = released(name).config
    state = jax.eval_shape(lambda: init_state(config, slots(20_000), bits))
    held = sum(
        part.size * part.dtype.itemsize
        for stack in state.caches
        for cache in stack
        for part in ((cache.keys, cache.values) if isinstance(cache, LayerCache) else jax.tree.leaves(cache))
        if part.ndim
    )
    assert footprint.cache_bytes(config, 20_000, bits) == held
    assert footprint.answering_bytes(config, 18_000, 10_000, bits) == footprint.cache_bytes(
        config, 19_024, bits
    )


@pytest.mark.parametrize("name", ["gemma-4-e4b", "qwen2.5-1.5b", "gemma-3-270m"])
def test_the_longest_fits_and_the_next_does_not(name: str) -> None:
    config = released(name).config
    room = footprint.cache_bytes(config, 10_000)
    tokens = footprint.longest(config, room)
    assert tokens == 16_384, "what 10,000 tokens get is enough for so many"
    assert footprint.cache_bytes(config, tokens) <= room < footprint.cache_bytes(config, tokens + 1)
    room = footprint.cache_bytes(config, 25_000)
    assert footprint.longest(config, room) == 28 * 1024, "long ones come in finer steps"
    assert footprint.longest(config, footprint.cache_bytes(config, config.context)) == config.context
    assert footprint.longest(config, footprint.cache_bytes(config, 1) - 1) == 0
    assert footprint.cache_bytes(config, 1) == footprint.fixed_bytes(config) + slots(
        1
    ) * footprint.kv_bytes_per_token(config)


def test_constant_memory_reaches_the_window() -> None:
    config = released("recurrentgemma-2b").config
    fixed = footprint.fixed_bytes(config)
    assert footprint.kv_bytes_per_token(config) == 0
    assert (footprint.longest(config, fixed), footprint.longest(config, fixed - 1)) == (config.context, 0)
