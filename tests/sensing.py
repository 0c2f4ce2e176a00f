"""Models that see and hear, for what packs prompts: their rules without weights; documents of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import scripted

from gemcli.parts import Anchor, Audio, Document, Image, Part, Text
from model.audio.spec import AudioSpec, RawSpec
from model.audio.windows import cut
from model.vision.cost import frame_tokens, image_tokens
from model.vision.spec import Axial, Budget, Framing, Marker, Siglip, Square, VisionSpec

MARKS = {
    "<|image>": 400, "<|image|>": 401, "<image|>": 402, "<|video|>": 403,
    "<|audio>": 404, "<|audio|>": 405, "<audio|>": 406,
    "<start_of_image>": 407, "<image_soft_token>": 408, "<end_of_image>": 409,
}  # fmt: skip
NAMES = {id: text for text, id in MARKS.items()}


class Tokenizer(scripted.ByteTokenizer):
    """A token a byte, and those that stand for pictures and sound; `lacking` has no such."""

    def __init__(self, *, lacking: tuple[str, ...] = (), **options: Any) -> None:
        super().__init__(**options)
        self.lacking = lacking

    def id_of(self, piece: str) -> int | None:
        return None if piece in self.lacking else MARKS.get(piece) or super().id_of(piece)

    def is_control(self, id: int) -> bool:
        return id in NAMES or super().is_control(id)

    def shown(self, ids: list[int]) -> str:
        """The prompt with its marks; soft tokens as their number: ``<|image>70<image|>``."""
        pieces: list[str] = []
        for at, id in enumerate(ids):
            soft = id in NAMES and NAMES[id] in ("<|image|>", "<|video|>", "<|audio|>", "<image_soft_token>")
            if soft and at and ids[at - 1] == id:
                continue
            run = next((n for n, other in enumerate(ids[at:]) if other != id), len(ids) - at)
            pieces.append(
                str(run) if soft else NAMES[id] if id in NAMES else self.decode_bytes([id]).decode("latin-1")
            )
        return "".join(pieces).encode("latin-1").decode()


def budgeted() -> VisionSpec:
    """As Gemma 4 sees: any aspect, budgets, frames of their own."""
    return VisionSpec(
        patch=16,
        pool=3,
        width=8,
        text_width=8,
        norm_eps=1e-6,
        resize=Budget(),
        encoder=Axial(1, 1, 8, 8),
        framing=Framing(
            Marker("<|image>", 255_999),
            Marker("<image|>", 258_882),
            Marker("<|image|>", 258_880),
            Marker("<|video|>", 258_884),
        ),
    )


def square() -> VisionSpec:
    """As Gemma 3 sees: every picture takes four tokens, with blank lines around."""
    return VisionSpec(
        patch=16,
        pool=4,
        width=8,
        text_width=8,
        norm_eps=1e-6,
        resize=Square(128),
        encoder=Siglip(1, 1, 8),
        framing=Framing(
            Marker("<start_of_image>", 255_999),
            Marker("<end_of_image>", 256_000),
            Marker("<image_soft_token>", 262_144),
            around="\n\n",
        ),
    )


def hearing(seconds: int = 30) -> AudioSpec:
    """As Gemma 4 hears: 25 tokens a second."""
    return AudioSpec(RawSpec(), 8, seconds=seconds)


class Card(scripted.Sizes):
    """A model of which nothing but the rules is there."""

    is_base = False

    def __init__(
        self,
        vision: VisionSpec | None = None,
        audio: AudioSpec | None = None,
        *,
        tokenizer: Tokenizer | None = None,
        window: int = 8192,
    ) -> None:
        self.vision = vision
        self.audio = audio
        self.tokenizer = tokenizer or Tokenizer()
        self.template = scripted.Template()
        self.window = window


def everything() -> Card:
    """A model that sees and hears as Gemma 4 does."""
    return Card(budgeted(), hearing())


def image(
    width: int = 96,
    height: int = 64,
    *,
    page: int | None = None,
    at: float | None = None,
    role: str = "picture",
    value: int = 100,
) -> Image:
    """A picture of one colour; `at` makes it a frame."""
    anchor = Anchor(seconds=(at, at)) if at is not None else Anchor(page=page)

    def pixels() -> PIL.Image.Image:
        return PIL.Image.new("RGB", (width, height), (value, value, value))

    kind: Any = "frame" if at is not None else role
    return Image(width, height, pixels, anchor, f"{width}x{height}:{value}", role=kind)


def audio(seconds: float, *, start: float = 0.0, given: float | None = None, block: int = 7000) -> Audio:
    """A sound that counts its samples; `given`: seconds that there really are."""
    count = round((seconds if given is None else given) * 16_000)

    def samples() -> Iterator[np.ndarray]:
        for first in range(0, count, block):
            yield np.arange(first, min(first + block, count), dtype=np.float32)

    return Audio(seconds, samples, Anchor(seconds=(start, start + seconds)), f"{start}+{seconds}")


def text(said: str, *, page: int | None = None, at: float | None = None) -> Text:
    """A text."""
    return Text(said, Anchor(seconds=(at, at + 1)) if at is not None else Anchor(page=page))


def document(source: str, *parts: Part) -> Document:
    """A document of these parts."""
    return Document(source, "application/octet-stream", "0" * 64, parts)


class Senses:
    """Encoders whose rows say what they were given: the first pixel, or the first sample and the length."""

    def __init__(self, card: Any) -> None:
        self.card = card
        self.log: list[tuple[Any, ...]] = []

    def see(self, pixels: np.ndarray, *, frame: bool, budget: int | None) -> np.ndarray:
        assert pixels.dtype == np.uint8
        height, width, _ = pixels.shape
        self.log.append(("see", width, height, frame, budget))
        count = (frame_tokens if frame else image_tokens)(self.card.vision, width, height, budget)
        return np.full((count, 8), pixels[0, 0, 0], np.float32)

    def hear(self, blocks: Iterator[np.ndarray], *, skip: int = 0) -> Iterator[Any]:
        for window, samples in islice(cut(self.card.audio, blocks), skip, None):
            self.log.append(("hear", len(samples)))
            yield SimpleNamespace(start=window.start, rows=np.full((window.keep, 8), samples[0], np.float32))
