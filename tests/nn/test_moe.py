"""A mixture of experts equals every token going through its own experts, one by one."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from model.config import ExpertsSpec
from model.nn import moe
from model.nn.linear import Numerics
from model.nn.qarray import quantize

WIDTH, LAYERS, LAYER = 16, 2, 1
SPEC = ExpertsSpec(count=6, active=2, ffw=8)
EXACT = Numerics(integer_rows=0)


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


GATE_UP = draw(LAYERS, SPEC.count, 2 * SPEC.ffw, WIDTH)
DOWN = draw(LAYERS, SPEC.count, WIDTH, SPEC.ffw, seed=1)


@partial(jax.jit, static_argnames="spec", compiler_options=tiny.QUICK)
def mixed(x, experts, shares, gate_up, down, spec=SPEC):
    return moe.mixture(x, (experts, shares), (gate_up, down), jnp.int32(LAYER), spec, "silu", EXACT)


def one_by_one(x: np.ndarray, experts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    out = np.zeros(x.shape)
    for token, (chosen, parts) in enumerate(zip(experts, shares, strict=True)):
        for expert, part in zip(chosen, parts, strict=True):
            gate, up = np.split(GATE_UP[LAYER, expert].astype(float) @ x[token], 2)
            out[token] += part * (DOWN[LAYER, expert].astype(float) @ (gate / (1 + np.exp(-gate)) * up))
    return out


def routed(tokens: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    experts = np.stack([rng.permutation(SPEC.count)[: SPEC.active] for _ in range(tokens)])
    return experts.astype(np.int32), draw(tokens, SPEC.active, seed=seed + 7)


@pytest.mark.parametrize("tokens", [1, 2, 15, 16, 17, 100, 300])
def test_it_is_the_sum_over_each_tokens_experts(tokens: int) -> None:
    x, (experts, shares) = draw(tokens, WIDTH, seed=2), routed(tokens)
    got = mixed(x, experts, shares, GATE_UP, DOWN)
    np.testing.assert_allclose(got, one_by_one(x, experts, shares), rtol=0, atol=2e-4)


@pytest.mark.parametrize("tokens", [1, 40])
def test_all_may_choose_the_same(tokens: int) -> None:
    x = draw(tokens, WIDTH, seed=2)
    experts = np.tile(np.array([[4, 1]], np.int32), (tokens, 1))
    shares = draw(tokens, 2, seed=3)
    got = mixed(x, experts, shares, GATE_UP, DOWN)
    np.testing.assert_allclose(got, one_by_one(x, experts, shares), rtol=0, atol=2e-4)


def test_experts_may_be_quantized() -> None:
    x, (experts, shares) = draw(5, WIDTH, seed=2), routed(5)
    got = mixed(x, experts, shares, quantize(jnp.asarray(GATE_UP)), quantize(jnp.asarray(DOWN)))
    np.testing.assert_allclose(got, one_by_one(x, experts, shares), rtol=0, atol=2e-2)


@pytest.mark.parametrize(("tokens", "size"), [(1, 1), (16, 16), (1024, 64), (4096, 256), (65536, 256)])
def test_blocks_grow_with_what_falls_to_an_expert(tokens: int, size: int) -> None:
    assert moe._block(tokens, ExpertsSpec(count=128, active=8, ffw=704)) == size


def test_the_router() -> None:
    x, scale, router = draw(9, WIDTH), draw(WIDTH, seed=1), draw(SPEC.count, WIDTH, seed=2)
    of_expert = draw(SPEC.count, seed=3)
    x_, scale_, router_, of_expert_ = (jnp.asarray(part) for part in (x, scale, router, of_expert))
    experts, shares = moe.route(x_, scale_, router_, of_expert_, SPEC.active, 1e-6)
    normed = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * scale / WIDTH**0.5
    likely = np.exp(normed @ router.T)
    for token, row in enumerate(likely):
        chosen = np.argsort(-row)[: SPEC.active]
        assert experts[token].tolist() == chosen.tolist()
        want = row[chosen] / row[chosen].sum() * of_expert[chosen]
        np.testing.assert_allclose(shares[token], want, rtol=1e-4)
