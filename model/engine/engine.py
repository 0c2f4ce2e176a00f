"""Token ids in, token ids out: chunked prefill, then decoding several tokens a call.

The engine knows nothing about text.  Its compiled programs take the weights, the state and every length as
arguments, so there is one for each chunk size and one that decodes; the state is donated, never copied.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from model.cache.state import State, init_state, placed
from model.decoder.decoder import Decoder, Media
from model.engine import plan
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

    Attributes:
        ropes: the decoder's rotary tables, for all positions of the window.
    """

    def __init__(self, decoder: Decoder, params: Params, *, window: int, cache_bits: int = 16) -> None:
        self.decoder = decoder
        self.params = params
        self.window = window
        self.cache_bits = cache_bits
        self.ropes = everywhere(decoder.rope_tables(window + plan.LARGEST), decoder.mesh)
        mixers = [spec.attention for spec in decoder.config.layers]
        self._blocks_whole = any(mixer is not None and mixer.media for mixer in mixers)

    def new_state(self, tokens: int) -> State:
        """An empty state with room for `tokens` tokens."""
        return _empty(self.decoder, plan.slots(tokens), self.cache_bits)

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
        done, last = 0, None
        for chunk, taken, media in self._chunks(ids, soft):
            last, state = _prefill(
                self.decoder, self.params, self.ropes, state, chunk, np.int32(taken), media
            )
            done += taken
            if progress:
                last.block_until_ready()
                progress(done, len(ids))
        assert last is not None
        return _head(self.decoder, self.params, last), state

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
        for chunk, taken, media in self._chunks(ids, soft):
            logits, state = _score(
                self.decoder, self.params, self.ropes, state, chunk, np.int32(taken), media
            )
            parts.append(np.asarray(logits[:taken]))
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
    ) -> Iterator[int]:
        """Continue a prompt.

        Args:
            ids: the prompt, at least one token.
            sampling: how to choose.
            limit: most tokens to generate.
            stop: ids that end the text; the one that did is still yielded, as the last.
            suppress: ids that are never generated.
            progress, soft: see `prefill`.
            reluctant: tokens that may come first only where they are at least so likely.
            constraint: what may be generated; a new one, which is used up.

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
        logits, state = self.prefill(ids, self.new_state(len(ids) + min(limit, _ROOM)), progress, soft)
        if not np.isfinite(np.asarray(logits)).all():
            raise FormatError("the model computes numbers that are not finite: its weights are damaged")
        if reluctant:
            logits = _without_unlikely(logits, reluctant)
        stops = jnp.asarray(sorted(stop) or [-1], jnp.int32)
        sampler = Sampler.of(sampling, suppress)
        if constraint is not None:
            yield from self._constrained(state, logits, sampler, frozenset(stop), limit, constraint)
            return
        token = _first(sampler, logits, state.length)
        yield from self._decode(state, token, sampler, stops, limit)

    def _chunks(
        self, ids: Sequence[int], soft: Sequence[Soft]
    ) -> Iterator[tuple[np.ndarray, int, Media | None]]:
        """The chunks of a prompt: int32 [T], zeros behind its end; how many of them are real; what is
        soft."""
        whole = [(each.first, each.end) for each in soft if each.is_block] if self._blocks_whole else []
        done = 0
        for taken, size in plan.chunks(len(ids), whole):
            chunk = np.zeros(size, np.int32)
            chunk[:taken] = ids[done : done + taken]
            yield chunk, taken, self._media(soft, done, taken, size)
            done += taken

    def _media(self, soft: Sequence[Soft], first: int, taken: int, size: int) -> Media | None:
        """What is soft among `taken` tokens from `first` on, padded to `size`; None where nothing is."""
        rows = np.zeros((size, self.decoder.config.width), np.float32)
        block = np.full(size, -1, np.int32)
        is_soft = np.zeros(size, bool)
        for number, each in enumerate(soft):
            begin, end = max(each.first, first), min(each.end, first + taken)
            if begin < end:
                here = slice(begin - first, end - first)
                rows[here] = each.rows[begin - each.first : end - each.first]
                is_soft[here] = True
                block[here] = number if each.is_block else -1
        return Media(jnp.asarray(rows), jnp.asarray(is_soft), jnp.asarray(block)) if is_soft.any() else None

    def _decode(
        self, state: State, token: Array, sampler: Sampler, stops: Array, limit: int
    ) -> Iterator[int]:
        """Yield the first token and decode on from it.

        One block of tokens is always being computed while the one before is read and shown.
        """
        stopping = frozenset(np.asarray(stops).tolist())
        first = int(token)
        yield first
        if first in stopping:
            return
        asked, steps = 1, 1
        held = int(state.length)
        pending: tuple[Array, Array, int, float] | None = None
        while True:
            launched = None
            if asked < limit:
                steps = min(steps, limit - asked)
                state = _grow(self.decoder, state, held + steps)
                began = time.perf_counter()
                out, count, token, state = _step(
                    self.decoder, self.params, self.ropes, state, token, sampler, stops, np.int32(steps)
                )
                launched = (out, count, steps, began)
                asked, held = asked + steps, held + steps
            if pending is not None:
                tokens = np.asarray(pending[0])[: int(pending[1])].tolist()
                yield from tokens
                if len(tokens) < pending[2] or tokens[-1] in stopping:
                    return
            if launched is None:
                return
            if pending is not None:
                steps = _paced(pending[2], launched[3] - pending[3])
            pending = launched

    def _constrained(
        self,
        state: State,
        logits: Array,
        sampler: Sampler,
        stops: frozenset[int],
        limit: int,
        constraint: Constraint,
    ) -> Iterator[int]:
        """Yield tokens that a constraint allows, from the logits f32 [V] of the first on.

        The device works on the logits of a token while the host works on its mask.
        """
        held, said = int(state.length), 0
        while said < limit and not constraint.ended:
            forced = list(constraint.forced())[: limit - said]
            if not forced:
                chosen = int(_choose(sampler, logits, constraint.mask(), np.int32(held)))
                forced = [chosen]
            tokens: list[int] = []
            for each in forced:
                tokens.append(constraint.take(each, limit - said - len(tokens) - 1))
                if tokens[-1] != each or tokens[-1] in stops or constraint.ended:
                    break
            said += len(tokens)
            if said < limit and not constraint.ended and tokens[-1] not in stops:
                state = _grow(self.decoder, state, held + len(tokens))
                if len(tokens) >= _MANY:
                    logits, state = self.prefill(tokens, state)
                else:
                    for each in tokens:
                        logits, state = _next(self.decoder, self.params, self._ropes, state, np.int32(each))
                held += len(tokens)
            yield from tokens
            if tokens[-1] in stops:
                return


def _without_unlikely(logits: Array, reluctant: Mapping[int, float]) -> Array:
    """Logits [V] that rule out those of some tokens that are less likely than they must be."""
    likely = np.asarray(jax.nn.softmax(logits))
    for token, least in reluctant.items():
        if likely[token] < least:
            logits = logits.at[token].set(-jnp.inf)
    return logits


def _paced(steps: int, seconds: float) -> int:
    """Steps for the next call, when one of `steps` took `seconds`."""
    return int(min(max(_STEP_SECONDS / max(seconds / steps, 1e-6), 1), _MOST_STEPS, 2 * steps))


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
def _prefill(
    decoder: Decoder,
    params: Params,
    ropes: tuple[RopeTable, ...],
    state: State,
    tokens: Array,
    count: Array,
    media: Media | None,
) -> tuple[Array, State]:
    return decoder.last(params, ropes, state, tokens, count, media)


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


@partial(jax.jit, static_argnums=0)
def _head(decoder: Decoder, params: Params, hidden: Array) -> Array:
    return decoder.logits(params, hidden)[0]


@jax.jit
def _first(sampler: Sampler, logits: Array, position: Array) -> Array:
    return sampler.pick(logits, position)


@jax.jit
def _choose(sampler: Sampler, logits: Array, mask: Array, position: Array) -> Array:
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
