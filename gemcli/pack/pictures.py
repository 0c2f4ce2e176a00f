"""The person's say in how closely pictures are looked at (``--image-tokens``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gemcli.errors import UsageError
from gemcli.events import Event, Warning
from gemcli.pack.media import Media, Perceiving
from gemcli.parts import Document, Image, Part


def with_budget(
    documents: Sequence[Document],
    tokens: int,
    model: str,
    card: Perceiving,
    emit: Callable[[Event], None],
) -> list[Document]:
    """Documents whose pictures may take so many soft tokens each; frames of a video keep their own number.

    Args:
        documents: as they were read.
        tokens: asked for.
        model: its name, for messages.
        card: the model.
        emit: gets a `Warning` where the model cannot see, so that nothing is chosen.

    Raises:
        UsageError: the model does not know that number, or has no choice.
    """
    if card.vision is None:
        emit(Warning(f"{model} cannot see: --image-tokens changes nothing"))
        return list(documents)
    levels = Media(card).levels
    if not levels:
        raise UsageError(
            f"{model} looks at every picture equally closely: --image-tokens {tokens} cannot be chosen",
            "Leave it out, or take a model that has the choice (Gemma 4).",
        )
    if tokens not in levels:
        known = ", ".join(map(str, levels))
        raise UsageError(
            f"--image-tokens {tokens} cannot be chosen: {model} knows {known}",
            f"Give one of {known}.",
        )

    def changed(part: Part) -> Part:
        is_frame = isinstance(part, Image) and part.role == "frame"
        return replace(part, budget=tokens) if isinstance(part, Image) and not is_frame else part

    return [replace(each, parts=tuple(map(changed, each.parts))) for each in documents]
