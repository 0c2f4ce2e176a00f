"""The kernel for GPUs, interpreted: any mask, window and grouping, the forms of a cache, and what it reads.

That it can be translated for a GPU is tested too, which needs none; what a GPU makes of it is tried where one
is (`model.attention.choice`).
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from model.attention import pallas
from model.attention.api import read, remember
from model.attention.mask import EMPTY
from model.cache.layer import decode, empty, encode
from model.config import AttentionSpec, RopeSpec

DTYPES = {"f32": jnp.float32, "f16": jnp.uint16, "int8": jnp.int8}


@partial(jax.jit, static_argnames=("window", "softcap", "in_place"), compiler_options=tiny.QUICK)
def attend(q, keys, values, at, key_at, reach, *, window, softcap, in_place=False):
    return pallas.attention(
        q,
        keys,
        values,
        jnp.int32(0),
        at,
        key_at,
        scale=0.3,
        window=window,
        softcap=softcap,
        reach=reach,
        in_place=in_place,
    )


def stored(rng: np.random.Generator, kv_heads: int, slots: int, size: int, form: str) -> list[jax.Array]:
    parts = rng.standard_normal((2, kv_heads, slots, size)).astype(np.float32)
    return [encode(jnp.asarray(part), jnp.dtype(DTYPES[form]))[None] for part in parts]


def tolerance(form: str, tokens: int) -> float:
    """Few queries lose nothing that counts to products of 16 bits."""
    return 3e-6 if form == "f32" else 3e-5 if tokens <= 8 else 1e-2


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_mask_over_any_form(data: st.DataObject) -> None:
    """Slots in any order, some of them empty, queries anywhere, some of them padding."""
    # Few shapes, that are compiled once each; everything else is drawn freely.
    tokens, heads, kv_heads, size, slots, form = data.draw(
        st.sampled_from(
            [
                (1, 4, 2, 32, 300, "int8"),
                (3, 6, 2, 48, 40, "f16"),
                (40, 4, 4, 32, 130, "int8"),
                (70, 5, 1, 16, 64, "f32"),
            ]
        )
    )
    window = data.draw(st.sampled_from([None, 7]))
    softcap = data.draw(st.sampled_from([None, 1.5]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    q = rng.standard_normal((tokens, heads, size)).astype(np.float32)
    keys, values = stored(rng, kv_heads, slots, size, form)
    first = data.draw(st.sampled_from([0, 1000, (1 << 20) - 1]))
    key_at = first + rng.permutation(slots).astype(np.int32)
    key_at[rng.random(slots) < data.draw(st.floats(0, 1))] = EMPTY
    at = first + np.sort(rng.integers(0, slots + 20, tokens)).astype(np.int32)
    at[tokens - data.draw(st.integers(0, tokens)) :] = EMPTY
    reach = np.where(at == EMPTY, EMPTY, at + rng.integers(0, 9, tokens)).astype(np.int32)
    got = attend(q, keys, values, at, key_at, reach, window=window, softcap=softcap)
    k, v = (np.asarray(decode(part[0])).transpose(1, 0, 2) for part in (keys, values))
    want = tiny.attention(q, k, v, at, key_at, scale=0.3, window=window, softcap=softcap, reach=reach)
    np.testing.assert_allclose(got, want, atol=tolerance(form, tokens))


@pytest.mark.parametrize("form", ["f16", "int8"])
@pytest.mark.parametrize("size", [96, 256, 512])
@pytest.mark.parametrize("tokens", [1, 20])
def test_the_heads_that_models_have(size: int, form: str, tokens: int) -> None:
    rng = np.random.default_rng(size)
    q = rng.standard_normal((tokens, 4, size)).astype(np.float32) * 8 * size**-0.5
    keys, values = stored(rng, 2, 150, size, form)
    at, key_at = np.arange(140 - tokens, 140, dtype=np.int32), np.arange(150, dtype=np.int32)
    got = attend(q, keys, values, at, key_at, None, window=None, softcap=None, in_place=True)
    k, v = (np.asarray(decode(part[0])).transpose(1, 0, 2) for part in (keys, values))
    want = tiny.attention(q, k, v, at, key_at, scale=0.3, window=None)
    np.testing.assert_allclose(got, want, atol=tolerance(form, tokens))


def test_what_no_tile_takes_is_known() -> None:
    takes = [size for size in (8, 40, 64, 80, 96, 512, 576) if pallas.can_attend(size, jnp.dtype("uint16"))]
    assert takes == [64, 80, 96, 512]
    assert not pallas.can_attend(80, jnp.dtype("int8")), "half a row is no multiple of 16"


@pytest.mark.parametrize(("window", "in_place"), [(None, True), (20, True), (20, False), (None, False)])
@pytest.mark.parametrize("tokens", [1, 90])
def test_blocks_that_nobody_sees_are_not_read(window: int | None, in_place: bool, tokens: int) -> None:
    """A block that was read would spoil everything: no number times nothing is no number."""
    rng = np.random.default_rng(0)
    q = rng.standard_normal((tokens, 4, 16)).astype(np.float32)
    keys, values = (np.array(part) for part in stored(rng, 2, 1024, 16, "f32"))
    last = 700
    at = np.arange(last - tokens, last, dtype=np.int32)
    key_at = np.where(np.arange(1024) < last, np.arange(1024), EMPTY).astype(np.int32)
    seen = slice(0 if window is None else at[0] - window + 1, last)
    k, v = (part[0, :, :last].transpose(1, 0, 2) for part in (keys, values))
    want = tiny.attention(q, k, v, at, key_at[:last], scale=0.3, window=window)
    blocks = slice(seen.start // 64 * 64, -(-seen.stop // 64) * 64)
    for part in (keys, values):
        kept = part[:, :, blocks].copy()
        part[:] = np.nan
        part[:, :, blocks] = kept
    assert np.isnan(keys).any()
    got = attend(q, keys, values, at, key_at, None, window=window, softcap=None, in_place=in_place)
    np.testing.assert_allclose(got, want, atol=3e-6)


@pytest.mark.parametrize("bits", [16, 8])
@pytest.mark.parametrize(("size", "window"), [(128, 512), (256, None), (512, None)])
@pytest.mark.parametrize("tokens", [1, 4, 300])
def test_it_is_translated_for_a_gpu(
    bits: int, size: int, window: int | None, tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that a program of a layer holds has a translation, at the sizes of real models."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    spec = AttentionSpec(8, 2, size, RopeSpec(1e4), query_scale=1.0, window=window, softcap=30.0)

    def layer(q: Any, k: Any, v: Any, cache: Any, at: Any) -> jax.Array:
        late = cache.ring and tokens > 1
        memory = remember(k, v, cache if late else cache.claim(at), jnp.int32(0), at)
        return read(q, memory, spec, at, at, "pallas")

    floats = partial(jax.ShapeDtypeStruct, dtype=jnp.float32)
    cache = jax.eval_shape(partial(empty, 2, 2, window or 8192, size, bits, ring=window is not None))
    kv = floats((tokens, 2, size))
    traced = jax.jit(layer).trace(
        floats((tokens, 8, size)), kv, kv, cache, jax.ShapeDtypeStruct((tokens,), jnp.int32)
    )
    lowered = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert lowered.count("xla.gpu.triton") == 1
    assert not re.search(r"tensor<[0-9x]*8192x[0-9x]*f32>", lowered), "the cache is widened"
