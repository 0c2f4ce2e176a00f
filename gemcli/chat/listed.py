"""The documents of a conversation, as they are listed: what was shown, and what will be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gemcli.chat.pending import Pending
from gemcli.chat.said import Said


@dataclass(frozen=True, slots=True)
class Listed:
    """A document of the conversation.

    Attributes:
        name: its name.
        tokens: how many it has; None where that is not known.
        comes: it was not shown yet, and comes with the next question.
    """

    name: str
    tokens: int | None = None
    comes: bool = False


def listed(said: Sequence[Said], pending: Pending) -> list[Listed]:
    """Every document that was shown, or will be with the next question, once."""
    found: dict[str, Listed] = {}
    for each in said:
        for document in each.turn.documents:
            found[document.source] = Listed(document.source, each.tokens.get(document.source))
    for name in pending.names:
        found.setdefault(name, Listed(name, comes=True))
    return list(found.values())
