"""A prepared request whose documents are read in windows: notes take the documents' place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from gemcli.errors import DoesNotFitError
from gemcli.keep import Keep
from gemcli.pack import speed
from gemcli.pack.assemble import SYSTEM, Prompt
from gemcli.pack.stretches import in_stretches
from gemcli.parts import Part, Text
from gemcli.perceive import soft_tokens
from gemcli.prepared import Prepared
from gemcli.reading.listen import Answer
from gemcli.reading.mapped import read_all
from gemcli.reading.run import Reader
from gemcli.request import Request
from gemcli.worker import Emit

if TYPE_CHECKING:
    from model.load import Model


_STRETCH_S = 30  # seconds of sound that stay together


def read_in_windows(prepared: Prepared, request: Request, model: Model, emit: Emit) -> Prepared:
    """Read all documents of a request window by window; what is packed is then the notes on them.

    Raises:
        DoesNotFitError: the window is too small to read with, or the notes cannot be made short enough.
    """
    card, packer, limits = prepared.card, prepared.packer, prepared.limits
    sampling = request.sampling()

    media = packer.media

    def cost(part: Part) -> int:
        return media.cost([part.text] if isinstance(part, Text) else media.pieces(part))

    def ask(prompt: Prompt, room: int, progress: Callable[[int, int], None]) -> Answer:
        soft = soft_tokens(prompt, model.senses, media, emit)
        return model.stream(
            prompt.ids, sampling=sampling, max_tokens=room, stop=prompt.stops, progress=progress, soft=soft
        )

    system = SYSTEM if request.system is None else request.system
    path = prepared.model.path
    files = [each.stat() for each in (path.glob("*.safetensors") if path.is_dir() else [path])]
    stamp = (sum(each.st_size for each in files), max(each.st_mtime_ns for each in files))
    reader = Reader(
        window=limits.window,
        parameters=card.parameters,
        cost=cost,
        pack=replace(packer, template=None, earlier=(), form=""),  # notes are taken without thinking aloud
        ask=ask,
        key=(prepared.model.name, *stamp, repr(sampling)),
        speed=speed.recall(prepared.model.name),
    )
    reading = read_all(
        in_stretches(prepared.documents, _STRETCH_S),
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
