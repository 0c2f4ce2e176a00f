"""An answer in the making: the engine's tokens become pieces of text, thoughts apart, until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.sampling.thoughts import after_thoughts
from model.thinking import Splitter, marks_of
from model.tokenizer.stops import StopStrings
from model.weighed import Weights

if TYPE_CHECKING:
    from model.engine.session import Session
    from model.engine.speculative import Drafter
    from model.load import Model
    from model.prompt import Soft
    from model.sampling.constraint import Constraint
    from model.sampling.sampler import Sampling
    from model.thinking import Piece
    from model.weighed import Weighed

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept of a prompt; see `model.load.Model.stream`."""

    marks: tuple[int, ...] = ()
    about: tuple[str, ...] = ()
    session: Session | None = None
    keep: bool = True


class Generation(Iterator[str]):
    """An answer in the making: iterate for its pieces, each of whole characters.

    Attributes:
        prompt_tokens, cached_tokens, completion_tokens: counts so far, with thoughts; a final stop token is
            not counted, and what was kept of an earlier prompt counts twice.
        thinking: whether a thought has begun and not ended: after the end, that there is no answer.
        finish_reason: ``stop`` or ``length`` once ended, None before.
        weighed: the tokens of the piece that came last and how likely each was, where that is asked for.
        timings: ``prefill_s``, ``first_token_s`` (both from the first request for a piece) and
            ``decode_tokens_per_s``, as far as they are known.
    """

    def __init__(
        self,
        model: Model,
        ids: Sequence[int],
        sampling: Sampling,
        limit: int,
        stop: Sequence[str],
        progress: Progress | None,
        on_thought: Callable[[str], None] | None = None,
        soft: Sequence[Soft] = (),
        reluctant: Mapping[int, float] | None = None,
        constraint: Constraint | None = None,
        keeping: Keeping | None = None,
        top: int | None = None,
        drafter: Drafter | None = None,
    ) -> None:
        self.prompt_tokens = len(ids)
        self.cached_tokens = 0
        self.completion_tokens = 0
        self.finish_reason: str | None = None
        self.timings: dict[str, float] = {}
        card = model.card
        marks = marks_of(card.tokenizer, card.template)
        self._splitter = Splitter(card.tokenizer, marks, ids)
        self._constraint = constraint
        if constraint is not None and marks is not None:
            constraint = after_thoughts(constraint, card.tokenizer, marks, ids, card.config.vocab)
        self._on_thought = on_thought or _unheard
        self._keeping = keeping or Keeping()
        self.weighed: list[Weighed] = []
        self._weights = None if top is None else Weights(card.tokenizer, top)
        self._drafter = drafter
        self._pieces = self._run(model, ids, sampling, limit, stop, progress, soft, reluctant, constraint)

    @property
    def thinking(self) -> bool:
        return self._splitter.thinking

    @property
    def drafted_tokens(self) -> int:
        """Tokens that were proposed and checked, so far."""
        return sum(gate.tried for gate in self._drafter.gates) if self._drafter else 0

    @property
    def accepted_tokens(self) -> int:
        """Those of them that were what the model says."""
        return sum(gate.right for gate in self._drafter.gates) if self._drafter else 0

    @property
    def shortened(self) -> bool:
        """Whether a constraint brought the answer to an early end; it is ``length`` then, and complete."""
        return self._constraint is not None and self._constraint.hurried

    def __next__(self) -> str:
        return next(self._pieces)

    def close(self) -> None:
        """End it early; tokens already being computed are dropped."""
        self._pieces.close()

    def _run(
        self,
        model: Model,
        ids: Sequence[int],
        sampling: Sampling,
        limit: int,
        stop: Sequence[str],
        progress: Progress | None,
        soft: Sequence[Soft],
        reluctant: Mapping[int, float] | None,
        constraint: Constraint | None,
    ) -> Generator[str]:
        began = time.perf_counter()
        splitter, stops, tokenizer = self._splitter, StopStrings(stop), model.card.tokenizer
        ends, weights = tokenizer.eog_ids, self._weights

        def restored(count: int) -> None:
            self.cached_tokens = count

        def watched(done: int, total: int) -> None:
            if done == total:
                self.timings["prefill_s"] = time.perf_counter() - began
            if progress:
                progress(done, total)

        for token in model.engine.generate(
            ids,
            sampling=sampling,
            limit=limit,
            stop=ends,
            suppress=tokenizer.suppress_ids,
            progress=watched,
            soft=soft,
            reluctant=reluctant,
            constraint=constraint,
            restored=restored,
            marks=self._keeping.marks,
            about=self._keeping.about,
            session=self._keeping.session,
            keep=self._keeping.keep,
            weigh=weights.hear if weights else None,
            drafter=self._drafter,
        ):
            now = time.perf_counter() - began
            self.timings.setdefault("first_token_s", now)
            if token in ends:
                self.finish_reason = "length" if self.shortened else "stop"
                break
            self.completion_tokens += 1
            if self.completion_tokens > 1:
                self.timings["decode_tokens_per_s"] = (self.completion_tokens - 1) / max(
                    now - self.timings["first_token_s"], 1e-9
                )
            said = self._said(splitter.push(token))
            if weights:
                weights.push(len(said), answering=splitter.answering)
            text, hit = stops.push(said)
            if text:
                yield self._given(text)
            if hit:
                self.finish_reason = "stop"
                return
        else:
            ended = self._constraint is not None and self._constraint.ended
            self.finish_reason = "stop" if ended and not self.shortened else "length"
        text, hit = stops.push(self._said(splitter.flush()))
        text += "" if hit else stops.flush()
        if hit:
            self.finish_reason = "stop"
        if text:
            yield self._given(text)

    def _given(self, text: str) -> str:
        """A piece of the answer, with its tokens at hand."""
        if self._weights:
            self.weighed = self._weights.give(text)
        return text

    def _said(self, pieces: Sequence[Piece]) -> str:
        """What is of the answer; thoughts are passed on."""
        for channel, text in pieces:
            if channel == "thought":
                self._on_thought(text)
        return "".join(text for channel, text in pieces if channel == "answer")


def _unheard(_: str) -> None:
    """Nobody listens to thoughts."""
