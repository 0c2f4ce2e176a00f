"""A prompt on its way into a state, chunk by chunk, from as far as it was computed before."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array

from model.cache.prefix import Prefixes
from model.cache.state import State
from model.cache.trail import Step, Trail
from model.decoder.decoder import Decoder, Media
from model.nn.rope import RopeTable
from model.program import program
from model.prompt import Soft
from model.weights.params import Params


class Prefill:
    """A prompt that is being read: `advance` until it is `over`, then take its `logits` and its `state`.

    Args:
        decoder: the architecture and how to compute it.
        params: the weights.
        ropes: the decoder's tables.
        trail: the prompt.
        state: of its beginning, with room for all of it; it is used up.
        done: how many tokens that is, fewer than the prompt has.
        told: are told of the state behind every chunk.

    Attributes:
        state: of the tokens that are done.
        done: how many they are.
        restored: how many of them were there from the beginning.
    """

    def __init__(
        self,
        decoder: Decoder,
        params: Params,
        ropes: tuple[RopeTable, ...],
        trail: Trail,
        state: State,
        done: int = 0,
        told: Sequence[Prefixes] = (),
    ) -> None:
        assert done < len(trail), "there must be a token to predict from"
        self.state = state
        self.done = self.restored = done
        self._decoder = decoder
        self._params = params
        self._ropes = ropes
        self._trail = trail
        self._told = told
        self._last: Array | None = None
        self._steps = deque(trail.rest(done))
        self._index = len(trail.steps) - len(self._steps)
        if not self._steps[0].name:
            self._told = ()

    @property
    def over(self) -> bool:
        """All of it is in the state."""
        return self.done == len(self._trail)

    def advance(self) -> None:
        """Take the next chunk."""
        step = self._steps.popleft()
        chunk = np.zeros(step.size, np.int32)
        chunk[: step.taken] = self._trail.ids[step.first : step.end]
        media = media_of(self._trail.soft, step, self._decoder.config.width)
        self._last, self.state = take(
            self._decoder, self._params, self._ropes, self.state, chunk, np.int32(step.taken), media
        )
        self.done = step.end
        for each in self._told:
            each.keep(self._trail, self._index, self.state)
        self._index += 1

    def wait(self) -> None:
        """Return when what was taken is computed."""
        if self._last is not None:
            self._last.block_until_ready()

    @property
    def logits(self) -> Array:
        """The last token's logits f32 [V]."""
        assert self._last is not None
        return head(self._decoder, self._params, self._last)


def media_of(soft: Sequence[Soft], step: Step, width: int) -> Media | None:
    """What is soft in a chunk; None where nothing is."""
    here = [
        (number, each) for number, each in enumerate(soft) if each.first < step.end and each.end > step.first
    ]
    if not here:
        return None
    rows = np.zeros((step.size, width), np.float32)
    block = np.full(step.size, -1, np.int32)
    is_soft = np.zeros(step.size, bool)
    for number, each in here:
        begin, end = max(each.first, step.first), min(each.end, step.end)
        place = slice(begin - step.first, end - step.first)
        rows[place] = each.rows[begin - each.first : end - each.first]
        is_soft[place] = True
        block[place] = number if each.is_block else -1
    return Media(jnp.asarray(rows), jnp.asarray(is_soft), jnp.asarray(block))


@program(static=(0,), donate=(3,))
def take(
    decoder: Decoder,
    params: Params,
    ropes: tuple[RopeTable, ...],
    state: State,
    tokens: Array,
    count: Array,
    media: Media | None,
) -> tuple[Array, State]:
    """Hidden row f32 [1, D] of a chunk's last token, and the state with the chunk."""
    return decoder.last(params, ropes, state, tokens, count, media)


@program(static=(0,))
def head(decoder: Decoder, params: Params, hidden: Array) -> Array:
    """Logits f32 [V] of a hidden row f32 [1, D]."""
    return decoder.logits(params, hidden)[0]
