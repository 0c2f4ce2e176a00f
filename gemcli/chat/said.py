"""One turn of a conversation, with what it took."""

from __future__ import annotations

from dataclasses import dataclass, field

from gemcli.turns import Turn


@dataclass(frozen=True, slots=True)
class Said:
    """A turn of the conversation, and what it took.

    Attributes:
        turn: the turn as it goes into the next prompt.
        files: the words that named the documents shown with it.
        tokens: of each document, by its source.
        finish: why the answer ended; None where that is not known any more.
        chosen: tokens of its documents, where they are passages that were chosen for this one question.
    """

    turn: Turn
    files: tuple[str, ...] = ()
    tokens: dict[str, int] = field(default_factory=dict)
    finish: str | None = None
    chosen: int = 0


def resumed(turn: Turn) -> Said:
    """A turn of the history, whose documents are found again by their names."""
    return Said(turn, tuple(dict.fromkeys(each.source for each in turn.documents)))
