"""What is hidden in a long text, and what is asked about it: pass keys, alone or among others like them.

The form is that of the pass key task of Landmark Attention (Mohtashami and Jaggi, 2023, §4.2), and of the
needles with several keys or values of RULER (Hsieh et al., 2024, §3); numbers are drawn, so that no model
can know them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["single", "multi-key", "multi-value", "image", "audio"]

KINDS: tuple[Kind, ...] = ("single", "multi-key", "multi-value", "image", "audio")

SENSES: Mapping[str, str] = {"image": "image", "audio": "audio"}
"""The sense that a model needs for a kind."""

INTRO = "There is important information hidden inside a lot of irrelevant text. Find it and memorize it."
PICTURE_INTRO = "There is a picture hidden inside a lot of irrelevant text. Look at it and memorize it."
SOUND_INTRO = "There is a recording hidden inside a lot of irrelevant text. Listen to it and memorize it."

OTHERS = 3
"""Needles beside the asked one, where there are several."""

_CITIES = (
    "Lisbon", "Oslo", "Cairo", "Quito", "Hanoi", "Dublin", "Prague", "Nairobi", "Havana", "Riga", "Lima",
    "Athens", "Sofia", "Tunis", "Dakar", "Vienna",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording and what is said in it.

    Attributes:
        path: the file.
        said: words that the answer must hold.
    """

    path: str
    said: str


@dataclass(frozen=True, slots=True)
class Needle:
    """What stands in the text at one place.

    Attributes:
        depth: how far in, from 0 to 1.
        text: what is written there; of a picture or sound, what is shown or the file that is played.
        sense: ``text``, ``image`` or ``audio``.
    """

    depth: float
    text: str
    sense: Literal["text", "image", "audio"] = "text"


@dataclass(frozen=True, slots=True)
class Task:
    """Needles and a question.

    Attributes:
        needles: in no order; the first is the one whose depth counts.
        intro: what stands before the text.
        question: what is asked behind it.
        lead: how the answer begins, which a model that only continues text is given.
        expect: what the answer must hold, every one.
    """

    needles: tuple[Needle, ...]
    intro: str
    question: str
    lead: str
    expect: tuple[str, ...]

    def is_right(self, answer: str) -> bool:
        """Whether an answer holds all that is expected; numbers may have their digits grouped."""
        plain = " ".join(re.sub(r"(?<=\d)[,\u00a0\u202f ](?=\d{3}(?!\d))", "", answer).split()).lower()
        return all(
            re.search(rf"(?<!\w){re.escape(each.lower())}(?!\w)", plain) is not None for each in self.expect
        )


def task(kind: Kind, length: int, depth: float, trial: int, *, seed: int, clips: Sequence[Clip] = ()) -> Task:
    """The task of one trial: the same for the same arguments.

    What stands beside the asked needle depends neither on its depth nor on the trial, so that trials share
    as much of their text as can be.

    Args:
        kind: of needle.
        length: of the prompt.
        depth: where the asked needle stands.
        trial: number of the trial.
        seed: of all numbers.
        clips: recordings, at least one where the kind is ``audio``.
    """
    own = random.Random(f"{seed}/{kind}/{length}/{depth}/{trial}")
    common = random.Random(f"{seed}/{kind}/{length}")
    if kind == "single":
        key = _number(own)
        said = f"The pass key is {key}. Remember it. {key} is the pass key."
        return Task((Needle(depth, said),), INTRO, "What is the pass key?", "The pass key is", (key,))
    if kind == "image":
        key = _number(own)
        question = "Which number does the picture show?"
        return Task(
            (Needle(depth, key, "image"),), PICTURE_INTRO, question, "The picture shows the number", (key,)
        )
    if kind == "audio":
        clip = clips[trial % len(clips)]
        question = "What is said in the recording?"
        return Task(
            (Needle(depth, clip.path, "audio"),), SOUND_INTRO, question, "In the recording somebody says:",
            (clip.said,),
        )  # fmt: skip
    cities = common.sample(_CITIES, len(_CITIES))
    spread = [(number + 0.5) / OTHERS for number in range(OTHERS)]
    if kind == "multi-key":
        others = [
            Needle(at, f"The pass key of {city} is {_number(common)}.")
            for at, city in zip(spread, cities, strict=False)
        ]
        city, key = own.choice(cities[OTHERS:]), _number(own)
        asked = Needle(depth, f"The pass key of {city} is {key}.")
        question = f"What is the pass key of {city}?"
        return Task((asked, *others), INTRO, question, f"The pass key of {city} is", (key,))
    city = cities[0]
    keys = [_number(common) for _ in spread]
    others = [Needle(at, f"One pass key of {city} is {key}.") for at, key in zip(spread, keys, strict=True)]
    key = _number(own)
    asked = Needle(depth, f"One pass key of {city} is {key}.")
    question = f"What are all the pass keys of {city}?"
    return Task((asked, *others), INTRO, question, f"All the pass keys of {city} are", (key, *keys))


def _number(draw: random.Random) -> str:
    """Five digits, none of them leading zeros."""
    return str(draw.randrange(10_000, 100_000))
