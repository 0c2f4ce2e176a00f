"""Token ids in, token ids out: chunked prefill, then decoding several tokens a call.

The engine knows nothing about text.  Its compiled programs take the weights, the state and every length as
arguments, so there is one for each chunk size and one that decodes; the state is donated, never copied.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

import jax
import numpy as np
from jax import Array

from model.cache.prefix import Prefixes
from model.cache.state import State
from model.cache.trail import Trail, trail
from model.decoder.ahead import can_look_ahead
from model.decoder.decoder import Decoder, Media
from model.engine import plan
from model.engine.decode import Tail, constrained, decode, first_token, weighed, without_unlikely
from model.engine.prefill import Prefill, media_of
from model.engine.room import empty_state, grow, room_for
from model.engine.session import Session
from model.engine.speculative import Drafter
from model.errors import ContextOverflowError, FormatError
from model.mesh import everywhere
from model.nn.rope import RopeTable
from model.prompt import Soft
from model.sampling.constraint import Constraint
from model.sampling.likely import Likely
from model.sampling.sampler import Sampler, Sampling
from model.weights.params import Params

Progress = Callable[[int, int], None]


class Engine:
    """A decoder with its weights.

    Args:
        decoder: the architecture and how to compute it.
        params: the weights.
        window: tokens that a sequence may hold, prompt and answer together.
        cache_bits: of a cached key or value: 8, 16 or 32.
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
        state = grow(self.decoder, state, room)
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
        weigh: Callable[[Likely], None] | None = None,
        drafter: Drafter | None = None,
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
            weigh: told how likely each token was, in order, before it is yielded; each is then computed by
                itself.
            drafter: what proposes tokens, so that several are computed at once; the text is the same without.
                It is not asked where tokens are weighed or constrained, or attention is sparse or spread.

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
        bare = logits
        if reluctant:
            logits = without_unlikely(logits, reluctant)
        stops = jax.device_put(np.array(sorted(stop) or [-1], np.int32))
        sampler = Sampler.of(sampling, suppress)
        try:
            if weigh is not None:
                first = bare, logits
                yield from weighed(self, tail, first, sampler, frozenset(stop), limit, constraint, weigh)
            elif constraint is not None:
                yield from constrained(self, tail, logits, sampler, frozenset(stop), limit, constraint)
            else:
                token = first_token(sampler, logits, len(ids))
                drafter = drafter if can_look_ahead(self.decoder) else None
                yield from decode(self, tail, token, sampler, stops, limit, drafter)
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
