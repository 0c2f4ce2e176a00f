"""A conversation: what was said, the documents it is about, and the model that remembers both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any

from gemcli import worker
from gemcli.assistant import answer
from gemcli.chat.listed import Listed, listed
from gemcli.chat.pending import Pending
from gemcli.chat.said import Said, resumed
from gemcli.errors import GemcliError, UsageError
from gemcli.events import Event, Init, Note, Result
from gemcli.history import store
from gemcli.ident import new_id
from gemcli.loading import Loaded, make_ready
from gemcli.pack.overflow import LEAST
from gemcli.plural import counted
from gemcli.prepared import prepare
from gemcli.request import Request
from gemcli.turns import Turn

ANEW = ("select", "map")
"""Ways of reading after which the next question reads all documents again: it needs other parts of them."""

LIVELY = 0.8
"""Temperature at which an answer is drawn again that would come out the same at 0."""


class Conversation:
    """Asks one question after the other.

    Args:
        request: the settings; its files are the first documents, its earlier turns what was said before.
    """

    def __init__(self, request: Request) -> None:
        self.base = replace(request, files=(), earlier=(), question="", stdin="never")
        self.pending = Pending(request.files)
        """What the next question will be shown: not sent yet, or to be read anew for each question."""
        self.said: list[Said] = [resumed(turn) for turn in request.earlier]
        self.id = request.conversation or new_id()
        self._examples = request.examples
        self._loaded = Loaded(alone=threading.Lock())
        self._again = 0
        self._left: int | None = None

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What was said, in order."""
        return tuple(each.turn for each in self.said)

    @property
    def asked(self) -> list[Said]:
        """The turns that were asked, without the examples."""
        return [each for each in self.said if not each.is_example]

    def warm(self) -> None:
        """Load the model while the person still types; what is wrong with it is told when it is asked."""
        if self.base.host is not None:
            return
        request = self.base

        def body() -> None:
            with suppress(BaseException):
                make_ready(request, self._loaded, lambda event: None)

        threading.Thread(target=body, name="gemcli-warm", daemon=True).start()

    def ask(self, question: str) -> Generator[Event]:
        """The events of the answer, which is part of the conversation when they end.

        What fails before the answer begins leaves the conversation as it was.
        """
        notices = [*self.base.notices, *self._make_room(question)]
        yield from self._asked(replace(self.base, question=question, notices=tuple(notices)))

    def again(self) -> Generator[Event]:
        """Ask the last question again, in the place of the last turn, which stays if no answer comes.

        A finished answer is drawn otherwise than before; one that was stopped is given as it would have been.

        Raises:
            UsageError: nothing was asked yet.
        """
        if not self.said:
            raise UsageError("nothing was asked yet")
        said, pending, base = list(self.said), self.pending, self.base
        last = self._without_last()
        before = len(self.said)
        request = replace(self.base, question=last.turn.question)
        note = ""
        if last.finish != "interrupt":
            if not self.base.temperature:
                note = f"drawn at a temperature of {LIVELY}: at 0 the answer would be the same again"
            self._again += 1
            request = replace(
                request,
                seed=self.base.seed + self._again,
                temperature=self.base.temperature or LIVELY,
            )
        try:
            yield from self._asked(request, note)
        finally:
            if len(self.said) == before:
                self.said, self.pending = said, pending
                self.base = replace(self.base, examples=base.examples)
            else:
                self._take_back(last, behind=1)

    def plan(self) -> Generator[Event, None, dict[str, Any]]:
        """The events of counting; returns the contract's plan object of the next question, without its words.

        Raises:
            GemcliError, ModelError: a document cannot be read, or there is no model.
        """
        request = self._with(self.base)
        found: dict[str, Any] = {}

        def work(emit: worker.Emit) -> None:
            found.update(prepare(request, emit, may_pull=False).plan(request.kv_bits, given=True))

        yield from worker.stream(work)
        return found

    def add(self, files: Sequence[str]) -> None:
        """Show more documents with the next question."""
        self.pending = self.pending.added(files)

    def documents(self) -> list[Listed]:
        """Every document that was shown, or will be with the next question."""
        return listed(self.said, self.pending)

    def drop(self, word: str) -> str:
        """Forget a document, by its number in `documents` or its name; returns the name.

        Raises:
            UsageError: there is no such document.
        """
        names = [each.name for each in self.documents()]
        if word not in names and word.isdecimal() and 0 < int(word) <= len(names):
            word = names[int(word) - 1]
        if word not in names:
            raise UsageError(f"there is no document {word!r} in this conversation", "/files lists them.")
        self.pending = self.pending.without(word)
        self.said = [each.without(word) for each in self.said]
        self._left = None
        self._tell(partial(store.drop, self.id, word))
        return word

    def undo(self) -> str:
        """Take the last turn back; returns its question.

        Raises:
            UsageError: there is none.
        """
        if not self.said:
            raise UsageError("there is nothing to take back")
        last = self._without_last()
        self._left = None
        self._take_back(last)
        return last.turn.question

    def clear(self) -> None:
        """Begin a new conversation, about nothing."""
        self.said, self.pending = [], Pending()
        self.base = replace(self.base, examples=self._examples)
        self.id = new_id()
        self._left = None

    def change(self, **settings: Any) -> None:
        """Change settings of the requests that follow."""
        self.base = replace(self.base, **settings)
        self._left = None

    def _with(self, request: Request) -> Request:
        """The request with what it is shown, and what was said before."""
        return replace(request, files=self.pending.files, shown=self.pending.held, earlier=self.turns)

    def _without_last(self) -> Said:
        """Take the last turn out, with its examples; what it was shown is to be shown again."""
        last = self.said.pop()
        self.pending = last.shown.and_then(self.pending)
        while self.said and self.said[-1].is_example:
            self.said.pop()
            self.base = replace(self.base, examples=self._examples)
        return last

    def _asked(self, request: Request, note: str = "") -> Generator[Event]:
        """The events of an answer; `note` is said once it is under way."""
        request = replace(self._with(request), conversation=self.id, started=perf_counter())
        events = answer(request, self._held())
        try:
            for event in events:
                if isinstance(event, Result):
                    self._add(event, request)
                yield event
                if note and isinstance(event, Init):
                    yield Note(note)
        except KeyboardInterrupt as interrupt:
            yield from self._ended(events, interrupt, request)
            raise
        finally:
            events.close()
            self.base = replace(self.base, notices=())

    def _held(self) -> Loaded | None:
        if self.base.host is not None:
            return None
        if self._loaded.session is None:
            from model.engine.session import Session

            self._loaded.session = Session()
        return self._loaded

    def _ended(
        self, events: Generator[Event], interrupt: KeyboardInterrupt, request: Request
    ) -> Generator[Event]:
        """What an interrupted answer still says."""
        try:
            event = events.throw(interrupt)
            while True:
                if isinstance(event, Result):
                    self._add(event, request)
                yield event
                event = next(events)
        except (StopIteration, KeyboardInterrupt):
            return

    def _add(self, result: Result, request: Request) -> None:
        data = result.data
        said, finish = str(data["answer"]), data["finish_reason"]
        turn = result.turn
        if turn is None and said and finish == "interrupt":  # another gemcli answered: it tells at the end
            self.said.append(Said(Turn(request.question, said), finish="interrupt"))
            return
        if turn is None or not (said or data["error"] is None):
            return
        plan, read, usage = data["plan"], data["read"], data["usage"]
        assert isinstance(plan, dict), "as the contract has it"
        assert isinstance(read, dict), "as the contract has it"
        assert isinstance(usage, dict), "as the contract has it"
        tokens = {each["source"]: each["tokens"] for each in plan.get("documents", ())}
        anew = read["overflow"] in ANEW
        chosen = read["tokens_read"] if anew else 0
        shown = Pending(request.files, request.shown)
        self.said += [Said(each, is_example=True) for each in result.examples]
        self.said.append(Said(turn, shown, tokens, None if finish is None else str(finish), chosen))
        self.pending = shown if anew else Pending()
        if result.examples:  # they are part of the conversation now
            self.base = replace(self.base, examples=())
        if "budget" in plan:
            taken = usage["prompt_tokens"] + usage["completion_tokens"]
            self._left = plan["budget"] + plan["overhead_tokens"] - taken

    def _make_room(self, question: str) -> list[str]:
        """Leave out passages that were chosen for earlier questions where this one needs room for its own.

        Returns what is said of it.
        """
        if self._left is None or not self.pending:
            return []
        left, freed = self._left - len(question) // 3, 0
        for index, each in enumerate(self.said):
            if left >= LEAST:
                break
            if each.chosen:
                self.said[index] = replace(each, turn=replace(each.turn, documents=()), chosen=0)
                question = each.turn.question
                behind = sum(one.turn.question == question for one in self.said[index + 1 :])
                self._tell(partial(store.leave_out, self.id, question, behind=behind))
                left += each.chosen
                freed += 1
        if not freed:
            return []
        return [
            f"the passages chosen for {counted(freed, 'earlier question')} are left out from now on, to make"
            " room for those that this one needs"
        ]

    def _take_back(self, said: Said, behind: int = 0) -> None:
        self._tell(partial(store.take_back, self.id, said.turn.question, behind=behind))

    def _tell(self, change: Callable[..., None]) -> None:
        """Tell the history, which `-c` goes on from; where that fails, it goes on from too much."""
        if self.base.log:
            with suppress(GemcliError, OSError):
                change(warn=lambda message: None)
