"""A prompt on its way into a state while others are being answered: its chunks may be cut shorter.

Where all layers keep all of a text, a token's numbers do not depend on the chunk that it came in, so a long
chunk may be taken in parts, and other sequences go on between them.  Elsewhere chunks stay whole: their cuts
are part of what is computed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jax import Array

from model.cache.prefix import Prefixes
from model.cache.state import State
from model.cache.trail import Step, Trail
from model.engine import plan
from model.engine.engine import Engine
from model.engine.prefill import head, media_of, take


class Reading:
    """A prompt that is being read: `advance` until it is `over`, then take its `logits` and its `state`.

    Args:
        engine: whose weights compute it.
        prompt: what is read.
        state: of its beginning, with room for all of it; it is used up.
        done: how many tokens that is, fewer than the prompt has.
        told: are told of the state behind every chunk of the prompt's own.
        divisible: whether chunks may be taken in parts.

    Attributes:
        state: of the tokens that are done.
        done: how many they are.
    """

    def __init__(
        self,
        engine: Engine,
        prompt: Trail,
        state: State,
        done: int,
        told: Sequence[Prefixes],
        divisible: bool,
    ) -> None:
        self.prompt = prompt
        self.state = state
        self.done = done
        self._engine = engine
        self._steps = list(prompt.rest(done))
        self._index = len(prompt.steps) - len(self._steps)
        self._told = told if self._steps[0].name else ()
        self._divisible = divisible and not prompt.whole
        self._last: Array | None = None

    @property
    def over(self) -> bool:
        """All of it is in the state."""
        return self.done == len(self.prompt)

    def advance(self, most: int | None = None) -> None:
        """Take the next chunk and wait for it; where that may be, no more than `most` tokens of it."""
        whole = self._steps[0]
        step = whole
        if self._divisible and (self.done > whole.first or (most is not None and most < whole.taken)):
            end = min(whole.end, self.done + (most or whole.taken))
            step = Step(self.done, end, plan.above(end - self.done), whole.name)
        chunk = np.zeros(step.size, np.int32)
        chunk[: step.taken] = self.prompt.ids[step.first : step.end]
        engine = self._engine
        media = media_of(self.prompt.soft, step, engine.decoder.config.width)
        last, self.state = take(
            engine.decoder, engine.params, engine.ropes, self.state, chunk, np.int32(step.taken), media
        )
        self._last = last.block_until_ready()
        self.done = step.end
        if self.done == whole.end:
            for each in self._told:
                each.keep(self.prompt, self._index, self.state)
            self._steps.pop(0)
            self._index += 1

    @property
    def logits(self) -> Array:
        """The last token's logits f32 [V]."""
        assert self._last is not None, "a prompt has a token that is read"
        return head(self._engine.decoder, self._engine.params, self._last)
