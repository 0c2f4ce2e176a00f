"""The models of a server: the one that answers by default, and others where they may be named."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemcli.assistant import answer
from gemcli.client import daemon
from gemcli.events import Event
from gemcli.ingest.source import Source
from gemcli.loading import Loaded
from gemcli.many import load_many
from gemcli.parts import Document
from gemcli.prepared import prepare
from gemcli.request import Request
from gemcli.server.conversation import Conversation
from gemcli.server.faults import Fault
from gemcli.turns import Turn
from gemcli.worker import Cancelled

if TYPE_CHECKING:
    from gemcli.prepared import Held

ALIAS = "default"
"""What the served model may always be called."""


@dataclass(frozen=True, slots=True)
class Past:
    """A turn that is over.

    Attributes:
        question, answer: what was said.
        sources: its files.
        documents: what the model was shown then, where that is known already.
    """

    question: str
    answer: str
    sources: tuple[Source, ...] = ()
    documents: tuple[Document, ...] = ()


@dataclass(slots=True)
class Served:
    """The models of a server.

    Attributes:
        base: settings that every request gets: the model, the device, and so on.
        name: of the served model.
        any_model: whether a request may name another model that is installed.
        slots: answers at once; None: as many as memory allows.
        queue: requests that may wait for a slot of the engine.
        since: when the server began, in seconds since 1970.
    """

    base: Request
    name: str = ""
    any_model: bool = False
    slots: int | None = None
    queue: int = 64
    since: int = 0
    _loaded: Loaded | None = None
    _told: str = ""  # what answers call the served model
    _at_hand: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, show: Callable[[Event], None]) -> int:
        """Load the served model and let it say something, so that all is compiled; returns its slots.

        Raises:
            GemcliError, ModelError: it cannot be had or loaded.
        """
        self.since = int(time.time())
        self._loaded = self._load(self.base.model, show)
        assert self._loaded.model is not None
        return self._loaded.model.engine.load.slots  # type: ignore[attr-defined]

    def about(self) -> dict[str, Any]:
        """What other processes of this user must know, to tell whether this server answers as they would."""
        assert self._loaded is not None, "it has started"
        assert self._loaded.path is not None, "it has a model"
        return daemon.about(self.base, self._loaded.path, self._loaded.stamp)

    def resolve(self, wanted: str) -> str:
        """The name of the model that a request means.

        Raises:
            Fault: it may not name that one.
        """
        if wanted in ("", ALIAS, self.name, self._told):
            return self.name
        if self.any_model and wanted in self.installed():
            return wanted
        known = ", ".join(self.names())
        raise Fault(
            404,
            f"the model {wanted!r} is not served here; there is {known}",
            param="model",
            code="model_not_found",
        )

    def names(self) -> list[str]:
        """What a request may name, the served model first."""
        others = self.installed() if self.any_model else []
        return [self.name, *(each for each in others if each != self.name)]

    def installed(self) -> list[str]:
        """The models of this machine that answer questions."""
        from gemcli.hub.catalog import CATALOG
        from gemcli.hub.store import installed

        deaf = {each.name for each in CATALOG if each.task != "answer"}
        return [each.name for each in installed() if each.state == "ready" and each.name not in deaf]

    def answer(self, name: str, request: Request, cancelled: threading.Event) -> Generator[Event]:
        """The events of an answer by a model; at a time only one model is asked."""
        yield from answer(request, self._ready(name), cancelled)

    def converse(
        self, name: str, conversation: Conversation, options: dict[str, Any], cancelled: threading.Event
    ) -> Generator[Event]:
        """The events of an answer to a conversation."""
        request = replace(
            self.base,
            model=self.spec(name),
            system=conversation.system,
            started=time.perf_counter(),
            **options,
        )
        past = [Past(said.question, said.answer, tuple(said.sources)) for said in conversation.past]
        earlier = self.turns(request, past, cancelled)
        last = conversation.last
        request = replace(request, question=last.question, sources=tuple(last.sources), earlier=earlier)
        yield from self.answer(name, request, cancelled)

    def turns(self, request: Request, past: Sequence[Past], cancelled: threading.Event) -> tuple[Turn, ...]:
        """A conversation's turns, whose files are read and packed as they were when they were asked about.

        Args:
            request: the settings that they share.
            past: the turns.
            cancelled: ends it.

        Raises:
            GemcliError: a file cannot be read.
            Cancelled: it was ended.
        """

        def emit(_: Event) -> None:
            if cancelled.is_set():
                raise Cancelled

        earlier: tuple[Turn, ...] = ()
        for each in past:
            documents = each.documents
            if each.sources:
                now = replace(
                    request, question=each.question, sources=each.sources, earlier=earlier, schema=None
                )
                documents += prepare(now, emit, may_pull=False, held=self._held(now)).packed.documents
            earlier = (*earlier, Turn(each.question, each.answer, documents))
        return earlier

    def spec(self, name: str) -> str | None:
        """How a model is named to those who find it."""
        return self.base.model if name == self.name else name

    def _held(self, request: Request) -> Held | None:
        """What is in memory of the model that a request asks; None where that is another one."""
        loaded, asked = self._loaded, self.spec(self._at_hand)
        return loaded.fixed if loaded is not None and request.model == asked else None

    def _ready(self, name: str) -> Loaded:
        """The model, in the place of another one where need be: the gate lets in one kind at a time."""
        with self._lock:
            if self._at_hand != name or self._loaded is None:
                self._unload()
                self._loaded = self._load(self.spec(name), lambda event: None)
            return self._loaded

    def _unload(self) -> None:
        if self._loaded is not None and self._loaded.model is not None:
            self._loaded.model.engine.close()  # type: ignore[attr-defined]
        self._loaded, self._at_hand = None, ""

    def _load(self, spec: str | None, show: Callable[[Event], None]) -> Loaded:
        from gemcli.hub.resolve import is_path

        loaded, name = load_many(replace(self.base, model=spec), show, slots=self.slots, queue=self.queue)
        self._told = self._told or name
        self.name = self.name or (Path(name).stem if is_path(name) else name)
        self._at_hand = self.name if spec == self.base.model else name
        return loaded
