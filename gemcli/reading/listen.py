"""One answer of a model taken down to its end, or to where it begins to turn in circles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from gemcli.reading.points import key

_CIRCLE = re.compile(r"(.{3,80}?)\1{4,}$", re.DOTALL)
_TAIL = 500  # characters in which a circle is looked for
_LONG, _RULE = 40, 160  # characters of a circle; of one character again and again: a rule may be drawn
_REPEATS = 2  # times that a line may come again


class Answer(Iterator[str], Protocol):
    """What is needed of `model.load.Generation`: pieces of text, and how they ended."""

    finish_reason: str | None

    def close(self) -> None:
        """End it early."""
        ...


@dataclass(frozen=True, slots=True)
class Said:
    """What a model said; `cut`: its room ended before its answer did."""

    text: str
    cut: bool


def listen(answer: Answer, heard: Callable[[], None]) -> Said:
    """Take an answer down; `heard` is called for each piece of it."""
    text = ""
    with closing(answer):
        for piece in answer:
            heard()
            text += piece
            if circles(text):
                return Said(text, False)
    return Said(text, answer.finish_reason == "length")


def circles(text: str) -> bool:
    """Whether a text has begun to repeat its lines or its words."""
    match = _CIRCLE.search(text[-_TAIL:])
    if match and len(match[0]) >= (_LONG if len(set(match[1])) > 1 else _RULE):
        return True
    whole = text.splitlines()[: None if text.endswith("\n") else -1]
    times = Counter(filter(None, map(key, whole)))
    return any(count > _REPEATS for count in times.values())
