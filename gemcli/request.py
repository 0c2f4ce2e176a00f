"""What is asked, and all that comes before the weights: read the files, find the model, pack the prompt."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from gemcli.pack.assemble import Prompt, assemble
from gemcli.pack.budget import Budget, budget
from gemcli.pack.plan import plan_json
from gemcli.parts import Document
from gemcli.worker import Emit

if TYPE_CHECKING:
    from gemcli.hub.resolve import Resolved
    from model.load import ModelCard
    from model.sampling.sampler import Sampling

Device = Literal["auto", "cpu", "gpu", "tpu"]
Overflow = Literal["auto", "error"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, of which model, about which files.

    Attributes:
        question: what is asked; may be empty in a plan.
        files: paths, directories, globs, ``-``.
        stdin: ``auto``: without files, what is piped in is the document; ``never``: it was something else.
        model: a name of the catalogue, a path, ``hf:…``; None for the machine's default.
        system: the instruction; None for the default, ``""`` for none.
        pages: pages to read of every PDF (``3-9,12``).
        keep_going: leave out inputs that cannot be read instead of failing.
        context: tokens of prompt and answer together; None for the model's window.
        overflow: what to do with a prompt that does not fit; so far it is always an error.
        max_tokens: tokens of the answer at most; None for a sensible limit.
        temperature: 0 takes the likeliest token.
        top_k: sample among so many; 0 for all.
        top_p: sample among the likeliest that have this probability together.
        min_p: leave out tokens less likely than this times the likeliest.
        seed: of the sampling.
        stop: strings at which the answer ends; they are not part of it.
        kv_bits: bits of a value in the KV cache.
        device: where to compute.
        offline: forbid the network.
        started: when the request began, by `time.perf_counter`.
    """

    question: str
    files: tuple[str, ...] = ()
    stdin: Literal["auto", "never"] = "auto"
    model: str | None = None
    system: str | None = None
    pages: str | None = None
    keep_going: bool = False
    context: int | None = None
    overflow: Overflow = "auto"
    max_tokens: int | None = None
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    kv_bits: int = 16
    device: Device = "auto"
    offline: bool = False
    started: float = field(default_factory=time.perf_counter)

    def sampling(self) -> Sampling:
        """How the engine chooses tokens."""
        from model.sampling.sampler import Sampling

        return Sampling(self.temperature, self.top_k, self.top_p, self.min_p, self.seed)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that is ready for its model: read, packed, and counted.

    Attributes:
        model: the model's name and file.
        card: what its file says about it.
        documents: what was read.
        prompt: what the model gets.
        limits: its window.
        plan: the contract's plan object.
        ingest_s: seconds of reading the files.
        resolve_s: seconds of finding the model, and pulling it where it was missing.
    """

    model: Resolved
    card: ModelCard
    documents: tuple[Document, ...]
    prompt: Prompt
    limits: Budget
    plan: dict[str, Any]
    ingest_s: float
    resolve_s: float

    def check(self) -> None:
        """Refuse a prompt that does not fit, with the numbers.

        Raises:
            DoesNotFitError: always, when the plan's ``fits`` is false.
        """
        self.limits.check(
            len(self.prompt.ids),
            model=self.model.name,
            documents={each["source"]: each["tokens"] for each in self.plan["documents"]},
        )


def prepare(request: Request, emit: Emit, *, may_pull: bool = True) -> Prepared:
    """Everything before the weights are read; loads no array library.

    Files come before the model: a mistyped path must not wait for a download.

    Args:
        request: what is asked.
        emit: gets `Progress` and `Warning` events.
        may_pull: False where a missing model is an error.

    Raises:
        GemcliError: an input cannot be read, or the model is not there.
        ModelError: the model file is damaged or of an unknown kind.
    """
    from gemcli.hub.resolve import resolve
    from gemcli.ingest.collect import collect
    from model.load import describe

    began = time.perf_counter()
    documents = tuple(
        collect(
            request.files,
            on_event=emit,
            stdin=request.stdin,
            pages=request.pages,
            keep_going=request.keep_going,
        )
    )
    read = time.perf_counter()
    model = resolve(request.model, offline=request.offline, on_event=emit, may_pull=may_pull)
    found = time.perf_counter()
    card = describe(model.path)
    limits = budget(card.window, context=request.context, max_tokens=request.max_tokens)
    prompt = assemble(
        documents,
        request.question,
        system=request.system,
        template=card.template,
        tokenizer=card.tokenizer,
        is_base=card.is_base,
    )
    plan = plan_json(documents, prompt.costs, limits, model=model.name, card=card, kv_bits=request.kv_bits)
    return Prepared(model, card, documents, prompt, limits, plan, read - began, found - read)
