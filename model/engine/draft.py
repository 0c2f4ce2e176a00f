"""Drafts by a smaller model with the same vocabulary, which says what comes next in a fraction of the time.

It draws with the noise of the large one's positions, so that the two agree also where the temperature is not
0 as often as their distributions do (`model.engine.speculative`).  What it remembers need not be exact: a
wrong draft costs time and nothing else, so rings are rolled back without what they lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from model.cache.state import State
from model.config import ModelConfig, RecurrentSpec
from model.engine.decode import step, take
from model.engine.engine import Engine
from model.engine.gate import SIZES, Gate, agreeing
from model.engine.lookup import COSTS, Lookup
from model.engine.room import grow
from model.engine.speculative import Draft
from model.errors import UnsupportedModelError
from model.sampling.sampler import Sampler

_RATE = 0.9  # of its tokens that are right, to begin with
_STEP = 0.4  # what one of its steps costs, in steps of the large model, until it is measured
_PAUSE = 48  # tokens after which a draft is tried again that was not worth it
_FEW = 4  # tokens that steps read sooner than a chunk


class DraftModel:
    """A small model and what it has read; it serves one answer after another.

    Raises:
        UnsupportedModelError: it cannot forget: it has recurrent layers.
    """

    def __init__(self, engine: Engine) -> None:
        if not can_draft(engine.decoder.config):
            raise UnsupportedModelError(
                "a model with recurrent layers cannot draft: it cannot take tokens back"
            )
        self._engine = engine
        self._held: list[int] = []
        self._state: State | None = None

    def propose(self, ids: Sequence[int], count: int, sampler: Sampler) -> list[int]:
        """So many tokens that the model would say behind others.

        Args:
            ids: all that came before; what it has read of them already is not read again.
            count: at most 16.
            sampler: how to choose.
        """
        engine = self._engine
        state = self._read(ids[:-1], len(ids) + count)
        steps, none = np.int32(count), jax.device_put(np.array([-1], np.int32))
        out, _, _, self._state = step(
            engine.decoder, engine.params, engine.ropes, state, jnp.int32(ids[-1]), sampler, none, steps
        )
        tokens = np.asarray(out)[:count].tolist()
        self._held = [*ids, *tokens[:-1]]
        return tokens

    def _read(self, ids: Sequence[int], room: int) -> State:
        """A state that holds these tokens, and has room for so many."""
        engine, same = self._engine, _shared(self._held, ids)
        state, self._state = self._state, None
        if state is None or not same:
            state, same = engine.new_state(room), 0
        elif same < len(self._held):
            state = _trimmed(state, np.int32(same))
        state = grow(engine.decoder, state, room)
        new = ids[same:]
        if len(new) > _FEW:
            return engine.prefill(new, state)[1]
        for each in new:
            state = take(engine.decoder, engine.params, engine.ropes, state, np.int32(each))[1]
        return state


class Drafting:
    """Drafts for one answer: what stood there before, else what the small model says.

    Args:
        ids: the prompt.
        model: the small one.
    """

    def __init__(self, ids: Sequence[int], model: DraftModel) -> None:
        self._ids = list(ids)
        self._model = model
        self._lookup = Lookup(ids)
        self._gate = Gate([_RATE], {size: COSTS[size] + _STEP * (size - 1) for size in SIZES})
        self._again: int | None = None  # tokens of the answer behind which a draft is tried all the same

    @property
    def gates(self) -> Sequence[Gate]:
        """See `model.engine.speculative.Drafter`."""
        return (*self._lookup.gates, self._gate)

    def draft(self, said: Sequence[int], most: int, sampler: Sampler) -> Draft | None:
        """See `model.engine.speculative.Drafter`."""
        found = self._lookup.draft(said, most, sampler)
        if found is not None:
            return found
        room = min(SIZES[-1], most) - 1
        if room < 1:
            return None
        size = self._gate.size(0, room)
        if not size:
            self._again = len(said) + _PAUSE if self._again is None else self._again
            if len(said) < self._again:
                return None
            size = SIZES[0]
        self._again = None
        tokens = self._model.propose([*self._ids, *said], min(size - 1, room), sampler)
        return Draft(tokens, size, 0, self._gate)


def _shared(held: list[int], ids: Sequence[int]) -> int:
    """How many tokens are the same from the beginning; mostly all but a few at the end are."""
    sure = max(len(held) - SIZES[-1], 0)
    if list(ids[:sure]) != held[:sure]:
        sure = 0
    return sure + agreeing(held[sure:], ids[sure:])


def can_draft(config: ModelConfig) -> bool:
    """Whether a model can be brought back to fewer tokens."""
    return not any(isinstance(layer.mixer, RecurrentSpec) for layer in config.layers)


@partial(jax.jit, donate_argnums=0)
def _trimmed(state: State, length: Array) -> State:
    return state.trim(length)
