"""Losses are those of the scores, computed without holding them."""

from __future__ import annotations

import jax
import numpy as np
import pytest
import tiny

from model.decoder.decoder import Decoder
from model.engine.engine import Engine
from model.engine.likelihood import losses
from model.errors import ContextOverflowError
from model.nn.linear import Numerics


@pytest.fixture(scope="module")
def gemma() -> Engine:
    config = tiny.gemma2(2)
    decoder = Decoder(config, Numerics(integer_rows=0))
    return Engine(decoder, tiny.random_params(config), window=2048, cache_bits=32)


@pytest.mark.parametrize("count", [2, 33, 200])
def test_they_are_the_negative_logarithm_of_what_the_scores_say(gemma: Engine, count: int) -> None:
    ids = tiny.random_ids(count, seed=count)
    logits = gemma.score(ids)[:-1].astype(np.float64)
    likely = logits - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))
    likely -= logits.max(1, keepdims=True)
    want = -likely[np.arange(count - 1), ids[1:]]
    seen: list[tuple[int, int]] = []
    found = losses(gemma, ids, lambda *at: seen.append(at))
    assert found.shape == (count - 1,)
    np.testing.assert_allclose(found, want, atol=2e-4)
    assert count < 4 or found.std() > 0.1
    assert seen[-1] == (count - 1, count - 1)


def test_no_array_of_all_logits_is_made(gemma: Engine) -> None:
    """The largest array in the program is smaller than a chunk's logits."""
    from model.engine import likelihood

    config = gemma.decoder.config
    chunk = np.zeros(1024, np.int32)
    program = jax.make_jaxpr(likelihood._losses, static_argnums=0)(
        gemma.decoder, gemma.params, gemma.ropes, gemma.new_state(1024), chunk, np.int32(1024), chunk
    )
    shapes = {
        tuple(variable.aval.shape)
        for eqn in every(program.jaxpr)
        for variable in eqn.outvars
        if config.vocab in getattr(variable.aval, "shape", ())
    }
    rows = {int(np.prod(shape)) // config.vocab for shape in shapes}
    assert rows, "logits are made"
    assert max(rows) < 1024


def every(jaxpr):
    for eqn in jaxpr.eqns:
        yield eqn
        for value in eqn.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    yield from every(inner)


def test_a_text_beyond_the_window(gemma: Engine) -> None:
    """The last token is predicted and not read, so one more than the window may be asked for."""
    assert len(losses(gemma, tiny.random_ids(gemma.window + 1))) == gemma.window
    with pytest.raises(ContextOverflowError):
        losses(gemma, tiny.random_ids(gemma.window + 2))
