"""The model of a request: brought into place, kept for the next one, and used by one request at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gemcli import worker
from gemcli.described import Stamp, stamp
from gemcli.errors import GemcliError, UsageError
from gemcli.events import Progress, Warning
from gemcli.garbage import kept_from_arrays
from gemcli.perceive import Perception
from gemcli.prefixes import shelf
from gemcli.prepared import Prepared, prepare
from gemcli.request import Request
from gemcli.settings import cache_dir, make_private
from gemcli.worker import Emit

if TYPE_CHECKING:
    from gemcli.prepared import Held
    from model.engine.session import Session
    from model.load import Model
    from model.prompt import Expected


@dataclass(slots=True)
class Loaded:
    """The model that was loaded last, which stays for the next request if that asks for the same file.

    Attributes:
        held: its name and what its file said when it was loaded; None while there is no model.
        stamp: its files then.
        reach: how it attends, to how many tokens, and in how many bits it remembers them.
        model: the model.
        load_s: seconds that it took.
        draft: the name of the model that drafts for it.
        session: what it remembers of a conversation, for requests that go on with one; None: they do not.
        alone: taken by the one request that uses the model, where a request that was given up may still be at
            it when the next one comes; None: whoever calls sees to that.
        shared: others use the model at the same time: it stays as it is, and how fast it seems says nothing.
    """

    held: Held | None = None
    stamp: Stamp = ()
    reach: tuple[str, int, int] | None = None
    model: Model | None = None
    load_s: float = 0.0
    draft: str | None = None
    session: Session | None = None
    alone: threading.Lock | None = None
    shared: bool = False

    @property
    def path(self) -> Path | None:
        """Its file; None while there is no model."""
        return self.held[1].path if self.held else None

    @property
    def fixed(self) -> Held | None:
        """`held` where that answers whatever a request names, and whatever lies in its place by now."""
        return self.held if self.shared else None

    @contextmanager
    def used(self, waiting: Callable[[], None]) -> Iterator[None]:
        """While this lasts no other request uses the model; `waiting` is called now and then before that."""
        if self.alone is None:
            yield
            return
        while not self.alone.acquire(timeout=worker.TICK_S):
            waiting()
        try:
            yield
        finally:
            self.alone.release()


class Arrays:
    """The array library on its way in, in a thread of its own: half a second, while the files are read."""

    def __init__(self, request: Request, emit: Emit) -> None:
        compiled = _own_folder("compiled", request, emit)
        self._error: BaseException | None = None
        self._seconds = 0.0
        self._thread = threading.Thread(
            target=self._run, args=(compiled, request), name="gemcli-arrays", daemon=True
        )
        self._thread.start()

    def _run(self, compiled: Path | None, request: Request) -> None:
        began = time.perf_counter()
        try:
            with kept_from_arrays():
                from model.load import prepare

                prepare(compiled, request.device, keep=not request.private)
        except BaseException as error:
            self._error = error
        self._seconds = time.perf_counter() - began

    def wait(self) -> float:
        """Seconds that it took; raises what it raised."""
        from model import version

        version.code()  # what is kept is found by it: read while the thread computes
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._seconds


def make_ready(request: Request, loaded: Loaded, emit: Emit) -> None:
    """Load a request's model before anything is asked; nothing is downloaded for it.

    Raises:
        GemcliError, ModelError: it is not there, or cannot be loaded.
    """
    request = replace(request, files=(), sources=(), stdin="never", question="")
    arrays = Arrays(request, emit)
    prepared = prepare(request, emit, may_pull=False)
    arrays.wait()
    with loaded.used(lambda: None):
        load_model(loaded, request, prepared, None, emit)


def load_model(
    loaded: Loaded, request: Request, prepared: Prepared, perception: Perception | None, emit: Emit
) -> tuple[Model, float]:
    """A request's model, and the seconds that were spared because it was there already.

    Args:
        loaded: where it is, or will be.
        request: what is asked.
        prepared: the same, packed.
        perception: of its prompt; None where there is no prompt yet.
        emit: gets `Progress` and `Warning` events.

    Raises:
        GemcliError, ModelError: it cannot be loaded.
    """
    from gemcli.hub.room import check_room
    from model.load import load

    beyond = prepared.attention, prepared.context, request.kv_bits
    if loaded.model is not None and (
        loaded.shared or (loaded.path, loaded.reach) == (prepared.card.path, beyond)
    ):
        _load_draft(loaded, request, prepared, emit)
        return loaded.model, loaded.load_s
    loaded.held = loaded.model = loaded.draft = None  # there may be no room for two
    loaded.stamp = stamp(prepared.model.path)
    if loaded.session is not None:
        loaded.session.forget()
    name = prepared.model.name
    prompt = prepared.packed.prompt
    check_room(name, prepared.card, len(prompt.ids) if prompt else beyond[1], beyond[2])
    emit(Progress("load", 0, None, "weights", name))
    began = time.perf_counter()
    loaded.model = load(
        prepared.card,
        context=beyond[1],
        attention=beyond[0],
        kv_bits=beyond[2],
        copies=_own_folder("weights", request, emit),
        keep=not request.private,
        progress=lambda done, total: emit(Progress("load", done, total, "weights", name)),
        shelf=shelf(request, name),
        expected=_expected(request, prepared, perception),
        warn=lambda message: emit(Warning(message)),
    )
    loaded.held, loaded.reach = (prepared.model, prepared.card), beyond
    loaded.load_s = time.perf_counter() - began
    _load_draft(loaded, request, prepared, emit)
    return loaded.model, 0.0


def _load_draft(loaded: Loaded, request: Request, prepared: Prepared, emit: Emit) -> None:
    """Bring the model that drafts into place, or let it go, as a request says.

    Raises:
        UsageError: it cannot draft for the request's model.
        GemcliError, ModelError: it cannot be had or loaded.
    """
    name, model = request.draft_model if request.speculate else None, loaded.model
    if loaded.shared or model is None or loaded.draft == name:
        return
    loaded.draft = model.draft = None
    if name is None:
        return
    from gemcli.hub.resolve import resolve
    from gemcli.hub.room import check_room
    from model.engine.draft import DraftModel, can_draft
    from model.load import describe, load

    found = resolve(name, offline=request.offline, on_event=emit)
    card = describe(found.path)
    if card.tokenizer.fingerprint != prepared.card.tokenizer.fingerprint:
        raise UsageError(
            f"{found.name} cannot draft for {prepared.model.name}: its vocabulary is another one",
            "A draft model is a smaller one of the same family.",
        )
    if not can_draft(card.config):
        raise UsageError(f"{found.name} cannot draft: a recurrent model takes no token back")
    check_room(found.name, card, prepared.context, request.kv_bits)
    emit(Progress("load", 0, None, "weights", found.name))
    engine = load(
        card,
        context=prepared.context,
        attention="dense",
        kv_bits=request.kv_bits,
        copies=_own_folder("weights", request, emit),
        keep=not request.private,
        progress=lambda done, total: emit(Progress("load", done, total, "weights", found.name)),
    ).engine
    model.draft, loaded.draft = DraftModel(engine), name


def keeps(request: Request, prepared: Prepared) -> bool:
    """Whether the prompt is kept, and used where it was kept: not what was chosen for one question."""
    return request.keep and prepared.packed.how not in ("select", "map")


def _expected(request: Request, prepared: Prepared, perception: Perception | None) -> Expected | None:
    """The prompt that will be asked, where it can be told before the weights are there."""
    from model.prompt import Expected

    if perception is None or not keeps(request, prepared) or not all(each.key for each in perception.soft):
        return None
    prompt = perception.prompt
    limit = prepared.limits.answer(len(prompt.ids))
    return Expected(prompt.ids, perception.soft, prompt.marks, limit)


def _own_folder(name: str, request: Request, emit: Emit) -> Path | None:
    """A folder of the cache that is the user's alone; None, and said, where it cannot be made."""
    if request.private:
        return cache_dir() / name  # what is there is used, and it is not made
    try:
        return make_private(cache_dir() / name)
    except GemcliError as error:
        emit(Warning(f"{error.message}: every start will be slow"))
        return None
