"""Subtitles as values: what is said from when to when, without markup, gathered into passages."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gemcli.parts import Anchor, Text

#: Seconds of one passage of a file of subtitles.
PASSAGE = 30.0

#: Seconds of silence that end a passage early.
PAUSE = 8.0

_ROLLS = 0.2  # seconds between two cues that show one line: it rolls; after longer it is said again

_MARKUP = re.compile(r"\{\\[^{}]*\}|</?[a-zA-Z][^<>]*>|</?\d[\d:.]*>|<>")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]+)>")


@dataclass(frozen=True, slots=True)
class Cue:
    """What is said from `start` to `end` (seconds)."""

    start: float
    end: float
    text: str


def plain(text: str) -> str:
    """The words of a subtitle: no tags, one space between words, a line break where it has one."""
    text = text.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    text = _MARKUP.sub("", _VOICE.sub(r"\1: ", text))
    text = html.unescape(text).replace("\0", "")
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def passages(cues: Iterable[Cue], seconds: float = PASSAGE) -> Iterator[Text]:
    """Cues in the order of time as parts of about `seconds`, each with its start and end.

    A cue that repeats what the one before it ends with, as captions that roll do, gives only what is new.
    """
    held: list[Cue] = []
    for cue in _rolled_up(cues):
        if held and (cue.start - held[0].start >= seconds or cue.start - held[-1].end > PAUSE):
            yield _joined(held)
            held = []
        held.append(cue)
    if held:
        yield _joined(held)


def _rolled_up(cues: Iterable[Cue]) -> Iterator[Cue]:
    before: list[str] = []
    ended = -1.0
    for cue in cues:
        lines = cue.text.split("\n")
        fresh = lines
        most = min(len(before), len(lines)) if cue.start - ended < _ROLLS else 0
        for overlap in range(most, 0, -1):
            if before[-overlap:] == lines[:overlap]:
                fresh = lines[overlap:]
                break
        before, ended = lines, cue.end
        if fresh:
            yield Cue(cue.start, cue.end, "\n".join(fresh))


def _joined(cues: list[Cue]) -> Text:
    end = max(cue.end for cue in cues)
    text = "\n".join(cue.text for cue in cues)
    return Text(text, Anchor(seconds=(round(cues[0].start, 3), round(end, 3))))


def chapter_part(title: str, start: float, end: float) -> Text:
    """The beginning of a chapter as a part."""
    return Text(f"Chapter: {title}", Anchor(seconds=(round(start, 3), round(max(start, end), 3))))
