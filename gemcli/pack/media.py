"""Pictures and sound as one model takes them: its own framing around their soft tokens, and what that costs.

Everything follows from sizes and lengths; nothing is decoded and no weights are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from gemcli.parts import Audio, Image

if TYPE_CHECKING:
    from model.audio.spec import AudioSpec, Marks
    from model.tokenizer.base import Tokenizer
    from model.vision.framing import Piece as Framed
    from model.vision.spec import Framing, VisionSpec

_SHORT = 100  # characters of a text whose count is kept
TOO_SHORT = "(a sound too short to be heard)"


@dataclass(frozen=True, slots=True)
class Run:
    """Tokens that no text can spell: soft ones between their marks.

    Attributes:
        ids: all of them.
        skip: how many marks come before the soft tokens.
        count: how many of them are soft.
    """

    ids: tuple[int, ...]
    skip: int = 0
    count: int = 0


Piece = str | Run


class Perceiving(Protocol):
    """What is needed of `model.load.ModelCard`."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Text to ids and back."""
        ...

    @property
    def vision(self) -> VisionSpec | None:
        """How it sees; None where it does not."""
        ...

    @property
    def audio(self) -> AudioSpec | None:
        """How it hears; None where it does not."""
        ...


class Media:
    """How a model is shown pictures and played sound.

    Args:
        card: the model.
    """

    def __init__(self, card: Perceiving) -> None:
        self._card = card
        self._counted: dict[str, int] = {}

    @property
    def levels(self) -> tuple[int, ...]:
        """The budgets of soft tokens that the model knows for a picture; none where it has no choice."""
        resize = self._card.vision.resize if self._card.vision else None
        return getattr(resize, "choices", ())

    def budget(self, image: Image, level: int | None = None) -> int | None:
        """Soft tokens that the model may spend on a picture; at most `level`; None: it has no choice."""
        from model.vision.spec import Budget

        resize = self._sight.resize
        if not isinstance(resize, Budget):
            return None
        if image.role == "frame":
            own = min(resize.frame, image.budget or resize.frame)
        else:
            own = image.budget or resize.image
        return own if level is None else min(own, level)

    def soft(self, image: Image, level: int | None = None) -> int:
        """Soft tokens of a picture, `level` of them at most where the model has a choice."""
        from model.vision.cost import image_tokens

        return image_tokens(self._sight, image.width, image.height, self.budget(image, level))

    def samples(self, audio: Audio) -> int:
        """Samples of a sound as they are counted; what is decoded is cut or filled up to them."""
        from model.audio.cost import samples_of

        return samples_of(self._hearing, audio.seconds)

    def pieces(self, part: Image | Audio, *, follows: bool = False) -> list[Piece]:
        """A part as it stands in the prompt: text, and tokens that no text can spell.

        Args:
            part: of a kind that the model takes.
            follows: it is a frame, and the frame of the same video before it stands right before.

        Raises:
            UnsupportedModelError: the model's tokenizer lacks a token that must stand around the part.
        """
        return self._heard(part) if isinstance(part, Audio) else self._seen(part, follows)

    def cost(self, pieces: Sequence[Piece]) -> int:
        """Tokens of pieces of a prompt; texts side by side are one."""
        total = 0
        for is_text, run in groupby(pieces, lambda each: isinstance(each, str)):
            held = list(run)
            if is_text:
                total += self._count("".join(each for each in held if isinstance(each, str)))
            else:
                total += sum(len(each.ids) for each in held if isinstance(each, Run))
        return total

    def _seen(self, image: Image, follows: bool) -> list[Piece]:
        from model.vision import framing

        tokens, around = self.soft(image), self._sight.framing
        if image.role == "frame" and image.anchor.seconds is not None:
            framed = framing.frame(around, tokens, image.anchor.seconds[0], first=not follows)
        else:
            framed = framing.image(around, tokens)
        return self._ids(framed, around)

    def _ids(self, framed: Sequence[Framed], around: Framing) -> list[Piece]:
        """Framing with its marked tokens as ids, runs of them joined."""
        from model.vision.framing import Text

        pieces: list[Piece] = []
        run: list[int] = []
        skip = count = 0
        for each in framed:
            if isinstance(each, Text):
                if run:
                    pieces.append(Run(tuple(run), skip, count))
                    run, skip, count = [], 0, 0
                pieces.append(each.text)
                continue
            if each.soft:
                skip, count = len(run), each.count
            run += [self._id(each.marker.text, each.marker.id, soft=each.soft)] * each.count
        return [*pieces, Run(tuple(run), skip, count)] if run else pieces

    def _heard(self, audio: Audio) -> list[Piece]:
        from model.audio.framing import framed
        from model.audio.windows import windows

        spec = self._hearing
        begins = audio.anchor.seconds[0] if audio.anchor.seconds else 0.0
        marks = self._marks(spec.marks)
        pieces: list[Piece] = [
            each if isinstance(each, str) else Run(tuple(each), 1, len(each) - 2)
            for each in framed(marks, windows(spec, self.samples(audio)), offset=begins)
        ]
        return pieces or [TOO_SHORT]

    def _marks(self, marks: Marks) -> Marks:
        return replace(
            marks,
            begin=self._id("<|audio>", marks.begin),
            soft=self._id("<|audio|>", marks.soft, soft=True),
            end=self._id("<audio|>", marks.end),
        )

    def _id(self, text: str, known: int, *, soft: bool = False) -> int:
        """The id of a mark; of a place for a soft token that the vocabulary lacks any other will do."""
        tokenizer = self._card.tokenizer
        found = tokenizer.id_of(text)
        if found is None and 0 <= known < tokenizer.vocab_size:
            found = known
        if found is None and soft:
            found = 0
        if found is None:
            from model.errors import UnsupportedModelError

            raise UnsupportedModelError(
                f"the tokenizer has no token {text}, which must stand around what the model sees or hears: "
                "take the files of the model that the encoders belong to"
            )
        return found

    def _count(self, text: str) -> int:
        known = self._counted.get(text)
        if known is None:
            known = len(self._card.tokenizer.encode(text))
            if len(text) <= _SHORT:
                self._counted[text] = known
        return known

    @property
    def _sight(self) -> VisionSpec:
        assert self._card.vision is not None, "what the model cannot see was made text of"
        return self._card.vision

    @property
    def _hearing(self) -> AudioSpec:
        assert self._card.audio is not None, "what the model cannot hear was made text of"
        return self._card.audio
