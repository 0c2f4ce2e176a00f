"""Token ids in, token ids out: chunked prefill, then decoding several tokens a call.

The engine knows nothing about text.  Its compiled programs take the weights, the state and every length as
arguments, so there is one for each chunk size and one that decodes; the state is donated, never copied.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from model.cache.prefix import Prefixes
from model.cache.state import State, init_state, placed
from model.cache.trail import Trail, trail
from model.decoder.decoder import Decoder, Media
from model.engine import plan
from model.engine.prefill import Prefill, media_of
from model.engine.session import Session
from model.errors import ContextOverflowError, FormatError
from model.mesh import everywhere
from model.nn.rope import RopeTable
from model.prompt import Soft
from model.sampling.constraint import Constraint
from model.sampling.sampler import Sampler, Sampling, masked
from model.weights.params import Params

Progress = Callable[[int, int], None]

_MOST_STEPS = 16  # tokens decoded by one call at most
_ROOM = 1024  # tokens of an answer that the cache holds from the start; it grows beyond
_MANY = 12  # tokens that must come, from which on a chunk takes them in less time than steps do
_STEP_SECONDS = 0.1  # how long one call should take: what a person sees as streaming


class Engine:
    """A decoder with its weights.

    Args:
        decoder: the architecture and how to compute it.
        params: the weights.
        window: tokens that a sequence may hold, prompt and answer together.
        cache_bits: of a cached key or value: 16 or 32.
        prefixes: states kept from earlier prompts.

    Attributes:
        ropes: the decoder's rotary tables, for all positions of the window.
    """

    def __init__(
        self,
        decoder: Decoder,
        params: Params,
        *,
        window: int,
        cache_bits: int = 16,
        prefixes: Prefixes | None = None,
    ) -> None:
        self.decoder = decoder
        self.params = params
        self.window = window
        self.cache_bits = cache_bits
        self.prefixes = prefixes
        self.ropes = everywhere(decoder.rope_tables(window + plan.LARGEST), decoder.mesh)

    def new_state(self, tokens: int) -> State:
        """An empty state with room for `tokens` tokens."""
        return empty_state(self.decoder, tokens, self.cache_bits)

    def trail(
        self,
        ids: Sequence[int],
        soft: Sequence[Soft] = (),
        marks: Sequence[int] = (),
        about: Sequence[str] = (),
    ) -> Trail:
        """A prompt as this model reads it; see `model.cache.trail.trail`."""
        return trail_of(self.decoder, ids, soft, marks, about)

    def reading(
        self, prompt: Trail, room: int, *, session: Session | None = None, keep: bool = True
    ) -> Prefill:
        """Begin to read a prompt, behind as much of it as is kept.

        Args:
            prompt: from `trail`.
            room: tokens that the state is to have room for.
            session: what stays in memory between the prompts of a conversation.
            keep: use kept prefixes, and keep this one.
        """
        told: list[Prefixes] = [session] if session is not None else []
        if keep and self.prefixes is not None:
            told.append(self.prefixes)
        found = None
        for each in sorted(told, key=lambda source: source.find(prompt), reverse=True):
            if each.find(prompt) and (found := each.recall(prompt, room)) is not None:
                if session is not None and each is not session:
                    session.forget()
                break
        if found is None:
            if session is not None:
                session.forget()
            found = self.new_state(room), 0
        state, done = found
        state = _grow(self.decoder, state, room)
        return Prefill(self.decoder, self.params, self.ropes, prompt, state, done, told)

    def prefill(
        self,
        ids: Sequence[int],
        state: State,
        progress: Progress | None = None,
        soft: Sequence[Soft] = (),
    ) -> tuple[Array, State]:
        """Take tokens into the state.

        Args:
            ids: at least one; the state must have room for them.
            state: of the tokens before; it is used up.
            progress: called with tokens done and tokens in all.
            soft: what stands in the place of some of the ids, in order.

        Returns:
            The last token's logits f32 [V], and the new state.
        """
        assert len(ids) > 0, "there must be a token to predict from"
        run = Prefill(self.decoder, self.params, self.ropes, self.trail(ids, soft), state)
        while not run.over:
            run.advance()
            if progress:
                run.wait()
                progress(run.done, len(ids))
        return run.logits, run.state

    def score(self, ids: Sequence[int], soft: Sequence[Soft] = ()) -> np.ndarray:
        """Logits f32 [T, V] after every token of a prompt: what parity and likelihood measurements need.

        Args:
            ids, soft: as in `prefill`.

        Raises:
            ContextOverflowError: the text is longer than the window.
        """
        if len(ids) > self.window:
            raise ContextOverflowError(len(ids), self.window)
        state, parts = self.new_state(len(ids)), []
        for step in self.trail(ids, soft).steps:
            chunk = np.zeros(step.size, np.int32)
            chunk[: step.taken] = ids[step.first : step.end]
            media = media_of(soft, step, self.decoder.config.width)
            logits, state = _score(
                self.decoder, self.params, self.ropes, state, chunk, np.int32(step.taken), media
            )
            parts.append(np.asarray(logits[: step.taken]))
        return np.concatenate(parts)

    def generate(
        self,
        ids: Sequence[int],
        *,
        sampling: Sampling,
        limit: int,
        stop: Collection[int] = (),
        suppress: Collection[int] = (),
        progress: Progress | None = None,
        soft: Sequence[Soft] = (),
        reluctant: Mapping[int, float] | None = None,
        constraint: Constraint | None = None,
        marks: Sequence[int] = (),
        about: Sequence[str] = (),
        session: Session | None = None,
        keep: bool = True,
        restored: Callable[[int], None] | None = None,
    ) -> Iterator[int]:
        """Continue a prompt.

        Args:
            ids: the prompt, at least one token.
            sampling: how to choose.
            limit: most tokens to generate.
            stop: ids that end the text; the one that did is still yielded, as the last.
            suppress: ids that are never generated.
            progress: called with tokens of the prompt that are in the state, beginning with those that were
                kept, and tokens in all.
            soft: see `prefill`.
            reluctant: tokens that may come first only where they are at least so likely.
            constraint: what may be generated; a new one, which is used up.
            marks: places in the prompt behind which other prompts are likely to differ: to come back there
                must be possible.
            about: the names of what the prompt is about, for whoever looks at what is kept.
            session, keep: see `reading`.
            restored: told how much of the prompt was kept, once that is known.

        Yields:
            Token ids.

        Raises:
            ConstraintError: the constraint allows no token.
            ContextOverflowError: prompt and limit are longer than the window.
            FormatError: the prompt's logits are no numbers.
        """
        if len(ids) + limit > self.window:
            raise ContextOverflowError(len(ids) + limit, self.window)
        if limit <= 0:
            return
        run = self.reading(
            self.trail(ids, soft, marks, about), room_for(len(ids), limit), session=session, keep=keep
        )
        try:
            if restored:
                restored(run.restored)
            if progress and run.restored:
                progress(run.restored, len(ids))
            while not run.over:
                run.advance()
                if progress:
                    run.wait()
                    progress(run.done, len(ids))
        except Exception:
            raise
        except BaseException:  # whoever asked is gone: what is done stays
            if session is not None:
                session.hold(ids[: run.done], soft, run.state)
            raise
        logits, tail = run.logits, Tail(run.state)
        if session is not None:
            session.remember(len(ids), tail.state)
        if not np.isfinite(np.asarray(logits)).all():
            raise FormatError("the model computes numbers that are not finite: its weights are damaged")
        if reluctant:
            logits = without_unlikely(logits, reluctant)
        stops = jnp.asarray(sorted(stop) or [-1], jnp.int32)
        sampler = Sampler.of(sampling, suppress)
        try:
            if constraint is not None:
                yield from self._constrained(tail, logits, sampler, frozenset(stop), limit, constraint)
            else:
                token = first_token(sampler, logits, tail.state.length)
                yield from self._decode(tail, token, sampler, stops, limit)
        except GeneratorExit:
            self._hold(session, ids, soft, tail)
            raise
        self._hold(session, ids, soft, tail)

    def _hold(self, session: Session | None, ids: Sequence[int], soft: Sequence[Soft], tail: Tail) -> None:
        """Leave a sequence to its session."""
        if session is not None:
            held = int(tail.state.length)
            session.hold([*ids, *tail.tokens()][:held], soft, tail.state)
            session.remember(held, tail.state)

    def _decode(self, tail: Tail, token: Array, sampler: Sampler, stops: Array, limit: int) -> Iterator[int]:
        """Yield the first token and decode on from it.

        One block of tokens is always being computed while the one before is read and shown.
        """
        stopping = frozenset(np.asarray(stops).tolist())
        first = int(token)
        tail.said.append(first)
        yield first
        if first in stopping:
            return
        asked, steps = 1, 1
        held = int(tail.state.length)
        pending: tuple[int, float] | None = None
        while True:
            launched = None
            if asked < limit:
                steps = min(steps, limit - asked)
                state = _grow(self.decoder, tail.state, held + steps)
                began = time.perf_counter()
                out, count, token, tail.state = _step(
                    self.decoder, self.params, self.ropes, state, token, sampler, stops, np.int32(steps)
                )
                tail.unread.append((out, count))
                launched = (steps, began)
                asked, held = asked + steps, held + steps
            if pending is not None:
                tokens = tail.read()
                yield from tokens
                if len(tokens) < pending[0] or tokens[-1] in stopping:
                    return
            if launched is None:
                return
            if pending is not None:
                steps = _paced(pending[0], launched[1] - pending[1])
            pending = launched

    def _constrained(
        self,
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
            forced = list(constraint.forced())[: limit - said]
            if not forced:
                chosen = int(choose(sampler, logits, constraint.mask(), np.int32(held)))
                forced = [chosen]
            tokens: list[int] = []
            for each in forced:
                tokens.append(constraint.take(each, limit - said - len(tokens) - 1))
                if tokens[-1] != each or tokens[-1] in stops or constraint.ended:
                    break
            said += len(tokens)
            tail.said += tokens
            if said < limit and not constraint.ended and tokens[-1] not in stops:
                state = _grow(self.decoder, tail.state, held + len(tokens))
                if len(tokens) >= _MANY:
                    logits, state = self.prefill(tokens, state)
                else:
                    for each in tokens:
                        logits, state = _next(self.decoder, self.params, self.ropes, state, np.int32(each))
                tail.state = state
                held += len(tokens)
            yield from tokens
            if tokens[-1] in stops:
                return


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


def without_unlikely(logits: Array, reluctant: Mapping[int, float]) -> Array:
    """Logits [V] that rule out those of some tokens that are less likely than they must be."""
    likely = np.asarray(jax.nn.softmax(logits))
    for token, least in reluctant.items():
        if likely[token] < least:
            logits = logits.at[token].set(-jnp.inf)
    return logits


def _paced(steps: int, seconds: float) -> int:
    """Steps for the next call, when one of `steps` took `seconds`."""
    return int(min(max(_STEP_SECONDS / max(seconds / steps, 1e-6), 1), _MOST_STEPS, 2 * steps))


def empty_state(decoder: Decoder, tokens: int, bits: int) -> State:
    """An empty state with room for `tokens` tokens, of `bits` a cached value."""
    return _empty(decoder, plan.slots(tokens), bits)


def room_for(prompt: int, limit: int) -> int:
    """Tokens that a state has room for when so many of a prompt are to be answered with at most `limit`."""
    return prompt + min(limit, _ROOM)


def trail_of(
    decoder: Decoder,
    ids: Sequence[int],
    soft: Sequence[Soft] = (),
    marks: Sequence[int] = (),
    about: Sequence[str] = (),
) -> Trail:
    """A prompt as a model reads it; see `model.cache.trail.trail`."""
    mixers = [spec.attention for spec in decoder.config.layers]
    blocks_whole = any(mixer is not None and mixer.media for mixer in mixers)
    return trail(ids, soft, marks, blocks_whole=blocks_whole, about=about)


def _grow(decoder: Decoder, state: State, tokens: int) -> State:
    slots = plan.slots(tokens)
    return state if state.room is None or state.room >= slots else _grown(decoder, state, slots)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _empty(decoder: Decoder, slots: int, bits: int) -> State:
    return init_state(decoder.config, slots, bits, decoder.mesh)


@partial(jax.jit, static_argnums=(0, 2))
def _grown(decoder: Decoder, state: State, slots: int) -> State:
    return placed(state.grow(slots), decoder.mesh)


@partial(jax.jit, static_argnums=0, donate_argnums=3)
def _score(
    decoder: Decoder,
    params: Params,
    ropes: tuple[RopeTable, ...],
    state: State,
    tokens: Array,
    count: Array,
    media: Media | None,
) -> tuple[Array, State]:
    hidden, state = decoder.hidden(params, ropes, state, tokens, count, media)
    return decoder.logits(params, hidden), state


@jax.jit
def first_token(sampler: Sampler, logits: Array, position: Array) -> Array:
    """The token int32 [] at a position that follows logits f32 [V]."""
    return sampler.pick(logits, position)


@jax.jit
def choose(sampler: Sampler, logits: Array, mask: Array, position: Array) -> Array:
    """As `first_token`, of those that a mask uint32 [ceil(V / 32)] allows."""
    return sampler.pick(masked(logits, mask), position)


@partial(jax.jit, static_argnums=0, donate_argnums=3)
def _next(
    decoder: Decoder, params: Params, ropes: tuple[RopeTable, ...], state: State, token: Array
) -> tuple[Array, State]:
    """Logits f32 [V] after one more token."""
    hidden, state = decoder.hidden(params, ropes, state, token[None], jnp.int32(1))
    return decoder.logits(params, hidden)[0], state


@partial(jax.jit, static_argnums=0, donate_argnums=3)
def _step(
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
