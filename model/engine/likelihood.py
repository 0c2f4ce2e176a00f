"""How likely a text is to a model, token by token: the negative logarithm of what it gave to what came.

Nothing of size [T, V] is ever held: of a chunk's logits a few rows at a time are computed and reduced to one
number each where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from model.cache.state import State
from model.decoder.decoder import Decoder
from model.engine import plan
from model.engine.engine import Engine
from model.errors import ContextOverflowError
from model.nn.rope import RopeTable
from model.weights.params import Params

_ROWS = 128  # of logits at a time: with a vocabulary of 262,144 they take 134 MB


def losses(
    engine: Engine, ids: Sequence[int], progress: Callable[[int, int], None] | None = None
) -> NDArray[np.float32]:
    """Negative log-likelihood f32 [T - 1], in nats, of each token but the first, given those before it.

    Args:
        engine: the model.
        ids: T tokens, at least two.
        progress: called with tokens done and tokens in all.

    Raises:
        ContextOverflowError: what is read of the text, all but its last token, is longer than the window.
    """
    assert len(ids) > 1, "the first token is given"
    known, following = ids[:-1], ids[1:]
    if len(known) > engine.window:
        raise ContextOverflowError(len(known), engine.window)
    state, found, done = engine.new_state(len(known)), [], 0
    for taken, size in plan.chunks(len(known)):
        chunk, target = np.zeros((2, size), np.int32)
        chunk[:taken] = known[done : done + taken]
        target[:taken] = following[done : done + taken]
        part, state = _losses(
            engine.decoder, engine.params, engine.ropes, state, chunk, np.int32(taken), target
        )
        found.append(np.asarray(part)[:taken])
        done += taken
        if progress:
            progress(done, len(known))
    return np.concatenate(found)


@partial(jax.jit, static_argnums=0, donate_argnums=3)
def _losses(
    decoder: Decoder,
    params: Params,
    ropes: tuple[RopeTable, ...],
    state: State,
    tokens: Array,
    count: Array,
    targets: Array,
) -> tuple[Array, State]:
    """Losses f32 [T] of the tokens int32 [T] that follow a chunk's, and the state with the chunk."""
    hidden, state = decoder.hidden(params, ropes, state, tokens, count)

    def of_rows(rows: tuple[Array, Array]) -> Array:
        x, wanted = rows
        logits = decoder.logits(params, x).astype(jnp.float32)
        given = jnp.take_along_axis(logits, wanted[:, None], axis=1)[:, 0]
        return jax.nn.logsumexp(logits, axis=1) - given

    size = min(_ROWS, hidden.shape[0])
    blocks = (hidden.reshape(-1, size, hidden.shape[1]), targets.reshape(-1, size))
    return lax.map(of_rows, blocks).reshape(-1), state
