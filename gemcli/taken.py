"""Documents in parts that a model can take: pictures and sound, or the texts that stand for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemcli.errors import InputError
from gemcli.events import Note
from gemcli.pack.budget import Budget
from gemcli.parts import Audio, Document, Text
from gemcli.worker import Emit

if TYPE_CHECKING:
    from gemcli.request import Request
    from model.load import ModelCard

_EARSHOT = 0.75  # of the room for documents, which sound may take


def as_taken(
    documents: list[Document], request: Request, model: str, card: ModelCard, limits: Budget, emit: Emit
) -> tuple[Document, ...]:
    """The documents in parts that the model can take.

    Raises:
        InputError: nothing of any document can be shown to this model.
        UsageError: the model does not know the number of tokens asked for a picture.
    """
    if request.image_tokens is not None:
        from gemcli.pack.pictures import with_budget

        documents = with_budget(documents, request.image_tokens, model, card, emit)
    if all(isinstance(part, Text) for each in documents for part in each.parts):
        return tuple(documents)
    from gemcli.bridge.apply import DEAF, bridge

    senses = card.senses
    if "audio" in senses and request.overflow not in ("error", "map"):
        senses = _within_earshot(documents, card, limits, emit)
    made = bridge(
        documents,
        senses=senses,
        ocr=request.ocr,
        offline=request.offline,
        keep=request.keep,
        emit=emit,
        max_frames=request.wants.max_frames,
        deaf=DEAF if senses == card.senses else "it is too long to be heard itself",
    )
    unseen = [each for each in made if each.meta.get("unseen")]
    if made and len(unseen) == len(made):
        names = ", ".join(each.source for each in unseen[:3]) + (" …" if len(unseen) > 3 else "")
        notes = [part.text for part in unseen[0].parts if isinstance(part, Text)]
        why = f": {notes[0].strip('()')}" if len(unseen) == 1 and len(notes) == 1 else ""
        raise InputError(
            f"{names}: there is nothing in it that this model can take{why}",
            "It reads text and what OCR and speech recognition make of pictures and sound; "
            "a model that sees or hears is given by -m.",
        )
    return tuple(made)


def _within_earshot(documents: list[Document], card: ModelCard, limits: Budget, emit: Emit) -> frozenset[str]:
    """The model's senses; without hearing where the sound would not leave room for anything else.

    What is said in it is then written down, which takes a fifth of the tokens or less.
    """
    from gemcli.pack.media import Media

    media = Media(card)
    tokens = sum(
        media.cost(media.pieces(part))
        for document in documents
        for part in document.parts
        if isinstance(part, Audio)
    )
    most = int(_EARSHOT * limits.for_documents(0))
    if tokens <= most:
        return card.senses
    emit(
        Note(
            f"the sound would take {tokens:,} tokens, more than the {most:,} that it may have: "
            "what is said in it is written down and read as text"
        )
    )
    return card.senses - {"audio"}
