"""Pictures of known text, sound of known length, and documents made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import PIL.Image
import pytest
from PIL import ImageDraw, ImageFont

from gemcli.events import Event, Progress, Warning
from gemcli.parts import Anchor, Audio, Document, Image, Part


def drawn(lines: Sequence[str], size: tuple[int, int] = (900, 400), px: int = 28) -> PIL.Image.Image:
    """Black print on white."""
    picture = PIL.Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        pen.text((40, 30 + number * px * 1.4), line, fill="black", font=ImageFont.load_default(px))
    return picture


def wrong(expected: str, found: str) -> float:
    """Share of characters that differ (Levenshtein), white space folded."""
    one, other = " ".join(expected.split()), " ".join(found.split())
    row = list(range(len(other) + 1))
    for at, char in enumerate(one, 1):
        before, row[0] = row[0], at
        for to, each in enumerate(other, 1):
            before, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, before + (char != each))
    return row[-1] / len(one)


def wrong_words(expected: str, found: str) -> float:
    """Share of words that differ, case and punctuation aside."""
    one, other = (
        ["".join(filter(str.isalnum, word)).casefold() for word in text.split()] for text in (expected, found)
    )
    names = {word: chr(0xE000 + at) for at, word in enumerate(dict.fromkeys([*one, *other]))}
    return wrong("".join(names[word] for word in one), "".join(names[word] for word in other))


def image_part(picture: PIL.Image.Image, key: str = "", **more: Any) -> Image:
    return Image(*picture.size, lambda: picture, key=key, **more)


def audio_part(sound: np.ndarray, key: str = "", start: float = 0.0, block: int = 30 * 16_000) -> Audio:
    """`sound`: f32 [n] at 16 kHz."""

    def samples() -> Iterator[np.ndarray]:
        for at in range(0, len(sound), block):
            yield sound[at : at + block]

    seconds = len(sound) / 16_000
    return Audio(seconds, samples, Anchor(seconds=(start, start + seconds)), key)


def document(*parts: Part, source: str = "a.bin", media_type: str = "image/png") -> Document:
    return Document(source, media_type, "0" * 64, parts)


class Events(list[Event]):
    """Gathers events; call it like a user interface."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    @property
    def warnings(self) -> list[str]:
        return [each.message for each in self if isinstance(each, Warning)]

    def done(self, stage: str) -> list[tuple[int, int | None, str]]:
        return [(e.done, e.total, e.unit) for e in self if isinstance(e, Progress) and e.stage == stage]


@pytest.fixture
def events() -> Events:
    return Events()


JFK = (
    "And so, my fellow Americans, ask not what your country can do for you, "
    "ask what you can do for your country."
)


@pytest.fixture
def jfk(material: Callable[[str], Any]) -> np.ndarray:
    """Eleven seconds of speech, f32 [176000]."""
    import soundfile

    sound, rate = soundfile.read(material("jfk.wav"), dtype="float32")
    assert rate == 16_000
    return sound
