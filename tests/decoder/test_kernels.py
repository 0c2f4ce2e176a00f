"""Whole models through the kernels for GPUs, interpreted: the logits that the array library alone gives."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from model.attention.kinds import Choice, kinds
from model.cache.state import init_state
from model.config import ModelConfig
from model.decoder.decoder import Decoder, Media
from model.nn.grouped import GroupedArray
from model.nn.linear import Numerics
from model.weights.params import Params

LENGTH = 40  # five windows
GEMMA = replace(tiny.gemma(), layers=tiny.gemma().layers[4:6])  # a sliding one and a global one
CUT = [(25, 30), (1, 1), (1, 1), (5, 8), (8, 30)]  # tokens of a chunk, and those that its program is for


def logits(
    config: ModelConfig, params: Params, decoder: Decoder, bits: int, *, media: bool = False
) -> np.ndarray:
    """After every token of a text, whose tokens 3 … 19 are a picture's where there is one."""

    @partial(jax.jit, compiler_options=tiny.QUICK)
    def step(state, tokens, count, media):
        hidden, state = decoder.hidden(params, decoder.rope_tables(2 * LENGTH), state, tokens, count, media)
        return decoder.logits(params, hidden), state

    state, ids, done, parts = init_state(config, 2 * LENGTH, bits), tiny.random_ids(LENGTH), 0, []
    for taken, size in CUT:
        tokens = np.zeros(size, np.int32)
        tokens[:taken] = ids[done : done + taken]
        seen = None
        if media and not done:
            block = np.where((np.arange(size) >= 3) & (np.arange(size) < 20), 0, -1).astype(np.int32)
            seen = Media(jnp.full((size, config.width), 0.3), jnp.asarray(block == 0), jnp.asarray(block))
        found, state = step(state, tokens, np.int32(taken), seen)
        parts.append(np.asarray(found[:taken]))
        done += taken
    assert done == LENGTH
    return np.concatenate(parts)


@pytest.mark.parametrize(("bits", "media"), [(32, True), (8, False)])
def test_rings_and_full_caches(bits: int, media: bool) -> None:
    """Sliding layers' chunks, single tokens and guesses; a picture whose tokens see one another."""
    # Of 8 bits a row has halves of 16 at least.
    config = replace(GEMMA, layers=tuple(tiny.with_attention(spec, head_dim=32) for spec in GEMMA.layers))
    params = tiny.random_params(config)
    blocked = Decoder(config, Numerics(integer_rows=0))
    want = logits(config, params, blocked, bits, media=media)
    got = logits(config, params, replace(blocked, implementation="pallas"), bits, media=media)
    # Chunks are rounded to 16 bits where the cache is.
    np.testing.assert_allclose(got, want, atol=1e-4 if bits == 32 else 0.05 * np.abs(want).max())
    assert np.abs(got - want).max() > 0, "the kernel was not used"


def test_caps_and_a_choice_by_kind_of_layer() -> None:
    config = tiny.gemma2(2)
    params = tiny.random_params(config)
    decoder = Decoder(config, Numerics(integer_rows=0))
    blocked = logits(config, params, decoder, 32)
    names = {None: "pallas", tiny.WINDOW: "blocked"}
    chosen = Choice(tuple((kind, names[kind.window]) for kind in kinds(config.layers)))
    mixed = logits(config, params, replace(decoder, implementation=chosen), 32)
    whole = logits(config, params, replace(decoder, implementation="pallas"), 32)
    for got in (mixed, whole):
        np.testing.assert_allclose(got, blocked, atol=1e-4)
    assert np.abs(mixed - whole).max() > 0, "sliding layers had the kernel all the same"


def test_grouped_weights_are_multiplied_where_they_lie() -> None:
    """In the layers' stacks, for few tokens; the definition widens them."""
    config, draw = GEMMA, np.random.default_rng(0)

    def grouped(weight: jax.Array) -> GroupedArray | jax.Array:
        if weight.ndim < 2 or weight.shape[-1] % 32 or weight.shape[-2] % 8:
            return weight
        peak = jnp.abs(weight).reshape(*weight.shape[:-1], -1, 16).max(-1)
        scales = (peak / 7).astype(jnp.float16)
        wide = jnp.repeat(scales.astype(jnp.float32), 16, axis=-1)
        return GroupedArray(
            jnp.round(weight / wide).clip(-8, 7).astype(jnp.int4),
            scales,
            None,
            jnp.asarray(2.0 ** draw.integers(0, 1, weight.shape[:-1]), jnp.float32),
        )

    params = jax.tree.map(grouped, tiny.random_params(config))
    assert any(isinstance(each, GroupedArray) for each in jax.tree.leaves(params, is_leaf=_is_grouped))
    want = logits(config, params, Decoder(config, Numerics(integer_rows=0)), 32)
    got = logits(config, params, Decoder(config, Numerics(integer_rows=0, grouped_rows=8)), 32)
    np.testing.assert_allclose(got, want, atol=1e-4)
    assert np.abs(got - want).max() > 0, "the kernel was not used"


def _is_grouped(part: object) -> bool:
    return isinstance(part, GroupedArray)
