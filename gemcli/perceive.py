"""The pictures and sounds of a prompt become soft tokens, each when the prompt is read that far.

What a kept prefix holds is never decoded.  A picture is decoded right before it is encoded and let go behind
it; of a sound no more is held than one window.  What turns out to be damaged leaves a note in its place, in a
prompt that is packed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gemcli.errors import InputError
from gemcli.events import Progress, Warning
from gemcli.pack.assemble import Prompt, Slot
from gemcli.pack.media import Media
from gemcli.parts import Audio, Document, Image, Part, Text
from gemcli.worker import Emit

if TYPE_CHECKING:
    import numpy as np

    from gemcli.prepared import Prepared
    from model.prompt import Soft
    from model.senses import Senses

_SCALES = (0.125, 0.25, 0.5, 1.0)
_VERSION = 1  # of how pixels and samples are prepared: raise it where that changes


class Undecodable(InputError):
    """A picture or a sound of a prompt turned out to be damaged when it was to be seen or heard."""


@dataclass(slots=True)
class Perception:
    """The pictures and sounds of a prompt, on their way in.

    Attributes:
        soft: what stands in the places of its `media`, in order; their rows are computed when they are looked
            at, and raise `Undecodable`.
        damaged: why parts cannot be decoded, by their `id`, as far as it is known.
    """

    prompt: Prompt
    media: Media
    senses: Callable[[], Senses]
    emit: Emit
    damaged: dict[int, str] = field(default_factory=dict)
    soft: tuple[Soft, ...] = field(init=False, default=())
    _read: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.soft = tuple(self._make())

    def look_through(self) -> None:
        """Decode what was not looked at yet, so that all damage is known at once."""
        for part in {id(slot.part): slot.part for slot in self.prompt.media}.values():
            if id(part) in self._read or id(part) in self.damaged:
                continue
            try:
                if isinstance(part, Audio):
                    for _ in part.samples():
                        pass
                else:
                    part.pixels()
            except InputError as error:
                self.damaged[id(part)] = error.message

    def _make(self) -> Iterator[Soft]:
        from model.prompt import Soft

        total, before = sum(slot.count for slot in self.prompt.media), 0
        for slots in _by_part(self.prompt.media):
            source = _Source(self, slots, before, total)
            for number, slot in enumerate(slots):
                part = slot.part
                yield Soft(
                    slot.first, _Rows(source, number), isinstance(part, Image), self._key(part, number)
                )
            before += sum(slot.count for slot in slots)

    def _key(self, part: Image | Audio, number: int) -> str:
        if not part.key:
            return ""
        if isinstance(part, Audio):
            return f"{_VERSION} sound {part.key} {self.media.samples(part)} {number}"
        return f"{_VERSION} {part.role} {part.key} {part.width}x{part.height} {self.media.budget(part)}"


@dataclass(slots=True)
class _Source:
    """One part and what its slots are filled with, in order; the newest is held."""

    perception: Perception
    slots: Sequence[Slot]
    before: int
    total: int
    _coming: Iterator[np.ndarray] | None = None
    _number: int = -1
    _held: np.ndarray | None = None

    def rows(self, number: int) -> np.ndarray:
        """Soft tokens f32 [n, D] of a slot.

        Raises:
            Undecodable: the part is damaged.
        """
        whole, slot = self.perception, self.slots[number]
        if self._held is None or self._number != number:
            try:
                if self._coming is None or self._number + 1 != number:
                    self._coming = _encoded(slot.part, whole.senses(), whole.media, number)
                self._held, self._number = next(self._coming), number
            except InputError as error:
                whole.damaged[id(slot.part)] = error.message
                raise Undecodable(error.message) from error
            assert len(self._held) == slot.count, "a part takes what was counted for it"
            whole._read.add(id(slot.part))
            done = self.before + sum(each.count for each in self.slots[: number + 1])
            name = f"{slot.source} {slot.part.anchor.label()}".rstrip()
            whole.emit(Progress("encode", done, self.total, "tokens", name))
        return self._held


@dataclass(frozen=True, slots=True)
class _Rows:
    """`model.prompt.Rows` of a slot, which are not there until they are looked at."""

    source: _Source
    number: int

    def __len__(self) -> int:
        return self.source.slots[self.number].count

    def __getitem__(self, part: slice) -> np.ndarray:
        return self.source.rows(self.number)[part]


def soft_tokens(prompt: Prompt, senses: Senses, media: Media, emit: Emit) -> tuple[Soft, ...]:
    """What stands in the places of a prompt's `media`, in order.

    Their rows are computed when they are looked at, which raises:
        InputError: a part cannot be decoded.
    """
    return Perception(prompt, media, lambda: senses, emit).soft


def repacked(
    prepared: Prepared, perception: Perception, question: str, emit: Emit, *, keep_going: bool = False
) -> Prepared:
    """A request with a note in the place of everything that turned out to be damaged.

    Args:
        prepared: the request.
        perception: of its prompt, which has met with damage.
        question: what is asked.
        emit: gets a `Warning` for each document with damage.
        keep_going: go on also where nothing of a document can be decoded.

    Raises:
        InputError: nothing of a document can be decoded, or it is of an earlier turn.
    """
    perception.look_through()
    damaged, packed = perception.damaged, prepared.packed
    here = {id(part) for each in packed.documents for part in each.parts}
    if lost := next((why for part, why in damaged.items() if part not in here), None):
        raise InputError(lost)
    documents = tuple(_noted(each, damaged, emit, keep_going) for each in packed.documents)
    prompt = prepared.packer(documents, question, passages=packed.how == "select")
    return replace(prepared, packed=replace(packed, prompt=prompt, documents=documents))


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


def _encoded(part: Image | Audio, senses: Senses, media: Media, skip: int) -> Iterator[np.ndarray]:
    """Soft tokens f32 [n, D] of each slot of a part, but for the first `skip`.

    Raises:
        InputError: it cannot be decoded.
    """
    if isinstance(part, Audio):
        for each in senses.hear(_exactly(part.samples(), media.samples(part)), skip=skip):
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
