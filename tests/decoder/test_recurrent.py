"""A decoder of recurrent and sliding layers is its definition, however the text is cut or rolled back.

The definition is written from the paper, in f64 and one token at a time.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from model.cache.recurrent import RecurrentCache, RollbackError
from model.cache.state import State, init_state
from model.config import AttentionSpec, LayerSpec, ModelConfig, RecurrentSpec, RopeSpec
from model.decoder.decoder import Decoder
from model.nn.linear import Numerics
from model.weights.params import LayerParams, Params

LENGTH = 45  # more than five windows, and no multiple of anything
SIZES = (1, 5, LENGTH)  # compiled: one token, less than the window, everything
WIDTH = 32
_REC = LayerSpec(RecurrentSpec(width=24, heads=4), ffw=40, activation="gelu_tanh", mlp_bias=True)
_ATTN = replace(
    _REC,
    mixer=AttentionSpec(
        heads=4,
        kv_heads=1,
        head_dim=8,
        rope=RopeSpec(10_000.0, rotated=0.5),
        query_scale=8**-0.5,
        window=tiny.WINDOW,
        out_bias=True,
    ),
)

Cut = list[tuple[int, int]]  # (tokens taken, size compiled for)


def griffin(count: int) -> ModelConfig:
    """Two recurrent layers to one of attention, as RecurrentGemma has them."""
    return ModelConfig(
        "griffin",
        width=WIDTH,
        vocab=tiny.VOCAB,
        context=256,
        layers=tuple(_ATTN if i % 3 == 2 else _REC for i in range(count)),
        norm_eps=1e-6,
        embed_scale=5.0,
        final_softcap=30.0,
    )


def random_params(config: ModelConfig) -> Params:
    """Random weights; memories of ten to a thousand tokens."""
    rng = np.random.default_rng(7)

    def layer(params: LayerParams) -> LayerParams:
        def new(name: str, make: Any) -> dict[str, Any]:
            old = getattr(params, name)
            return {} if old is None else {name: jnp.asarray(make(old.shape), jnp.float32)}

        def normal(scale: float) -> Any:
            return lambda shape: rng.standard_normal(shape) * scale

        changes = new("rec_gates", normal(6**-0.5)) | new("rec_gates_bias", normal(1.0))
        changes |= new("rec_conv", normal(0.5)) | new("rec_conv_bias", normal(0.3))
        changes |= new("rec_decay", lambda shape: _lambda(rng.uniform(0.9, 0.999, shape)))
        for name in ("rec_in_bias", "rec_out_bias", "attn_out_bias", "gate_up_bias", "down_bias"):
            changes |= new(name, normal(0.3))
        return replace(params, **changes)

    params = tiny.random_params(config)
    return replace(params, stacks=tuple(tuple(layer(each) for each in stack) for stack in params.stacks))


def _lambda(leak: np.ndarray) -> np.ndarray:
    """Λ whose leak is this much where the gate is open."""
    return np.log(np.expm1(-np.log(leak) / 8))


# --- the definition -----------------------------------------------------------------------------------------


def definition(config: ModelConfig, params: Params, ids: list[int]) -> np.ndarray:
    """Logits f64 [T, V] after every token."""
    x = tiny.f64(params.embed)[ids] * config.embed_scale
    for index, spec in enumerate(config.layers):
        weights: Any = tiny.layer_params(config, params, index)
        normed = _norm(x, weights["attn_norm"])
        recurrent = isinstance(spec.mixer, RecurrentSpec)
        x = x + (_recurrent if recurrent else _attention)(normed, weights, spec.mixer)
        both = _norm(x, weights["ffn_norm"]) @ weights["gate_up"].T + weights["gate_up_bias"]
        gate, up = np.split(both, 2, -1)
        x = x + (_gelu(gate) * up) @ weights["down"].T + weights["down_bias"]
    logits = _norm(x, tiny.f64(params.final_norm)) @ tiny.f64(params.embed).T
    return 30 * np.tanh(logits / 30)


def _norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * weight


def _gelu(x: np.ndarray) -> np.ndarray:
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _recurrent(x: np.ndarray, weights: Any, spec: RecurrentSpec) -> np.ndarray:
    gate, entering = np.split(x @ weights["rec_in"].T + weights["rec_in_bias"], 2, -1)
    side, memory, out = spec.width // spec.heads, np.zeros(spec.width), []
    for token in range(len(x)):
        u = weights["rec_conv_bias"].copy()
        for back in range(min(spec.conv, token + 1)):
            u += weights["rec_conv"][:, spec.conv - 1 - back] * entering[token - back]
        scores = np.concatenate(
            [
                u[block % spec.heads * side :][:side] @ weights["rec_gates"][block]
                + weights["rec_gates_bias"][block]
                for block in range(2 * spec.heads)
            ]
        )
        input_gate, recurrence_gate = np.split(_sigmoid(scores), 2)
        leak = np.exp(-8 * recurrence_gate * np.log1p(np.exp(weights["rec_decay"])))
        size = np.sqrt(1 - leak**2) if token else 1.0
        memory = (leak * memory if token else 0) + size * input_gate * u
        out.append(memory * _gelu(gate[token]))
    return np.array(out) @ weights["rec_out"].T + weights["rec_out_bias"]


def _attention(x: np.ndarray, weights: Any, spec: AttentionSpec) -> np.ndarray:
    tokens, size = len(x), spec.head_dim
    heads = (x @ weights["qkv"].T).reshape(tokens, -1, size)
    turned = tiny.rope(heads[..., : size // 2], np.arange(tokens), RopeSpec(spec.rope.theta))
    qk = np.concatenate([turned, heads[..., size // 2 :]], -1)
    at = np.arange(tokens)
    q, k, v = qk[:, : spec.heads], qk[:, spec.heads : -1], heads[:, -1:]
    mixed = tiny.attention(q, k, v, at, at, scale=spec.query_scale, window=spec.window)
    return mixed.reshape(tokens, -1) @ weights["attn_out"].T + weights["attn_out_bias"]


# --- the decoder --------------------------------------------------------------------------------------------


@partial(jax.jit, static_argnums=(0, 6), compiler_options=tiny.QUICK)
def step(
    decoder: Decoder, params: Params, ropes: Any, state: State, tokens: Any, count: Any, last: bool
) -> tuple[jax.Array, State]:
    run = decoder.last if last else decoder.hidden
    hidden, state = run(params, ropes, state, tokens, count)
    return decoder.logits(params, hidden), state


class Case:
    """A tiny model and a text."""

    def __init__(self, count: int) -> None:
        self.config = griffin(count)
        self.params = random_params(self.config)
        self.decoder = Decoder(self.config, Numerics(integer_rows=0))
        self.ropes = self.decoder.rope_tables(2 * LENGTH)
        self.ids = tiny.random_ids(LENGTH)

    def start(self) -> State:
        return init_state(self.config, 2 * LENGTH, 32)

    def run(
        self, state: State, done: int, taken: int, size: int, last: bool = False, padding: int = 1
    ) -> tuple[np.ndarray, State]:
        tokens = np.full(size, padding, np.int32)
        tokens[:taken] = self.ids[done : done + taken]
        count = np.int32(taken)
        logits, state = step(self.decoder, self.params, self.ropes, state, tokens, count, last)
        return np.asarray(logits if last else logits[:taken]), state

    def logits(self, cut: Cut, state: State | None = None, done: int = 0) -> np.ndarray:
        state, parts = state or self.start(), []
        for taken, size in cut:
            part, state = self.run(state, done, taken, size)
            parts.append(part)
            done += taken
        return np.concatenate(parts)


@pytest.fixture(scope="module")
def case() -> Case:
    return Case(8)


@pytest.fixture(scope="module")
def whole(case: Case) -> np.ndarray:
    return case.logits([(LENGTH, LENGTH)])


def test_one_shot_is_the_definition(case: Case, whole: np.ndarray) -> None:
    np.testing.assert_allclose(whole, definition(case.config, case.params, case.ids), atol=5e-5)


def test_token_by_token_is_one_shot(case: Case, whole: np.ndarray) -> None:
    np.testing.assert_allclose(case.logits([(1, 1)] * LENGTH), whole, atol=2e-5)


@st.composite
def cuts(draw: st.DrawFn) -> Cut:
    cut, left = [], LENGTH
    while left:
        size = draw(st.sampled_from(SIZES))
        taken = draw(st.integers(1, min(size, left)))
        cut.append((taken, size))
        left -= taken
    return cut


@settings(max_examples=15, deadline=None)
@given(cut=cuts())
def test_any_cut_is_one_shot(case: Case, whole: np.ndarray, cut: Cut) -> None:
    np.testing.assert_allclose(case.logits(cut), whole, atol=2e-5)


def test_padding_leaves_all_memory_alone_to_the_bit(case: Case) -> None:
    one, other = (case.run(case.start(), 0, 20, LENGTH, padding=padding)[1] for padding in (1, 50))
    for mine, theirs in zip(_recurrent_leaves(one), _recurrent_leaves(other), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_every_token_moves_the_memory(case: Case) -> None:
    one, other = (case.run(case.start(), 0, taken, LENGTH)[1] for taken in (20, 21))
    assert all((a != b).any() for a, b in zip(_recurrent_leaves(one), _recurrent_leaves(other), strict=True))


@pytest.mark.parametrize("count", [2, 6])
def test_the_last_row_alone_is_the_last_row(count: int) -> None:
    """Models that end in a recurrent layer and in one of attention."""
    case = Case(count)
    full = alone = case.start()
    done = 0
    for taken, size in [(5, 5), (31, LENGTH), (1, 1)]:
        want, full = case.run(full, done, taken, size)
        got, alone = case.run(alone, done, taken, size, last=True)
        done += taken
        np.testing.assert_allclose(got, want[-1:], atol=2e-5)
    for mine, other in zip(jax.tree.leaves(alone), jax.tree.leaves(full), strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-5)


def test_its_bytes_are_those_of_the_configuration_at_any_length(case: Case) -> None:
    for tokens in (0, 30):
        state = case.run(case.start(), 0, tokens, LENGTH)[1] if tokens else case.start()
        recurrent = sum(leaf.nbytes for leaf in _recurrent_leaves(state))
        layers = [spec for spec in case.config.layers if isinstance(spec.mixer, RecurrentSpec)]
        assert recurrent == replace(case.config, layers=tuple(layers)).kv_bytes(tokens)


def test_it_goes_back_to_a_snapshot_and_on_from_there(case: Case, whole: np.ndarray) -> None:
    _, state = case.run(case.start(), 0, 17, LENGTH)
    kept = state.snapshot()
    _, state = case.run(state, 17, 20, LENGTH)
    back = state.trim(17, kept)
    assert int(back.length) == 17
    np.testing.assert_allclose(case.logits([(LENGTH - 17, LENGTH)], back, 17), whole[17:], atol=2e-5)


def test_without_a_snapshot_it_does_not_pretend_to_go_back(case: Case) -> None:
    _, state = case.run(case.start(), 0, 17, LENGTH)
    with pytest.raises(RollbackError, match="17 tokens can go back to 9"):
        state.trim(9)


def test_it_can_begin_again(case: Case, whole: np.ndarray) -> None:
    _, state = case.run(case.start(), 0, 17, LENGTH)
    np.testing.assert_allclose(case.logits([(LENGTH, LENGTH)], state.trim(0)), whole, atol=2e-5)


def _recurrent_leaves(state: State) -> list[np.ndarray]:
    caches = jax.tree.leaves(state.caches, is_leaf=lambda leaf: isinstance(leaf, RecurrentCache))
    return [
        np.asarray(part)
        for cache in caches
        if isinstance(cache, RecurrentCache)
        for part in (cache.lru, cache.conv)
    ]
