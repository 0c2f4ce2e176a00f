"""Tokens verified together are tokens taken one by one, and the last ones can be undone.

On models of real shapes that holds to the bit (test_ahead_real.py); of layers that are not
repeated the array library makes other machine code for one token than for several.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from model.attention import compiled
from model.attention.ahead import MOST
from model.attention.kinds import Implementation
from model.cache.state import State
from model.decoder import ahead, rowwise
from model.decoder.decoder import Decoder
from model.engine.engine import Engine
from model.nn.linear import Numerics

PROMPT = 13  # tokens: the rings have come round already
BEHIND = tiny.random_ids(MOST, seed=1)
NEAR = 1e-4
OTHER = tiny.random_ids(MOST + 2, seed=2)


@partial(jax.jit, static_argnums=0)
def one(decoder: Decoder, params, ropes, state: State, token: jax.Array) -> tuple[jax.Array, State]:
    hidden, state = decoder.hidden(params, ropes, state, token[None], jnp.int32(1))
    return decoder.logits(params, hidden)[0], state


@partial(jax.jit, static_argnums=0)
def several(decoder: Decoder, params, ropes, state: State, tokens: jax.Array, count: jax.Array):
    hidden, after = ahead.hidden(decoder, params, ropes, state, tokens)
    return rowwise.logits(decoder, params, hidden), after.state(count)


@pytest.fixture(scope="module", params=[*tiny.KINDS, "gemma 2", "compiled"])
def engine(request: pytest.FixtureRequest) -> Engine:
    kind: str = request.param
    config = (tiny.KINDS | {"gemma 2": tiny.gemma2(), "compiled": tiny.gemma(7)})[kind]
    implementation: Implementation = "compiled" if kind == "compiled" else "blocked"
    if implementation == "compiled":
        tiny.needs_kernel(compiled.KERNEL)
    params = tiny.random_params(config)
    return Engine(
        Decoder(config, Numerics(integer_rows=0), implementation), params, window=256, cache_bits=32
    )


def stepped(engine: Engine, state: State, tokens: list[int]) -> list[tuple[np.ndarray, State]]:
    """Logits and state after each token."""
    found = []
    for token in tokens:
        logits, state = one(engine.decoder, engine.params, engine.ropes, state, np.int32(token))
        found.append((np.asarray(logits), state))
    return found


@pytest.fixture(scope="module")
def begun(engine: Engine) -> State:
    return engine.prefill(tiny.random_ids(PROMPT), engine.new_state(64))[1]


@pytest.mark.parametrize("count", [1, 6, MOST])
def test_together_as_one_by_one(engine: Engine, begun: State, count: int) -> None:
    alone = stepped(engine, begun, BEHIND)
    logits, state = several(
        engine.decoder, engine.params, engine.ropes, begun, np.asarray(BEHIND, np.int32), np.int32(count)
    )
    for row, (want, _) in zip(np.asarray(logits), alone, strict=True):
        np.testing.assert_allclose(row, want, atol=NEAR)
    assert int(state.length) == PROMPT + count
    after = [alone[count - 1][1], state]
    # Other tokens than those that were taken back: nothing of them may be left anywhere.
    want, got = (stepped(engine, each, OTHER) for each in after)
    for (ours, _), (theirs, _) in zip(got, want, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=NEAR)


def test_again_and_again(engine: Engine, begun: State) -> None:
    """A text in pieces of which each time some are wrong."""
    text, state, at = [*BEHIND, *OTHER, *BEHIND], begun, 0
    alone = stepped(engine, begun, text)
    for right in (2, 1, 4, 3, 8, 1, 5):
        tokens = [*text[at : at + right], *([3] * MOST)][:MOST]
        logits, state = several(
            engine.decoder, engine.params, engine.ropes, state, np.asarray(tokens, np.int32), np.int32(right)
        )
        for row in range(right):
            np.testing.assert_allclose(np.asarray(logits)[row], alone[at + row][0], atol=NEAR)
        at += right
    assert at == 24
