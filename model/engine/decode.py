"""Behind a prompt: tokens one after another, several a call, or under a constraint."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from model.cache.state import State
from model.decoder.decoder import Decoder
from model.engine.room import grow
from model.engine.speculative import Draft, Drafter, padded, verify
from model.nn.rope import RopeTable
from model.program import program
from model.sampling.constraint import Constraint
from model.sampling.likely import Likely, likely
from model.sampling.sampler import Sampler, masked
from model.weights.params import Params

_MOST_STEPS = 16  # tokens decoded by one call at most
_MANY = 12  # tokens that must come, from which on a chunk takes them in less time than steps do
_STEP_SECONDS = 0.1  # how long one call should take: what a person sees as streaming
_STEPS_BEFORE_DRAFT = 4  # tokens by one call at most, within so many of the last pass over a draft:
_NEAR_DRAFT = 16


class Reader(Protocol):
    """What is needed of `model.engine.engine.Engine`."""

    decoder: Decoder
    params: Params
    ropes: tuple[RopeTable, ...]

    def prefill(self, ids: Sequence[int], state: State) -> tuple[Array, State]:
        """Take tokens into a state: the last one's logits f32 [V], and the new state."""
        ...


@dataclass(slots=True)
class Tail:
    """A sequence behind its prompt.

    Attributes:
        state: of the prompt and of what was generated, but for its last token.
        said: tokens that were generated and read.
        unread: what calls that were launched behind them give: tokens [16], and how many.
    """

    state: State
    said: list[int] = field(default_factory=list)
    unread: deque[tuple[Array, Array]] = field(default_factory=deque)

    def read(self) -> list[int]:
        """The tokens of the next call, now read."""
        out, count = self.unread.popleft()
        tokens = np.asarray(out)[: int(count)].tolist()
        self.said += tokens
        return tokens

    def tokens(self) -> list[int]:
        """All tokens that were generated, whether or not anybody wants to know them."""
        while self.unread:
            self.read()
        return self.said


def decode(
    engine: Reader,
    tail: Tail,
    first: int,
    sampler: Sampler,
    stops: Array,
    limit: int,
    drafter: Drafter | None = None,
) -> Iterator[int]:
    """Yield the first token and decode on from it.

    One block of tokens is always being computed while the one before is read and shown; but where a draft is
    worth it, a pass over that takes the place of the next block.
    """
    stopping = frozenset(np.asarray(stops).tolist())
    tail.said.append(first)
    yield first
    if first in stopping:
        return
    token = np.int32(first)
    asked, steps, near = 1, 1, 0
    held = int(tail.state.length)
    pending: tuple[int, float] | None = None
    while True:
        began = time.perf_counter()
        draft = drafter.draft(tail.said, limit - len(tail.said), sampler) if drafter else None
        if draft is not None and pending is None:
            tokens = _verified(engine, tail, draft, sampler, stops)
            draft.gate.verified(draft, len(tokens) - 1, time.perf_counter() - began)
            asked, held, steps = asked + len(tokens), held + len(tokens), 1
            token, near = np.int32(tokens[-1]), asked + _NEAR_DRAFT
            yield from tokens
            if tokens[-1] in stopping or asked >= limit:
                return
            continue
        launched = None
        if asked < limit and draft is None:
            steps = min(steps, limit - asked)
            state = grow(engine.decoder, tail.state, held + steps)
            out, count, token, tail.state = step(
                engine.decoder, engine.params, engine.ropes, state, token, sampler, stops, np.int32(steps)
            )
            tail.unread.append((out, count))
            launched = (steps, began)
            asked, held = asked + steps, held + steps
        if pending is not None:
            tokens = tail.read()
            yield from tokens
            if len(tokens) < pending[0] or tokens[-1] in stopping:
                return
        if launched is None and draft is None:
            return
        if pending is not None and launched is not None:
            seconds = (launched[1] - pending[1]) / pending[0]
            steps = _paced(pending[0], seconds)
            steps = min(steps, _STEPS_BEFORE_DRAFT) if asked < near else steps
            for gate in drafter.gates if drafter else ():
                gate.stepped(seconds)
        pending = launched


def _verified(engine: Reader, tail: Tail, draft: Draft, sampler: Sampler, stops: Array) -> list[int]:
    """The tokens that come next, by one pass over the newest one and a draft behind it."""
    state = grow(engine.decoder, tail.state, int(tail.state.length) + draft.size)
    tokens, known = padded(tail.said[-1], draft), np.int32(1 + len(draft.tokens))
    chosen, count, tail.state = verify(
        engine.decoder, engine.params, engine.ropes, state, tokens, known, sampler, stops
    )
    new = np.asarray(chosen)[: int(count)].tolist()
    tail.said += new
    return new


def constrained(
    engine: Reader,
    tail: Tail,
    logits: Array,
    sampler: Sampler,
    stops: frozenset[int],
    limit: int,
    constraint: Constraint,
) -> Iterator[int]:
    """Yield tokens that a constraint allows, from the logits f32 [V] of the first on.

    The device works on the logits of a token while the host works on its mask.
    """
    held, said = int(tail.state.length), 0
    while said < limit and not constraint.ended:
        tokens = _allowed(constraint, logits, sampler, held, stops, limit - said)
        said += len(tokens)
        tail.said += tokens
        if said < limit and not constraint.ended and tokens[-1] not in stops:
            state = grow(engine.decoder, tail.state, held + len(tokens))
            if len(tokens) >= _MANY:
                logits, state = engine.prefill(tokens, state)
            else:
                for each in tokens:
                    logits, state = take(engine.decoder, engine.params, engine.ropes, state, np.int32(each))
            tail.state = state
            held += len(tokens)
        yield from tokens
        if tokens[-1] in stops:
            return


def weighed(
    engine: Reader,
    tail: Tail,
    first: tuple[Array, Array],
    sampler: Sampler,
    stops: frozenset[int],
    limit: int,
    constraint: Constraint | None,
    weigh: Callable[[Likely], None],
) -> Iterator[int]:
    """As `decode`, or `constrained`, but each token is computed by itself and weighed before it is yielded.

    Args:
        first: logits f32 [V] of the first token, as the model gives them and as they are chosen from.
    """
    bare, logits = first
    held, said = int(tail.state.length), 0
    settled: deque[int] = deque()
    if constraint is not None and constraint.ended:
        return
    while True:
        if not settled and constraint is None:
            settled.append(first_token(sampler, logits, held))
        elif not settled and constraint is not None:
            settled.extend(_allowed(constraint, logits, sampler, held, stops, limit - said))
        token = settled.popleft()
        weigh(likely(bare[None], 0, token))
        tail.said.append(token)
        said += 1
        yield token
        over = constraint is not None and constraint.ended and not settled
        if over or said == limit or token in stops:
            return
        state = grow(engine.decoder, tail.state, held + 1)
        bare, tail.state = take(engine.decoder, engine.params, engine.ropes, state, np.int32(token))
        logits, held = bare, held + 1


def _allowed(
    constraint: Constraint, logits: Array, sampler: Sampler, position: int, stops: frozenset[int], room: int
) -> list[int]:
    """The next tokens under a constraint: those that must come, or one that is chosen."""
    forced = list(constraint.forced())[:room]
    if not forced:
        forced = [int(choose(sampler, logits, constraint.mask(), np.int32(position)))]
    tokens: list[int] = []
    for each in forced:
        tokens.append(constraint.take(each, room - len(tokens) - 1))
        if tokens[-1] != each or tokens[-1] in stops or constraint.ended:
            break
    return tokens


def without_unlikely(logits: Array, reluctant: Mapping[int, float]) -> Array:
    """Logits [V] that rule out those of some tokens that are less likely than they must be."""
    likely = np.asarray(jax.nn.softmax(logits))
    for token, least in reluctant.items():
        if likely[token] < least:
            logits = logits.at[token].set(-jnp.inf)
    return logits


def _paced(steps: int, seconds: float) -> int:
    """Steps for the next call, when in one of `steps` each took `seconds`."""
    return int(min(max(_STEP_SECONDS / max(seconds, 1e-6), 1), _MOST_STEPS, 2 * steps))


def first_token(sampler: Sampler, logits: Array, position: int) -> int:
    """The token at a position that follows logits f32 [V].

    The likeliest is found on the host, which has seen all logits by then: no program needs to be loaded.
    """
    if float(sampler.temperature) > 0:
        return int(_drawn(sampler, logits, np.int32(position)))
    scores = np.asarray(logits)
    if sampler.suppressed is not None:
        scores = scores.copy()
        scores[np.asarray(sampler.suppressed)] = -np.inf
    return int(scores.argmax())


@program()
def _drawn(sampler: Sampler, logits: Array, position: Array) -> Array:
    return sampler.pick(logits, position)


@jax.jit
def choose(sampler: Sampler, logits: Array, mask: Array, position: Array) -> Array:
    """The token int32 [] that follows logits, of those that a mask uint32 [ceil(V / 32)] allows."""
    return sampler.pick(masked(logits, mask), position)


@program(static=(0,), donate=(3,))
def take(
    decoder: Decoder, params: Params, ropes: tuple[RopeTable, ...], state: State, token: Array
) -> tuple[Array, State]:
    """Logits f32 [V] after one more token."""
    hidden, state = decoder.hidden(params, ropes, state, token[None], jnp.int32(1))
    return decoder.logits(params, hidden)[0], state


@program(static=(0,), donate=(3,))
def step(
    decoder: Decoder,
    params: Params,
    ropes: tuple[RopeTable, ...],
    state: State,
    token: Array,
    sampler: Sampler,
    stops: Array,
    steps: Array,
) -> tuple[Array, Array, Array, State]:
    """Decode up to `steps` tokens after `token`; returns them [16], how many, the last one, and the state.

    Ends early at a stop token; when `token` is one already, nothing happens.
    """

    def unfinished(carry: tuple[Array, Array, Array, State]) -> Array:
        done, token, _, _ = carry
        return (done < steps) & ~jnp.any(token == stops)

    def one(carry: tuple[Array, Array, Array, State]) -> tuple[Array, Array, Array, State]:
        done, token, out, state = carry
        hidden, state = decoder.hidden(params, ropes, state, token[None], jnp.int32(1))
        token = sampler.pick(decoder.logits(params, hidden)[0], state.length)
        return done + 1, token, out.at[done].set(token), state

    start = (jnp.int32(0), token, jnp.zeros(_MOST_STEPS, jnp.int32), state)
    done, token, out, state = lax.while_loop(unfinished, one, start)
    return out, done, token, state
