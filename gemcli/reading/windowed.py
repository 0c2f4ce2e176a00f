"""A prepared request whose documents are read in windows: notes take the documents' place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from gemcli.errors import DoesNotFitError
from gemcli.keep import Keep
from gemcli.pack import speed
from gemcli.pack.assemble import SYSTEM, Prompt
from gemcli.parts import Part, Text
from gemcli.reading.listen import Answer
from gemcli.reading.mapped import Reader, read_all
from gemcli.request import Prepared, Request
from gemcli.worker import Emit

if TYPE_CHECKING:
    from model.load import Model


def read_in_windows(prepared: Prepared, request: Request, model: Model, emit: Emit) -> Prepared:
    """Read all documents of a request window by window; what is packed is then the notes on them.

    Raises:
        DoesNotFitError: the window is too small to read with, or the notes cannot be made short enough.
    """
    card, packer, limits = prepared.card, prepared.packer, prepared.limits
    sampling = request.sampling()

    def cost(part: Part) -> int:
        return len(card.tokenizer.encode(part.text)) if isinstance(part, Text) else 0

    def ask(prompt: Prompt, room: int, progress: Callable[[int, int], None]) -> Answer:
        return model.stream(
            prompt.ids, sampling=sampling, max_tokens=room, stop=prompt.stops, progress=progress
        )

    system = SYSTEM if request.system is None else request.system
    status = prepared.model.path.stat()
    reader = Reader(
        window=limits.window,
        parameters=card.parameters,
        cost=cost,
        pack=packer,
        ask=ask,
        key=(prepared.model.name, status.st_size, status.st_mtime_ns, repr(sampling)),
        speed=speed.recall(prepared.model.name),
    )
    reading = read_all(
        prepared.documents,
        request.question,
        reader=reader,
        budget=limits.window - limits.room,
        system=system,
        keep=Keep("notes", request.keep),
        emit=emit,
    )
    prompt = packer(reading.documents, reading.question, system)
    if not limits.fits(len(prompt.ids)):
        raise DoesNotFitError(
            f"the notes on all documents have {len(prompt.ids):,} tokens: that is more than fits",
            "Allow more with --context, or take a model with a larger window.",
        )
    given = prepared.packed.given
    packed = replace(
        prepared.packed,
        documents=reading.documents,
        prompt=prompt,
        tokens_read=given.total - given.overhead,
    )
    return replace(prepared, packed=packed)
