"""One turn of a conversation, with what it took."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gemcli.chat.pending import Pending
from gemcli.turns import Turn


@dataclass(frozen=True, slots=True)
class Said:
    """A turn of the conversation, and what it took.

    Attributes:
        turn: the turn as it goes into the next prompt.
        shown: what it was asked with.
        tokens: of each document, by its source.
        finish: why the answer ended; None where that is not known any more.
        chosen: tokens of its documents, where they are passages that were chosen for this one question.
        is_example: it was given by the person, and is there for the turn that follows.
    """

    turn: Turn
    shown: Pending = field(default_factory=Pending)
    tokens: dict[str, int] = field(default_factory=dict)
    finish: str | None = None
    chosen: int = 0
    is_example: bool = False

    def without(self, name: str) -> Said:
        """The turn less one of its documents."""
        kept = tuple(each for each in self.turn.documents if each.source != name)
        return replace(self, turn=replace(self.turn, documents=kept), shown=self.shown.without(name))


def resumed(turn: Turn) -> Said:
    """A turn of the history, whose documents are there as they were sent."""
    return Said(turn, Pending(held=turn.documents))
