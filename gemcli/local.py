"""A request answered by this process: read the files, find the model, pack the prompt, answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from gemcli import worker
from gemcli.events import Error, Event, Init, Progress, Result, Thought, Token, Warning
from gemcli.failure import Failure, failure
from gemcli.ident import new_id
from gemcli.loading import Arrays, Loaded, keeps, load_model
from gemcli.logprobs import told
from gemcli.pack import speed
from gemcli.pack.plan import read_json
from gemcli.perceive import Perception, Undecodable, repacked
from gemcli.prepared import Prepared, prepare
from gemcli.reading.windowed import read_in_windows
from gemcli.request import Request
from gemcli.turns import Turn
from gemcli.worker import Emit

if TYPE_CHECKING:
    from gemcli.cite.match import Citation
    from model.engine.session import Session
    from model.load import Generation, Model
    from model.senses import Senses

SCHEMA_VERSION = 1


def answer(request: Request, loaded: Loaded, cancelled: threading.Event | None = None) -> Generator[Event]:
    """The events of an answer; see `gemcli.assistant.answer`."""
    run = _Run(request, loaded)
    try:
        yield Init(run.id, run.find_name())
        with closing(worker.stream(run.work, cancelled)) as events:
            for event in events:
                run.note(event)
                yield event
    except GeneratorExit:
        raise
    except BaseException as error:
        why = failure(error)
        if not isinstance(error, KeyboardInterrupt):
            yield Error(why.code, why.message, why.hint)
        yield from run.end(why, interrupted=isinstance(error, KeyboardInterrupt))
        raise
    yield from run.end()


class _Run:
    """One request on its way: what has been said and measured so far."""

    def __init__(self, request: Request, loaded: Loaded) -> None:
        self.id = request.conversation or new_id()
        self._request = request
        self._loaded = loaded
        self._model = request.model
        self._said: list[str] = []
        self._warnings: list[str] = []
        self._prepared: Prepared | None = None
        self._generation: Generation | None = None
        self._data: object = None
        self._citations: list[Citation] = []
        self._pieces: list[str] = []
        self._session: Session | None = None
        self._timings: dict[str, float | None] = {}

    def find_name(self) -> str:
        """The name of the model that will answer, as far as it can be known without fetching anything."""
        fixed = self._loaded.fixed
        if fixed:
            self._model = fixed[0].name
        elif not self._model:
            from gemcli.hub.default import default_name

            self._model = default_name()[0]
        return self._model

    def note(self, event: Event) -> None:
        """Remember what the result repeats."""
        if isinstance(event, Token):
            self._said.append(event.text)
        elif isinstance(event, Warning):
            self._warnings.append(event.message)

    def work(self, emit: Emit) -> None:
        """Everything up to the last token, in the worker's thread."""
        request = self._request
        for notice in request.notices:
            emit(Warning(notice))
        arrays = Arrays(request, emit)
        prepared = self._prepared = prepare(request, emit, held=self._loaded.fixed)
        self._model = prepared.model.name
        prepared.check()
        self._timings["ingest_s"] = prepared.ingest_s
        self._timings["import_s"] = arrays.wait()
        began = time.perf_counter()
        with self._loaded.used(lambda: emit(Progress("load", 0, None, "weights", prepared.model.name))):
            self._use(prepared, began, emit)

    def _use(self, prepared: Prepared, began: float, emit: Emit) -> None:
        """What needs the model, which is waited for since `began`."""
        request = self._request
        perception = self._perception(prepared, emit)
        model, spared_s = load_model(self._loaded, request, prepared, perception, emit)
        now = time.perf_counter()
        self._timings["load_s"] = now - began
        start_s = now - request.started - prepared.resolve_s + spared_s
        if prepared.packed.how == "map":
            prepared = self._prepared = read_in_windows(prepared, request, model, emit)
            perception = self._perception(prepared, emit)
        while True:
            assert perception is not None, "what is refused was refused; windows are packed"
            try:
                self._answer(prepared, perception, model, emit)
                break
            except Undecodable:
                prepared = self._prepared = repacked(
                    prepared, perception, request.question, emit, keep_going=request.keep_going
                )
                perception = self._perception(prepared, emit)
        assert self._generation is not None, "it has ended"
        self._finished(request, prepared, self._generation, start_s, emit)
        if request.schema:
            self._data = request.schema.parse("".join(self._pieces), self._generation.completion_tokens)
        if request.cite != "no":
            self._cite(prepared, model, emit)

    def _cite(self, prepared: Prepared, model: Model, emit: Emit) -> None:
        """Find where the answer is from.

        Raises:
            CitationError: that cannot be told of all of it, and must be.
        """
        from gemcli.cite.quote import check, cite

        said = "".join(self._pieces)
        self._citations = cite(prepared, self._request, said, model, self._session, emit)
        if self._request.cite == "strict":
            check(self._citations, said)

    def _perception(self, prepared: Prepared, emit: Emit) -> Perception | None:
        """The pictures and sounds of a request's prompt; None where there is no prompt yet."""
        if prepared.packed.prompt is None:
            return None

        def senses() -> Senses:
            assert self._loaded.model is not None, "nothing is looked at before the model is there"
            return self._loaded.model.senses

        return Perception(prepared.packed.prompt, prepared.packer.media, senses, emit)

    def _answer(self, prepared: Prepared, perception: Perception, model: Model, emit: Emit) -> None:
        """Read the prompt and answer it.

        Raises:
            Undecodable: something in it is damaged; nothing has been said then.
        """
        request, prompt = self._request, perception.prompt

        def on_thought(text: str) -> None:
            said = generation.completion_tokens
            emit(
                Thought(text)
                if request.think
                else Progress("think", said, None, "tokens", prepared.model.name)
            )

        self._pieces = []
        self._session = self._loaded.session
        if request.cite != "no" and self._session is None:
            from model.engine.session import Session

            self._session = Session()
        generation = self._generation = model.stream(
            prompt.ids,
            sampling=request.sampling(),
            max_tokens=prepared.limits.answer(len(prompt.ids)),
            stop=(*request.stop, *prompt.stops),
            soft=perception.soft,
            reluctant=prompt.reluctant,
            progress=lambda done, total: emit(
                Progress("prefill", done, total, "tokens", prepared.model.name)
            ),
            on_thought=on_thought,
            constraint=request.schema.constraint(prepared.card) if request.schema else None,
            marks=prompt.marks,
            about=[each.source for each in prepared.packed.documents],
            keep=keeps(request, prepared),
            session=self._session,
            top=request.logprobs,
            speculate=request.speculate,
        )
        try:
            for text in generation:
                if "first_token_s" not in self._timings:
                    self._timings["first_token_s"] = time.perf_counter() - request.started
                self._pieces.append(text)
                emit(Token(text, None if request.logprobs is None else told(generation.weighed)))
        finally:
            generation.close()
            self._note_kept(model, generation, emit)

    def _note_kept(self, model: Model, generation: Generation, emit: Emit) -> None:
        """Say what was found on the shelf, and what is wrong with it, once all is written."""
        from gemcli.prefixes import settled

        if model.engine.prefixes is not None:
            for message in settled(model.engine.prefixes, generation.cached_tokens, generation.prompt_tokens):
                emit(Warning(message))

    def _finished(
        self, request: Request, prepared: Prepared, generation: Generation, start_s: float, emit: Emit
    ) -> None:
        """Say that an answer was cut, and remember how fast it was."""
        said = generation.completion_tokens
        cut = generation.finish_reason == "length"
        if cut and (generation.thinking or request.schema or said != request.max_tokens):
            what = (
                "there is no answer: the model was still thinking"
                if generation.thinking
                else "the answer was brought to an early end"
                if request.schema and generation.shortened
                else "the answer was cut"
            )
            emit(
                Warning(
                    f"{what} after {said:,} tokens"
                    + (
                        "; --max-tokens allows more"
                        if said < prepared.limits.window - generation.prompt_tokens
                        else ", where the model's window ends"
                    )
                )
            )
        if request.private:
            return
        if self._loaded.shared:
            return
        speed.remember(
            prepared.model.name,
            start_s=start_s,
            prompt=generation.prompt_tokens - generation.cached_tokens,
            prefill_s=generation.timings.get("prefill_s") or 0.0,
            answer=said,
            decode_tokens_per_s=generation.timings.get("decode_tokens_per_s") or 0.0,
        )

    def end(self, why: Failure | None = None, *, interrupted: bool = False) -> Iterator[Event]:
        """The result, kept in the history first where it is to be: a warning of that is part of it."""
        result, turn = self.result(why, interrupted=interrupted), self.turn()
        examples = self._prepared.examples if self._prepared else ()
        if self._request.log and turn is not None:
            from gemcli.history.record import record

            for message in record(self._request, result, turn, examples):
                self._warnings.append(message)
                yield Warning(message)
            result["warnings"] = list(self._warnings)
        yield Result(result, turn, examples)

    def turn(self) -> Turn | None:
        """The question, its answer as far as it came, and the documents as they were sent."""
        if self._generation is None or self._prepared is None:
            return None
        documents = self._prepared.packed.documents
        return Turn(self._request.question, "".join(self._said), documents)

    def result(self, why: Failure | None = None, *, interrupted: bool = False) -> dict[str, object]:
        """The contract's answer object, of a finished, failed or interrupted request."""
        generation, prepared = self._generation, self._prepared
        timings = dict.fromkeys(_TIMINGS) | self._timings
        if generation:
            timings |= {name: generation.timings.get(name) for name in ("prefill_s", "decode_tokens_per_s")}
        timings["total_s"] = time.perf_counter() - self._request.started
        read = read_json(prepared.packed) if prepared else _NOTHING_READ
        finish = (
            "interrupt" if interrupted else None if why else generation.finish_reason if generation else None
        )
        return {
            "schema_version": SCHEMA_VERSION,
            "id": self.id,
            "answer": "".join(self._said),
            "data": self._data,
            "model": self._model or "",
            "finish_reason": finish,
            "citations": [each.to_json() for each in self._citations],
            "usage": {
                "prompt_tokens": generation.prompt_tokens if generation else 0,
                "cached_tokens": generation.cached_tokens if generation else 0,
                "completion_tokens": generation.completion_tokens if generation else 0,
                "drafted_tokens": generation.drafted_tokens if generation else 0,
                "accepted_tokens": generation.accepted_tokens if generation else 0,
            },
            "timings": {name: None if value is None else round(value, 4) for name, value in timings.items()},
            "read": read if generation else read | {"tokens_read": 0},
            "plan": prepared.plan(self._request.kv_bits) if prepared else {},
            "warnings": list(self._warnings),
            "error": why.to_json() if why else None,
        }


_NOTHING_READ = {"overflow": "none", "tokens_read": 0, "tokens_given": 0}
_TIMINGS = ("import_s", "load_s", "ingest_s", "prefill_s", "first_token_s", "decode_tokens_per_s", "total_s")
