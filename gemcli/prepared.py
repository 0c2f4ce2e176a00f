"""All that comes before the weights: read the files, find the model, pack the prompt."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gemcli.events import Note, Progress, Warning
from gemcli.keep import Keep
from gemcli.pack import speed
from gemcli.pack.budget import Budget, budget
from gemcli.pack.overflow import Packed, Packer, pack
from gemcli.pack.plan import plan_json
from gemcli.parts import Document
from gemcli.request import Request
from gemcli.taken import as_taken
from gemcli.turns import Turn
from gemcli.worker import Emit

if TYPE_CHECKING:
    from gemcli.hub.resolve import Resolved
    from model.load import ModelCard
    from model.reach import Mode
    from model.tokenizer.template import ChatTemplate

    Held = tuple[Resolved, ModelCard]

_BEARABLE_S = 25.0  # from the start to the first word, where it is ours to choose how much is read
_MUCH_TEXT = 200_000  # characters
_SMALL = 4096  # tokens of context that are read soon enough everywhere
_SLOW_S = 120.0  # to the first word: worth a word before it begins


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that is ready for its model: read, packed, and counted.

    Attributes:
        model: the model's name and file.
        card: what its file says about it.
        packer: makes prompts for it.
        documents: what was read, as the model can take it.
        packed: what is sent of them.
        limits: its window.
        ingest_s: seconds of reading the files.
        resolve_s: seconds of finding the model, and pulling it where it was missing.
        examples: turns that are shown as examples.
        mode: how the model is to read what is longer than it was trained for.
    """

    model: Resolved
    card: ModelCard
    packer: Packer
    documents: tuple[Document, ...]
    packed: Packed
    limits: Budget
    ingest_s: float
    resolve_s: float
    examples: tuple[Turn, ...] = ()
    mode: Mode = "auto"

    @property
    def context(self) -> int:
        """Tokens that the model must be able to read; its own window where that is enough."""
        prompt, most = self.packed.prompt, self.limits.window
        if prompt is not None:
            most = len(prompt.ids) + self.limits.answer(len(prompt.ids))
        return self.card.window if most <= self.card.window else self.limits.window

    @property
    def attention(self) -> Mode:
        """How the model reads it."""
        from model.reach import method

        return method(self.card.config, self.mode, self.context)

    def check(self) -> None:
        """Refuse what does not fit and is not to be read otherwise, with the numbers.

        Raises:
            DoesNotFitError: it does not fit.
        """
        if self.packed.how == "error":
            tokens = self.packed.given.total
        elif self.packed.prompt is not None:
            tokens = len(self.packed.prompt.ids)
        else:
            return
        documents = {
            each.source: self.packed.given.of_document(index) for index, each in enumerate(self.documents)
        }
        self.limits.check(tokens, model=self.model.name, documents=documents)

    def plan(self, kv_bits: int, *, given: bool = False) -> dict[str, Any]:
        """The contract's plan object: of what is sent, or of everything that was `given`."""
        prompt = self.packed.prompt
        whole = given or prompt is None
        return plan_json(
            self.documents if whole else self.packed.documents,
            self.packed.given if prompt is None or given else prompt.costs,
            self.limits,
            self.packed,
            model=self.model.name,
            card=self.card,
            attention=self.attention,
            kv_bits=kv_bits,
        )


def prepare(request: Request, emit: Emit, *, may_pull: bool = True, held: Held | None = None) -> Prepared:
    """Everything before the weights are read; loads no array library of the engine's.

    Files come before the model: a mistyped path must not wait for a download.

    Args:
        request: what is asked.
        emit: gets `Progress`, `Note` and `Warning` events.
        may_pull: False where a missing model is an error.
        held: the model that is in memory and will answer; None: the one that the request names.

    Raises:
        GemcliError: an input cannot be read, or the model is not there.
        ModelError: the model file is damaged or of an unknown kind.
    """
    from gemcli.described import card_of
    from gemcli.hub.recalled import recalled
    from gemcli.hub.resolve import resolve
    from gemcli.ingest.collect import collect
    from model.reach import beyond, longest, method

    began = time.perf_counter()
    documents = collect(
        request.files,
        on_event=emit,
        stdin=request.stdin,
        pages=request.pages,
        wants=request.wants,
        keep_going=request.keep_going,
        keep=Keep("parsed", request.keep),
        sources=request.sources,
    )
    shown = [_example(file, request, emit) for file, _ in request.examples]
    read = time.perf_counter()
    model = (
        held[0] if held else resolve(request.model, offline=request.offline, on_event=emit, may_pull=may_pull)
    )
    found = time.perf_counter()
    card = held[1] if held else card_of(model.path)
    if card.unread:
        emit(Warning(f"{model.name} reads text only: {card.unread}"))
    limits = budget(
        card.window,
        context=request.context,
        max_tokens=request.max_tokens,
        longest=longest(card.config),
    )
    taken = as_taken([*request.shown, *documents], request, model.name, card, limits, emit)
    examples = tuple(
        Turn(request.question, answer, as_taken(each, request, model.name, card, limits, emit))
        for each, (_, answer) in zip(shown, request.examples, strict=True)
    )
    earlier = (*request.earlier, *examples)
    form = request.schema.told if request.schema else ""
    packer = Packer(card, request.system, _thinking(request, model.name, card, emit), earlier, form)
    packed = pack(
        taken,
        request.question,
        packer,
        limits,
        policy=request.overflow,
        pace=speed.pace(model.name, _BEARABLE_S),
        keep=request.keep,
        counting=_counting(emit),
    )
    if packed.says:
        emit(Note(packed.says))
    elif packed.prompt is not None and may_pull:
        _warn_if_slow(model.name, len(packed.prompt.ids), limits, emit)
    bridged = time.perf_counter() - found
    ingest_s = read - began + bridged
    times = ingest_s, found - read
    prepared = Prepared(model, card, packer, taken, packed, limits, *times, examples, request.attention)
    if prepared.context > card.window:
        how = method(card.config, request.attention, prepared.context)
        measured = recalled(model.name, how)
        emit(Warning(beyond(model.name, card.config, how, prepared.context, measured)))
    return prepared


def _example(file: str, request: Request, emit: Emit) -> list[Document]:
    """What is shown as an example."""
    from gemcli.ingest.collect import collect

    return collect(
        (file,), on_event=emit, stdin="never", wants=request.wants, keep=Keep("parsed", request.keep)
    )


def _thinking(request: Request, model: str, card: ModelCard, emit: Emit) -> ChatTemplate | None:
    """The template that asks for thoughts, where they are wanted; None for the model's as it is."""
    if not request.think:
        return None
    if card.template.can_think:
        return card.template.with_thinking(True)
    from model.thinking import marks_of

    if marks_of(card.tokenizer, card.template) is None:
        emit(Warning(f"{model} does not think: --think changes nothing"))
    return None


def _counting(emit: Emit) -> Callable[[int, int | None], None]:
    """Shows how far documents are counted, where that takes long enough to see."""

    def report(done: int, total: int | None) -> None:
        if total is None or total > _MUCH_TEXT:
            emit(Progress("index", done, total, "characters"))

    return report


def _warn_if_slow(model: str, tokens: int, limits: Budget, emit: Emit) -> None:
    known = speed.recall(model)
    first = known.estimate(tokens, limits.longest)["first_token_s"] if known else 0.0
    if first > _SLOW_S:
        said = f"reading all {tokens:,} tokens takes about {first / 60:.0f} minutes on this machine"
        if tokens > _SMALL:
            said += f"; with --context {_SMALL} only the passages that matter are read"
        emit(Note(said))
