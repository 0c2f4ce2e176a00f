"""Sequences that begin alike, each continued greedily: what they share is read once.

A measurement asks many questions of nearly the same text.  The sequences are visited as a tree is, branch by
branch: at every place where a later one leaves, the memory of constant size (rings, recurrences) is copied,
and full caches, which keep everything, only forget what is behind that place.  So one memory is enough, and
the result is that of reading every sequence from its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from model.cache.state import State
from model.decoder.decoder import Decoder
from model.engine.engine import Engine
from model.errors import ContextOverflowError, FormatError
from model.nn.rope import RopeTable
from model.prompt import Soft
from model.weights.params import Params

Progress = Callable[[int, int], None]

LONGEST = 64
"""Tokens of a continuation at most."""


class Branches:
    """The memory of a walk through such sequences.

    Args:
        engine: what reads them.
        tokens: of the longest of them, with its continuation.

    Raises:
        ContextOverflowError: they are longer than the engine's window.
    """

    def __init__(self, engine: Engine, tokens: int) -> None:
        if tokens > engine.window:
            raise ContextOverflowError(tokens, engine.window)
        self._engine = engine
        self._tokens = tokens
        self._state: State | None = None
        self._marks: list[tuple[int, State]] = []

    def follow(
        self,
        ids: NDArray[np.int32],
        *,
        shared: int,
        marks: Sequence[int],
        limit: int,
        stop: Collection[int] = (),
        suppress: Collection[int] = (),
        soft: Sequence[Soft] = (),
        progress: Progress | None = None,
    ) -> list[int]:
        """Read a sequence and continue it with the likeliest tokens.

        Args:
            ids: int32 [T], the sequence.
            shared: how much of its beginning is that of the one before: 0, or a mark of it or of an earlier
                one that it did not fall behind.
            marks: places behind `shared`, rising, where later sequences leave this one.
            limit: most tokens to write, `LONGEST` at most.
            stop: ids that end the text; they are not part of the result.
            suppress: ids that are never written.
            soft: what stands in the place of some of the ids, in order.
            progress: called with tokens read and to be read, without those that are shared.

        Raises:
            FormatError: the model computes no numbers.
        """
        assert limit <= LONGEST, "a continuation is a few words"
        state, at = self._back(shared), shared
        logits = None
        for end in (*marks, len(ids)):
            here = [replace(each, first=each.first - at) for each in soft if at <= each.first < end]
            logits, state = self._engine.prefill(
                ids[at:end].tolist(), state, _from(progress, at, ids, shared), here
            )
            at = end
            if end < len(ids):
                self._marks.append((end, state.snapshot()))
        assert logits is not None, "every sequence has an end of its own"
        if not np.isfinite(np.asarray(logits)).all():
            raise FormatError("the model computes numbers that are not finite: its weights are damaged")
        banned = np.zeros(logits.shape, bool)
        banned[list(suppress)] = True
        stops = jax.device_put(np.array(sorted(stop) or [-1], np.int32))
        out, count, self._state = _greedy(
            self._engine.decoder,
            self._engine.params,
            self._engine.ropes,
            state,
            logits,
            jax.device_put(banned),
            stops,
            np.int32(limit),
        )
        return np.asarray(out)[: int(count)].tolist()

    def _back(self, length: int) -> State:
        """The state that holds so many tokens."""
        while self._marks and self._marks[-1][0] > length:
            self._marks.pop()
        state, self._state = self._state, None
        if not length or state is None:
            assert not length, "nothing is shared with no sequence"
            self._marks.clear()
            del state
            return self._engine.new_state(self._tokens)
        place, snapshot = self._marks[-1]
        assert place == length, "a sequence leaves at a mark"
        return state.trim(length, snapshot)


def _from(progress: Progress | None, at: int, ids: NDArray[np.int32], shared: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, _: progress(at - shared + done, len(ids) - shared)


@partial(jax.jit, static_argnums=0, donate_argnums=3)
def _greedy(
    decoder: Decoder,
    params: Params,
    ropes: tuple[RopeTable, ...],
    state: State,
    logits: Array,
    banned: Array,
    stops: Array,
    limit: Array,
) -> tuple[Array, Array, State]:
    """Tokens int32 [LONGEST] that follow logits f32 [V], how many before a stop, and the state."""

    def likeliest(logits: Array) -> Array:
        return jnp.argmax(jnp.where(banned, -jnp.inf, logits)).astype(jnp.int32)

    def unfinished(carry: tuple[Array, Array, Array, State]) -> Array:
        done, token, _, _ = carry
        return (done < limit) & ~jnp.any(token == stops)

    def one(carry: tuple[Array, Array, Array, State]) -> tuple[Array, Array, Array, State]:
        done, token, out, state = carry
        hidden, state = decoder.hidden(params, ropes, state, token[None], jnp.int32(1))
        following = likeliest(decoder.logits(params, hidden)[0])
        return done + 1, following, out.at[done].set(token), state

    start = (jnp.int32(0), likeliest(logits), jnp.zeros(LONGEST, jnp.int32), state)
    done, _, out, state = lax.while_loop(unfinished, one, start)
    return out, done, state
