"""What is asked: a question, the files it is about, and how to answer it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from gemcli.ingest.wants import Wants

if TYPE_CHECKING:
    from gemcli.ingest.source import Source
    from gemcli.pack.overflow import Policy
    from gemcli.parts import Document
    from gemcli.structured.schema import Schema
    from gemcli.turns import Turn
    from model.reach import Mode
    from model.sampling.sampler import Sampling

Device = Literal["auto", "cpu", "gpu", "tpu"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, of which model, about which files.

    Attributes:
        question: what is asked; may be empty in a plan.
        files: paths, directories, globs, ``-``.
        sources: inputs that came with their bytes, under names that are labels only; before the files.
        shown: documents as they were sent before; before both.
        earlier: the conversation before.
        examples: files with the answer that the same question should get about each, shown as turns.
        stdin: ``auto``: without files, what is piped in is the document; ``never``: it was something else.
        model: a name of the catalogue, a path, ``hf:…``; None for the machine's default.
        system: the instruction; None for the default, ``""`` for none.
        pages: pages to read of every PDF (``3-9,12``).
        wants: how the files are to be read.
        ocr: read pictures by OCR even where the model sees them.
        keep_going: leave out inputs that cannot be read instead of failing.
        conversation: the one that goes on; None for a new one.
        notices: what the person is told first.
        log: keep the answer in the history.
        private: write nothing to disk at all; `keep` and `log` are then off.
        keep: whether what is made of files may be kept on disk, and what was kept used.
        schema: what the answer must be; None for text.
        cite: whether quotes show where the answer is from; ``strict``: an answer with a quote that cannot be
            verified is an error.
        context: tokens of prompt and answer together; None for the model's window.
        overflow: what to do with documents that do not fit.
        image_tokens: soft tokens of a picture at most, where the model has the choice; frames of a video keep
            their own number.
        max_tokens: tokens of the answer at most; None for a sensible limit.
        temperature: 0 takes the likeliest token.
        top_k: sample among so many; 0 for all.
        top_p: sample among the likeliest that have this probability together.
        min_p: leave out tokens less likely than this times the likeliest.
        seed: of the sampling.
        logprobs: tell how likely each token of the answer was, and so many of the likeliest in its place (at
            most 20); None tells nothing.
        stop: strings at which the answer ends; they are not part of it.
        kv_bits: bits of a value in the KV cache.
        attention: how a text is read that is longer than the model was trained for.
        draft_model: a smaller one that says beforehand what the model then checks; None: there is none.
        speculate: what repeats the documents or the answer may be checked several tokens at a time.
        think: the model is to think before it answers, and its thoughts are shown.
        device: where to compute.
        offline: forbid the network.
        host: the address of another gemcli that answers; ``none``: this process does; None: this one, or a
            server of this machine that answers just the same.
        started: when the request began, by `time.perf_counter`.
    """

    question: str
    files: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    shown: tuple[Document, ...] = ()
    earlier: tuple[Turn, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    stdin: Literal["auto", "never"] = "auto"
    model: str | None = None
    system: str | None = None
    pages: str | None = None
    wants: Wants = field(default_factory=Wants)
    ocr: bool = False
    keep_going: bool = False
    conversation: str | None = None
    notices: tuple[str, ...] = ()
    log: bool = False
    private: bool = False
    keep: bool = True
    schema: Schema | None = None
    cite: Literal["no", "yes", "strict"] = "no"
    context: int | None = None
    overflow: Policy = "auto"
    image_tokens: int | None = None
    max_tokens: int | None = None
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = 0
    logprobs: int | None = None
    stop: tuple[str, ...] = ()
    kv_bits: int = 16
    attention: Mode = "auto"
    draft_model: str | None = None
    speculate: bool = True
    think: bool = False
    device: Device = "auto"
    offline: bool = False
    host: str | None = None
    started: float = field(default_factory=time.perf_counter)

    def sampling(self) -> Sampling:
        """How the engine chooses tokens."""
        from model.sampling.sampler import Sampling

        return Sampling(self.temperature, self.top_k, self.top_p, self.min_p, self.seed)
