"""The pictures and sounds of a prompt become soft tokens, each when its turn comes.

A picture is decoded right before it is encoded and let go behind it; of a sound no more is held than one
window.  What turns out to be damaged leaves a note in its place, in a prompt that is packed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gemcli.errors import InputError
from gemcli.events import Progress, Warning
from gemcli.pack.assemble import Prompt, Slot
from gemcli.pack.media import Media
from gemcli.parts import Audio, Document, Image, Part, Text
from gemcli.worker import Emit

if TYPE_CHECKING:
    import numpy as np

    from gemcli.request import Prepared
    from model.prompt import Soft
    from model.senses import Senses

_SCALES = (0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Perceived:
    """A prompt whose pictures were seen and whose sounds were heard.

    Attributes:
        prompt: the prompt.
        soft: what stands in the places of its `media`, in order.
        documents: what it is about: as it was, but for what could not be decoded.
    """

    prompt: Prompt
    soft: tuple[Soft, ...]
    documents: tuple[Document, ...]


def perceive(
    prepared: Prepared,
    prompt: Prompt,
    question: str,
    senses: Senses,
    emit: Emit,
    *,
    keep_going: bool = False,
) -> Perceived:
    """Encode all pictures and sounds of a prompt.

    Args:
        prepared: the request.
        prompt: of its packed documents.
        question: what is asked about them.
        senses: the model's encoders.
        emit: gets `Progress` of the stage ``encode`` in soft tokens, and a `Warning` for what cannot be
            decoded.
        keep_going: go on also where nothing of a document can be decoded.

    Raises:
        InputError: nothing of a document can be decoded.
    """
    documents = prepared.packed.documents
    if not prompt.media:
        return Perceived(prompt, (), documents)
    rows, damaged = _rows(prompt, senses, prepared.packer.media, emit)
    if damaged:
        documents = tuple(_noted(each, damaged, emit, keep_going) for each in documents)
        prompt = prepared.packer(documents, question, passages=prepared.packed.how == "select")
    return Perceived(prompt, tuple(_soft(prompt.media, rows)), documents)


def soft_tokens(prompt: Prompt, senses: Senses, media: Media, emit: Emit) -> tuple[Soft, ...]:
    """What stands in the places of a prompt's `media`, in order.

    Raises:
        InputError: something of it cannot be decoded.
    """
    rows, damaged = _rows(prompt, senses, media, emit)
    if damaged:
        raise InputError(next(iter(damaged.values())))
    return tuple(_soft(prompt.media, rows))


def _rows(
    prompt: Prompt, senses: Senses, media: Media, emit: Emit
) -> tuple[dict[int, list[np.ndarray]], dict[int, str]]:
    """Soft tokens of each part by its `id`, or why it cannot be decoded."""
    rows: dict[int, list[np.ndarray]] = {}
    damaged: dict[int, str] = {}
    if not prompt.media:
        return rows, damaged
    done, total = 0, sum(slot.count for slot in prompt.media)
    emit(Progress("encode", 0, total, "tokens"))
    for slots in _by_part(prompt.media):
        part = slots[0].part
        own: list[np.ndarray] = []
        name = f"{slots[0].source} {part.anchor.label()}".rstrip()
        try:
            for slot, each in zip(slots, _encoded(part, senses, media), strict=True):
                assert len(each) == slot.count, "a part takes what was counted for it"
                own.append(each)
                emit(Progress("encode", done + sum(map(len, own)), total, "tokens", name))
        except InputError as error:
            damaged[id(part)] = error.message
        rows[id(part)] = own
        done += sum(slot.count for slot in slots)
    emit(Progress("encode", total, total, "tokens"))
    return rows, damaged


def _by_part(slots: Sequence[Slot]) -> Iterator[list[Slot]]:
    """The slots of each part, together."""
    run: list[Slot] = []
    for slot in slots:
        if run and slot.place != run[0].place:
            yield run
            run = []
        run.append(slot)
    if run:
        yield run


def _soft(slots: Sequence[Slot], rows: dict[int, list[np.ndarray]]) -> Iterator[Soft]:
    from model.prompt import Soft

    for run in _by_part(slots):
        for slot, own in zip(run, rows[id(run[0].part)], strict=True):
            yield Soft(slot.first, own, is_block=isinstance(slot.part, Image))


def _encoded(part: Image | Audio, senses: Senses, media: Media) -> Iterator[np.ndarray]:
    """Soft tokens f32 [n, D] of each slot of a part.

    Raises:
        InputError: it cannot be decoded.
    """
    if isinstance(part, Audio):
        for each in senses.hear(_exactly(part.samples(), media.samples(part))):
            yield each.rows
    else:
        is_frame = part.role == "frame"
        yield senses.see(_pixels(part, media), frame=is_frame, budget=media.budget(part))


def _pixels(image: Image, media: Media) -> np.ndarray:
    """A picture as uint8 [H, W, 3], of a size that takes as many soft tokens as were counted."""
    import numpy as np

    picture = image.pixels()
    if picture.mode != "RGB":
        picture = picture.convert("RGB")
    wanted = media.soft(image)
    width, height = picture.size
    # A decoder may give a smaller picture, whose sides are rounded.
    for scale in _SCALES:
        if media.soft(replace(image, width=width, height=height)) == wanted:
            break
        width, height = (max(1, round(side * scale)) for side in (image.width, image.height))
    return np.asarray(picture if picture.size == (width, height) else picture.resize((width, height)))


def _exactly(blocks: Iterator[np.ndarray], wanted: int) -> Iterator[np.ndarray]:
    """Blocks of sound, cut or filled with silence to so many samples: files err about their length."""
    import numpy as np

    given = 0
    for block in blocks:
        block = block[: wanted - given]
        given += len(block)
        yield block
        if given >= wanted:
            return
    while given < wanted:
        count = min(wanted - given, 1 << 18)
        yield np.zeros(count, np.float32)
        given += count


def _noted(document: Document, damaged: dict[int, str], emit: Emit, keep_going: bool) -> Document:
    """A document with a note in the place of everything that cannot be decoded.

    Raises:
        InputError: that is all that there is.
    """
    wrong = [part for part in document.parts if id(part) in damaged]
    if not wrong:
        return document
    if len(wrong) == len(document.parts) and not keep_going:
        raise InputError(damaged[id(wrong[0])])
    parts: list[Part] = []
    for part in document.parts:
        if id(part) not in damaged:
            parts.append(part)
        elif not (isinstance(part, Image) and part.role == "frame"):
            is_page = isinstance(part, Image) and part.role == "page"
            kind = "sound" if isinstance(part, Audio) else "page" if is_page else "picture"
            parts.append(Text(f"(a {kind} that cannot be decoded)", part.anchor, via="note"))
    count = len(wrong)
    frames = sum(isinstance(part, Image) and part.role == "frame" for part in wrong)
    what = f"{frames:,} of its frames" if frames == count else f"{count:,} of its pictures and sounds"
    emit(Warning(f"{document.source}: {what} cannot be decoded and are not seen or heard"))
    return replace(document, parts=tuple(parts))
