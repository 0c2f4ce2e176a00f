"""One suite over every implementation of attention: all equal plain softmax in f64."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from jax import lax

from model.attention import blocked, compiled, pallas, reference
from model.attention.mask import EMPTY
from model.cache.layer import decode, encode

Attention = Callable[..., jax.Array]


@partial(jax.jit, static_argnames=("window", "softcap"), compiler_options=tiny.QUICK)
def plain(q, k, v, at, key_at, *, scale, window, softcap=None, reach=None):
    return reference.attention(q, k, v, at, key_at, scale=scale, window=window, softcap=softcap, reach=reach)


@partial(jax.jit, static_argnames=("window", "softcap", "size"), compiler_options=tiny.QUICK)
def in_blocks(q, k, v, at, key_at, *, scale, window, size, softcap=None, reach=None):
    spare = -len(key_at) % size
    k, v = (jnp.pad(part, ((0, 0), (0, spare), (0, 0)), constant_values=3.0) for part in (k, v))
    key_at = jnp.pad(key_at, (0, spare), constant_values=EMPTY)

    def read(index):
        start = index * size
        keys, values = (lax.dynamic_slice_in_dim(part, start, size, axis=1) for part in (k, v))
        return keys, values, lax.dynamic_slice_in_dim(key_at, start, size)

    blocks = (0, len(key_at) // size)
    return blocked.attention(q, read, blocks, at, scale=scale, window=window, softcap=softcap, reach=reach)


@partial(jax.jit, static_argnames=("scale", "window", "half", "softcap"), compiler_options=tiny.QUICK)
def in_c(q, k, v, at, key_at, *, scale, window, half, softcap=None, reach=None):
    """The second of two layers; the first must not be looked at."""
    keys, values = (jnp.stack([jnp.full_like(part, jnp.nan), part]) for part in (k, v))
    if half:
        keys, values = (
            lax.bitcast_convert_type(part.astype(jnp.float16), jnp.uint16) for part in (keys, values)
        )
    stored = keys, values, jnp.int32(1)
    return compiled.attention(
        q, *stored, at, key_at, scale=scale, window=window, softcap=softcap, reach=reach
    )


@partial(jax.jit, static_argnames=("scale", "window", "softcap"), compiler_options=tiny.QUICK)
def in_pallas(q, k, v, at, key_at, *, scale, window, softcap=None, reach=None):
    """Interpreted, over the second of two layers."""
    keys, values = (jnp.stack([jnp.full_like(part, jnp.nan), part]) for part in (k, v))
    stored = keys, values, jnp.int32(1)
    return pallas.attention(q, *stored, at, key_at, scale=scale, window=window, softcap=softcap, reach=reach)


IMPLEMENTATIONS: dict[str, Attention] = {
    "reference": plain,
    "blocked": partial(in_blocks, size=16),
    "compiled": partial(in_c, half=False),
    "pallas": in_pallas,
}


@pytest.fixture(params=IMPLEMENTATIONS)
def attention(request: pytest.FixtureRequest) -> Attention:
    if request.param == "compiled":
        tiny.needs_kernel(compiled.KERNEL)
    return IMPLEMENTATIONS[request.param]


def inputs(
    tokens: int, slots: int, heads: int = 4, kv_heads: int = 2, size: int = 16, seed: int = 0
) -> tuple[np.ndarray, ...]:
    """q [T, N, H], k and v [S, K, H], f32; and positions: of a chunk at the end of a full cache."""
    rng = np.random.default_rng(seed)
    q, k, v = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in ((tokens, heads, size), (slots, kv_heads, size), (slots, kv_heads, size))
    )
    return q, k, v, np.arange(slots - tokens, slots, dtype=np.int32), np.arange(slots, dtype=np.int32)


def check(
    attention: Attention,
    case: tuple[np.ndarray, ...],
    window: int | None,
    scale: float = 0.35,
    **more: Any,
) -> np.ndarray:
    q, k, v, at, key_at = case
    by_head = (jnp.asarray(part.transpose(1, 0, 2)) for part in (k, v))
    got = np.asarray(attention(q, *by_head, at, key_at, scale=scale, window=window, **more))
    assert got.dtype == np.float32
    want = tiny.attention(q, k, v, at, key_at, scale=scale, window=window, **more)
    np.testing.assert_allclose(got, want, atol=2e-6 * max(1.0, np.abs(v).max()))
    return got


@pytest.mark.parametrize(
    ("heads", "kv_heads", "size"), [(4, 1, 16), (4, 4, 16), (6, 2, 32)], ids=["MQA", "MHA", "GQA"]
)
def test_heads(attention: Attention, heads: int, kv_heads: int, size: int) -> None:
    check(attention, inputs(13, 37, heads, kv_heads, size), None)


@pytest.mark.parametrize("window", [None, 1, 8, 1000])
def test_windows(attention: Attention, window: int | None) -> None:
    check(attention, inputs(13, 37), window)


@pytest.mark.parametrize(("tokens", "slots"), [(1, 1), (1, 37), (37, 37)])
def test_lengths(attention: Attention, tokens: int, slots: int) -> None:
    check(attention, inputs(tokens, slots), None)
    check(attention, inputs(tokens, slots), 8)


def test_a_window_of_one_gives_the_value_itself(attention: Attention) -> None:
    q, k, v, at, key_at = inputs(13, 37)
    got = check(attention, (q, k, v, at, key_at), 1)
    np.testing.assert_allclose(got, np.repeat(v[at], 2, axis=1), rtol=1e-6)


@pytest.mark.parametrize("window", [None, 8])
@pytest.mark.parametrize("tokens", [5, 13])
def test_soft_caps(attention: Attention, window: int | None, tokens: int) -> None:
    case = inputs(tokens, 37)
    capped = check(attention, case, window, scale=2.0, softcap=1.5)
    assert np.abs(capped - check(attention, case, window, scale=2.0)).max() > 0.1


@pytest.mark.parametrize("window", [None, 4, 8])
def test_blocks_of_tokens_that_see_one_another(attention: Attention, window: int | None) -> None:
    case = inputs(13, 37)
    at = case[3]
    reach = at.copy()
    reach[2:9], reach[10:12] = at[8], at[11]
    seen = check(attention, case, window, reach=reach)
    causal = check(attention, case, window)
    differs = np.abs(seen - causal).max(axis=(1, 2)) > 1e-3
    assert differs.tolist() == [2 <= i < 8 or i == 10 for i in range(13)]


@pytest.mark.parametrize("window", [None, 8])
def test_the_order_of_slots_does_not_matter(attention: Attention, window: int | None) -> None:
    q, k, v, at, key_at = inputs(13, 37)
    order = np.random.default_rng(1).permutation(37)
    shuffled = check(attention, (q, k[order], v[order], at, key_at[order]), window)
    np.testing.assert_allclose(shuffled, check(attention, (q, k, v, at, key_at), window), atol=1e-6)


@pytest.mark.parametrize("window", [None, 8])
def test_padding_and_empty_slots(attention: Attention, window: int | None) -> None:
    q, k, v, at, key_at = inputs(13, 37)
    at[10:] = EMPTY
    key_at[::3] = EMPTY
    want = check(attention, (q, k, v, at, key_at), window)
    assert not want[10:].any()
    k[::3], v[::3], q[10:] = 1e4, -1e4, 1e4  # whatever lies there
    by_head = (jnp.asarray(part.transpose(1, 0, 2)) for part in (k, v))
    got = attention(q, *by_head, at, key_at, scale=0.35, window=window)
    np.testing.assert_allclose(got, want, atol=2e-6)


def test_nothing_to_see_gives_zeros(attention: Attention) -> None:
    q, k, v, at, key_at = inputs(13, 37)
    for nothing in (np.full_like(key_at, EMPTY), key_at + 1000):
        assert not check(attention, (q, k, v, at, nothing), None).any()
    assert not check(attention, (q, k, v, at + 1000, key_at), 8).any()


def test_huge_scores_stay_finite(attention: Attention) -> None:
    q, k, v, at, key_at = inputs(13, 37)
    got = check(attention, (q * 1e4, k * 1e4, v, at, key_at), None)
    assert np.isfinite(got).all()


def test_scores_far_below_zero_count_still(attention: Attention) -> None:
    q, k, v, at, key_at = inputs(13, 37)
    k[..., :] = 0
    q[..., 0], k[..., 0] = 1e4, -1e4
    got = check(attention, (q, k, v, at, key_at), None)
    assert np.abs(got).max() > 0.01


def test_positions_at_a_million(attention: Attention) -> None:
    q, k, v, at, key_at = inputs(13, 37)
    first = (1 << 20) - 37
    check(attention, (q, k, v, at + first, key_at + first), 8)


@pytest.mark.parametrize("tokens", [1, 5, 9, 150])
@pytest.mark.parametrize("window", [None, 300])
def test_f16_is_read_where_it_lies(tokens: int, window: int | None) -> None:
    """Pieces and blocks of keys, rows that do not fill register tiles, and the bits of f16."""
    tiny.needs_kernel(compiled.KERNEL)
    q, k, v, at, key_at = inputs(tokens, 1100, heads=14, kv_heads=2, size=64)
    k, v = (part.astype(np.float16).astype(np.float32) for part in (k, v))
    check(partial(in_c, half=True), (q, k, v, at, key_at), window)


def test_one_query_is_computed_alike_alone_and_among_others() -> None:
    tiny.needs_kernel(compiled.KERNEL)
    q, k, v, at, key_at = inputs(8, 1100, heads=14, kv_heads=2, size=64)
    run = partial(in_c, k=k.transpose(1, 0, 2), v=v.transpose(1, 0, 2), scale=0.35, window=None, half=True)
    together = np.asarray(run(q, at=at, key_at=key_at))
    for i in range(8):
        alone = run(q[i : i + 1], at=at[i : i + 1], key_at=key_at)
        np.testing.assert_array_equal(np.asarray(alone)[0], together[i])


def test_what_is_no_number_stays_none() -> None:
    tiny.needs_kernel(compiled.KERNEL)
    for tokens in (2, 20):
        q, k, v, at, key_at = inputs(tokens, 37)
        q[-1, 0, 0] = np.nan
        by_head = (jnp.asarray(part.transpose(1, 0, 2)) for part in (k, v))
        got = np.asarray(in_c(q, *by_head, at, key_at, scale=0.35, window=None, half=False))
        assert np.isnan(got[-1, 0]).all()
        assert np.isfinite(got[:-1]).all()


@pytest.mark.parametrize("tokens", [1, 5, 9, 150])
@pytest.mark.parametrize("size", [48, 64])
def test_int8_is_read_where_it_lies(tokens: int, size: int) -> None:
    """What the kernel computes of stored rows is what the definition computes of them decoded."""
    tiny.needs_kernel(compiled.KERNEL)
    q, k, v, at, key_at = inputs(tokens, 700, heads=6, kv_heads=2, size=size)
    k[..., 3] *= 100  # a channel that stands out
    stored = [encode(jnp.asarray(part.transpose(1, 0, 2)), jnp.dtype("int8"))[None] for part in (k, v)]
    k, v = (np.asarray(decode(part[0])).transpose(1, 0, 2) for part in stored)
    got = compiled.attention(q, *stored, jnp.int32(0), at, key_at, scale=0.02, window=300)
    want = tiny.attention(q, k, v, at, key_at, scale=0.02, window=300)
    np.testing.assert_allclose(got, want, atol=2e-5)


@pytest.mark.parametrize("tokens", [5, 40])
@pytest.mark.parametrize("name", ["blocked", "compiled", "pallas"])
def test_parts_merge_by_their_log_sum_exp(name: str, tokens: int) -> None:
    """Keys before and from a position on, attended to apart, are together what all of them are."""
    q, k, v, at, key_at = inputs(tokens, 90)
    by_head = [jnp.asarray(part.transpose(1, 0, 2)) for part in (k, v)]
    middle = np.full(tokens, 30, np.int32)

    def attend(**seen: Any) -> tuple[jax.Array, jax.Array]:
        if name != "blocked":
            stored = [part[None] for part in by_head]
            called = {"compiled": compiled, "pallas": pallas}[name].attend
            return called(q, *stored, jnp.int32(0), at, key_at, scale=0.35, window=None, **seen)
        return blocked.attend(q, lambda _: (*by_head, key_at), (0, 1), at, scale=0.35, window=None, **seen)

    if name == "compiled":
        tiny.needs_kernel(compiled.KERNEL)
    at, key_at = jnp.asarray(at), jnp.asarray(key_at)
    parts = [attend(reach=jnp.asarray(middle - 1)), attend(since=jnp.asarray(middle))]
    total = jnp.logaddexp(parts[0][1], parts[1][1])
    merged = sum(mixed * jnp.exp(own - total)[..., None] for mixed, own in parts)
    want = tiny.attention(q, k, v, np.asarray(at), np.asarray(key_at), scale=0.35, window=None)
    np.testing.assert_allclose(merged, want, atol=3e-6)
    scores = np.einsum("tnh,snh->tns", q.astype(np.float64), np.repeat(k, 2, axis=1)) * 0.35
    seen = np.asarray(key_at)[None, None] <= np.asarray(at)[:, None, None]
    exact = np.log(np.where(seen, np.exp(scores), 0).sum(-1))
    np.testing.assert_allclose(total, exact, atol=1e-5)
    nothing = attend(since=jnp.asarray(at + 1))
    assert not np.asarray(nothing[0]).any()
    assert np.isneginf(np.asarray(nothing[1])).all()
