"""Room for a sequence: an empty state, how large it is made, and how it grows."""

from __future__ import annotations

from model.cache.state import State, init_state, placed
from model.decoder.decoder import Decoder
from model.engine import plan
from model.program import program

_ROOM = plan.ANSWER_ROOM


def empty_state(decoder: Decoder, tokens: int, bits: int) -> State:
    """An empty state with room for `tokens` tokens, of `bits` a cached value."""
    return _empty(decoder, plan.slots(tokens), bits)


def empty_shape(decoder: Decoder, tokens: int, bits: int) -> State:
    """The same, of shapes."""
    return _empty.shape(decoder, plan.slots(tokens), bits)


def room_for(prompt: int, limit: int) -> int:
    """Tokens that a state has room for when so many of a prompt are to be answered with at most `limit`."""
    return prompt + min(limit, _ROOM)


def grow(decoder: Decoder, state: State, tokens: int) -> State:
    """The state with room for `tokens` tokens; the one given is used up."""
    slots = plan.slots(tokens)
    return state if state.room is None or state.room >= slots else _grown(decoder, state, slots)


@program(static=(0, 1, 2))
def _empty(decoder: Decoder, slots: int, bits: int) -> State:
    return init_state(decoder.config, slots, bits, decoder.mesh)


@program(static=(0, 2))
def _grown(decoder: Decoder, state: State, slots: int) -> State:
    return placed(state.grow(slots), decoder.mesh)
