"""A conversation: what was said, the documents it is about, and the model that remembers both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from gemcli import worker
from gemcli.assistant import Loaded, answer, make_ready
from gemcli.errors import UsageError
from gemcli.events import Event, Result
from gemcli.failure import failure
from gemcli.ident import new_id
from gemcli.request import Request, prepare
from gemcli.turns import Turn

_CHOSEN = ("select", "head", "tail", "map")
"""Ways of reading after which the next question reads all documents anew: it needs other parts of them."""


@dataclass(frozen=True, slots=True)
class Said:
    """A turn of the conversation, and what it took.

    Attributes:
        turn: the turn as it goes into the next prompt.
        files: the words that named the documents shown with it.
        tokens: of each document, by its source.
    """

    turn: Turn
    files: tuple[str, ...] = ()
    tokens: dict[str, int] = field(default_factory=dict)


class Conversation:
    """Asks one question after the other.

    Args:
        request: the settings; its files are the first documents, its earlier turns what was said before.
    """

    def __init__(self, request: Request) -> None:
        self.base = replace(request, files=(), earlier=(), question="")
        self.files: list[str] = list(request.files)
        """What the next question will be shown: not sent yet, or to be read anew for each question."""
        self.said: list[Said] = [Said(turn) for turn in request.earlier]
        self.id = request.conversation or new_id()
        self._loaded = Loaded()
        self._warming: threading.Thread | None = None
        self._asked = 0

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What was said, in order."""
        return tuple(each.turn for each in self.said)

    def warm(self) -> None:
        """Load the model while the person still types; what is wrong with it is told when it is asked."""

        def body() -> None:
            try:
                make_ready(self.base, self._loaded, lambda event: None)
            except BaseException as error:
                failure(error)

        if self.base.host is None:
            self._warming = threading.Thread(target=body, name="gemcli-warm", daemon=True)
            self._warming.start()

    def ask(self, question: str, *, again: bool = False) -> Generator[Event]:
        """The events of the answer, which is part of the conversation when they end.

        What fails before the answer begins leaves the conversation as it was.

        Args:
            question: what is asked.
            again: draw otherwise than the last time, where the answer is drawn.
        """
        self._wait()
        self._asked += again
        request = replace(
            self.base,
            question=question,
            files=tuple(self.files),
            earlier=self.turns,
            conversation=self.id,
            seed=self.base.seed + self._asked,
            started=perf_counter(),
        )
        files = tuple(self.files)
        events = answer(request, self._held())
        try:
            for event in events:
                if isinstance(event, Result):
                    self._add(event, files)
                yield event
        except KeyboardInterrupt as interrupt:
            yield from self._ended(events, interrupt, files)
            raise
        finally:
            events.close()
            self.base = replace(self.base, notices=())

    def plan(self) -> dict[str, Any]:
        """The contract's plan object of the next question, without its words.

        Raises:
            GemcliError, ModelError: a document cannot be read, or there is no model.
        """
        request = replace(self.base, files=tuple(self.files), earlier=self.turns)
        found: dict[str, Any] = {}

        def work(emit: worker.Emit) -> None:
            found.update(prepare(request, emit, may_pull=False).plan(request.kv_bits, given=True))

        for _ in worker.stream(work):
            pass
        return found

    def add(self, files: Sequence[str]) -> None:
        """Show more documents with the next question."""
        self.files += [each for each in files if each not in self.files]

    def documents(self) -> list[tuple[str, int | None]]:
        """Every document by its name, with its tokens; None for one that was not read yet."""
        found: dict[str, int | None] = {}
        for each in self.said:
            for document in each.turn.documents:
                found[document.source] = each.tokens.get(document.source)
        return list(found.items()) + [(each, None) for each in self.files if each not in found]

    def drop(self, word: str) -> str:
        """Forget a document, by its number in `documents` or its name; returns the name.

        Raises:
            UsageError: there is no such document.
        """
        names = [name for name, _ in self.documents()]
        if word.isdecimal() and 0 < int(word) <= len(names):
            word = names[int(word) - 1]
        if word not in names:
            raise UsageError(f"there is no document {word!r} in this conversation", "/files lists them.")
        self.files = [each for each in self.files if each != word]
        self.said = [
            replace(
                each,
                turn=replace(
                    each.turn,
                    documents=tuple(one for one in each.turn.documents if one.source != word),
                ),
                files=tuple(name for name in each.files if name != word),
            )
            for each in self.said
        ]
        return word

    def undo(self) -> str | None:
        """Take the last turn back; returns its question, None where there is none."""
        if not self.said:
            return None
        last = self.said.pop()
        self.files = [*last.files, *(each for each in self.files if each not in last.files)]
        return last.turn.question

    def clear(self) -> None:
        """Begin a new conversation, about nothing."""
        self.said, self.files = [], []
        self.id = new_id()

    def change(self, **settings: Any) -> None:
        """Change settings of the requests that follow."""
        self.base = replace(self.base, **settings)

    def save(self, path: Path) -> None:
        """Write the conversation: JSON where the name ends so, else Markdown.

        Raises:
            OSError: it cannot be written.
        """
        import json

        turns = [
            {
                "question": each.question,
                "answer": each.answer,
                "documents": [document.source for document in each.documents],
            }
            for each in self.turns
        ]
        if path.suffix.lower() == ".json":
            text = json.dumps({"id": self.id, "turns": turns}, ensure_ascii=False, indent=2) + "\n"
        else:
            text = "".join(_markdown(each) for each in turns)
        path.write_text(text, encoding="utf-8")

    def _held(self) -> Loaded | None:
        if self.base.host is not None:
            return None
        if self._loaded.session is None:
            from model.engine.session import Session

            self._loaded.session = Session()
        return self._loaded

    def _wait(self) -> None:
        warming, self._warming = self._warming, None
        while warming is not None and warming.is_alive():
            warming.join(worker.TICK_S)

    def _ended(
        self, events: Generator[Event], interrupt: KeyboardInterrupt, files: tuple[str, ...]
    ) -> Generator[Event]:
        """What an interrupted answer still says."""
        try:
            event = events.throw(interrupt)
            while True:
                if isinstance(event, Result):
                    self._add(event, files)
                yield event
                event = next(events)
        except (StopIteration, KeyboardInterrupt):
            return

    def _add(self, result: Result, files: tuple[str, ...]) -> None:
        turn, data = result.turn, result.data
        if turn is None or not (turn.answer or data["error"] is None):
            return
        plan, read = data["plan"], data["read"]
        assert isinstance(plan, dict), "as the contract has it"
        assert isinstance(read, dict), "as the contract has it"
        tokens = {each["source"]: each["tokens"] for each in plan.get("documents", ())}
        self.said.append(Said(turn, files, tokens))
        self.files = list(files) if read["overflow"] in _CHOSEN else []


def _markdown(turn: dict[str, Any]) -> str:
    about = "".join(f"\n- {name}" for name in turn["documents"])
    question = "\n".join(f"> {line}".rstrip() for line in turn["question"].splitlines())
    return f"{question}\n{about}\n\n{turn['answer']}\n\n".replace("\n\n\n", "\n\n")


Show = Callable[[Event], None]
