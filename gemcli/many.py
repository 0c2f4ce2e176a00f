"""One model in memory that answers many requests at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from time import perf_counter

from gemcli.assistant import answer
from gemcli.events import Event, Init, Note, Progress, Result, Warning
from gemcli.loading import Loaded
from gemcli.request import Request


def load_many(
    request: Request, show: Callable[[Event], None], *, slots: int | None = None, queue: int = 64
) -> tuple[Loaded, str]:
    """Load a model and let it say something, so that all is compiled.

    Args:
        request: its settings: the model, the device, and so on.
        show: gets `Progress`, `Note` and `Warning` events of it.
        slots: answers at once; None: as many as memory allows.
        queue: requests that may wait for a slot.

    Returns:
        The model, and its name.

    Raises:
        GemcliError, ModelError: it cannot be had or loaded.
    """
    from model.engine.batching import batched

    loaded = Loaded()
    hello = replace(
        request,
        question="Hi",
        files=(),
        sources=(),
        earlier=(),
        stdin="never",
        examples=(),
        system="",
        schema=None,
        cite="no",
        logprobs=None,
        max_tokens=1,
    )
    name = _say(hello, loaded, show)
    assert loaded.model is not None, "an answer leaves its model behind"
    loaded.shared = True
    loaded.model = batched(loaded.model, slots=slots, queue=queue)
    _say(replace(hello, max_tokens=4), loaded, show)  # what many share is compiled before they come
    return loaded, name


def _say(request: Request, loaded: Loaded, show: Callable[[Event], None]) -> str:
    """Have a request answered for its own sake; returns what the answer calls its model."""
    name = ""
    with closing(answer(replace(request, started=perf_counter()), loaded)) as events:
        for event in events:
            if isinstance(event, Init):
                name = event.model
            elif isinstance(event, Result):
                name = str(event.data["model"])
            elif isinstance(event, Progress | Note | Warning):
                show(event)
    return name


@dataclass(slots=True)
class Many:
    """Answers requests from many threads; the model is loaded for the first of them.

    Attributes:
        request: settings of the model.
        show: see `load_many`.
        slots, queue: see `load_many`.
    """

    request: Request
    show: Callable[[Event], None]
    slots: int | None = None
    queue: int = 64
    _loaded: Loaded | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, request: Request, cancelled: threading.Event) -> Generator[Event]:
        """The events of an answer; see `gemcli.assistant.answer`."""
        with self._lock:
            if self._loaded is None:
                self._loaded, _ = load_many(self.request, self.show, slots=self.slots, queue=self.queue)
        yield from answer(request, self._loaded, cancelled)
