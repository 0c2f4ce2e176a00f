"""What the history holds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gemcli.parts import Document


@dataclass(frozen=True, slots=True)
class Seen:
    """A document that a turn showed.

    Attributes:
        document: as it was sent.
        path: the file that it came from, absolute; None where it was none.
        size, changed: that file's bytes and time of last change (ns) when it was read; None where it changed
            meanwhile.
        is_dropped: the conversation goes on without it.
    """

    document: Document
    path: Path | None = None
    size: int | None = None
    changed: int | None = None
    is_dropped: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One turn of the history.

    Attributes:
        conversation: its id.
        at: when it was asked: seconds since 1970.
        question, system, model, answer: as they were; `system` None for the default.
        kind: ``asked``, or ``example``: shown to the model as if it had been.
        ending: ``stop``, ``length``, ``interrupt``, ``error``, or ``undone``: taken back.
        options: the settings that were not the defaults; JSON values.
        details: the rest of the contract's answer object.
        sources: names of its documents.
        id: its number; 0 before it is stored.
    """

    conversation: str
    at: float
    question: str
    answer: str
    model: str
    system: str | None = None
    kind: str = "asked"
    ending: str = "stop"
    options: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    id: int = 0

    @property
    def goes_on(self) -> bool:
        """Whether a conversation can go on from it: there is an answer, if only its beginning."""
        return self.ending not in ("error", "undone") and bool(self.answer.strip())


@dataclass(frozen=True, slots=True)
class Heading:
    """A conversation in a list.

    Attributes:
        id: its id.
        begun, last: seconds since 1970 of its first and last question.
        turns: how many questions.
        question: the first.
        model: that answered last.
        sources: names of all its documents.
        ending: of the last turn.
    """

    id: str
    begun: float
    last: float
    turns: int
    question: str
    model: str
    sources: tuple[str, ...]
    ending: str
