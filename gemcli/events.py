"""The stream between an answer in the making and whoever shows it.

Pure values: `gemcli.assistant` and `gemcli.hub` produce them, `gemcli.ui` shows them, and
``-o stream-json`` prints each one as a line.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from gemcli.turns import Turn

Stage = Literal[
    "pull", "verify", "ingest", "ocr", "transcribe", "frames", "index", "load", "encode", "prefill", "think",
    "map", "measure", "batch", "cite",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Init:
    """The request was understood and work begins."""

    id: str
    model: str


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` units (files, bytes, tokens) of one stage; `total` None when unknown."""

    stage: Stage
    done: int
    total: int | None
    unit: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Thought:
    """Text of the model's thinking channel; never part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Token:
    """The next piece of the answer: whole characters, possibly of several tokens.

    `logprobs` are those tokens with how likely each was, where that is asked for: ``token``, ``logprob``,
    ``bytes``, and ``top_logprobs`` with the same three of the likeliest in its place.
    """

    text: str
    logprobs: tuple[dict[str, object], ...] | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line, though nothing is amiss."""

    message: str


@dataclass(frozen=True, slots=True)
class Warning:
    """Something the person should know; the answer goes on."""

    message: str


@dataclass(frozen=True, slots=True)
class Error:
    """The answer failed; `code` is the exit code, `hint` says what to do about it."""

    code: int
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The end: the contract's answer object (``schema_version`` 1).

    `turn` is what a conversation goes on from; None where no answer began.  `examples` are the turns that the
    model was shown before it as if they had been asked.  Neither is in any output.
    """

    data: dict[str, object]
    turn: Turn | None = None
    examples: tuple[Turn, ...] = ()


Event = Init | Progress | Thought | Token | Note | Warning | Error | Result


def to_json(event: Event) -> dict[str, object]:
    """An event as one object of ``stream-json``: ``{"type": …, …}``."""
    kind = type(event).__name__.lower()
    if isinstance(event, Result):
        return {"type": kind, **event.data}
    if isinstance(event, Token) and event.logprobs is None:
        return {"type": kind, "text": event.text}
    return {"type": kind, **asdict(event)}
