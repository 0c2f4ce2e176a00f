"""One pass over the newest token and a draft of what follows: as many tokens as were right, and one more.

Every token is chosen as a step chooses it, from the logits behind it and with the noise of its position
(`model.sampling.sampler`), and a draft is right where it is what was chosen.  So the text is the one that
steps give, greedy or drawn, whatever the drafts.  (That is speculative sampling, arXiv 2302.01318, coupled by
common random numbers: the distribution is the model's because the choice is.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array

from model.cache.state import State
from model.decoder import ahead, rowwise
from model.decoder.decoder import Decoder
from model.engine.gate import Gate
from model.nn.rope import RopeTable
from model.program import program
from model.sampling.sampler import Sampler
from model.weights.params import Params


@dataclass(frozen=True, slots=True)
class Draft:
    """What may come next, and is worth a pass.

    Attributes:
        tokens: at least one.
        size: of the pass, more than there are tokens.
        kind: see `Gate`.
        gate: which wants to know what came of it.
    """

    tokens: Sequence[int]
    size: int
    kind: int
    gate: Gate


class Drafter(Protocol):
    """What proposes tokens for one answer."""

    @property
    def gates(self) -> Sequence[Gate]:
        """What it knows of its drafts."""
        ...

    def draft(self, said: Sequence[int], most: int, sampler: Sampler) -> Draft | None:
        """What may come next; None where nothing is worth more than a step.

        Args:
            said: all tokens of the answer.
            most: tokens that may still come; a draft has fewer.
            sampler: how they are chosen.
        """
        ...


def padded(token: int, draft: Draft) -> np.ndarray:
    """Tokens int32 [size] of a pass: the newest one, the draft, and anything."""
    tokens = np.full(draft.size, token, np.int32)
    tokens[1 : 1 + len(draft.tokens)] = draft.tokens
    return tokens


@program(static=(0,), donate=(3,))
def verify(
    decoder: Decoder,
    params: Params,
    ropes: tuple[RopeTable, ...],
    state: State,
    tokens: Array,
    known: Array,
    sampler: Sampler,
    stops: Array,
) -> tuple[Array, Array, State]:
    """Take tokens and choose what follows them.

    Args:
        decoder, params, ropes: as in `Decoder.hidden`.
        state: of the tokens before; its full caches have room for T more.
        tokens: int32 [T], the newest token and a draft, padded at its end.
        known: int32 [], how many of them are no padding.
        sampler: how to choose.
        stops: int32 [n], tokens that end the text.

    Returns:
        The tokens that come next int32 [T], how many of these mean anything (at least one, and none behind a
        stop), and the state, with all tokens but the last that was chosen.
    """
    count = tokens.shape[0]
    hidden, after = ahead.hidden(decoder, params, ropes, state, tokens)
    at = state.length + 1 + jnp.arange(count)
    scores = rowwise.logits(decoder, params, hidden)
    chosen = sampler.pick_rows(scores, at)
    goes_on = (chosen[:-1] == tokens[1:]) & (jnp.arange(1, count) < known)
    goes_on &= ~jnp.any(chosen[:-1, None] == stops, axis=1)
    taken = 1 + jnp.cumprod(goes_on.astype(jnp.int32)).sum()
    return chosen, taken, after.state(taken)
