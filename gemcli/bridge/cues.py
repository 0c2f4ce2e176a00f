"""Timed text as subtitles and transcripts: cues that a person can read, and the files they are written to."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from gemcli.bridge.speech import Segment

Form = Literal["txt", "srt", "vtt", "json"]

COLUMNS = 42
"""Characters of a line, as broadcasters have it."""

LINES = 2

LONGEST_S = 8.0
"""Seconds that a cue stands at most."""

_SHORTEST_MS = 200
_SLACK = 12  # characters by which pieces may be longer than their share, to end behind a stop
_SENTENCE = (". ", "! ", "? ", "… ")
_STOPS = ("; ", ", ", ": ", " – ")


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle: `start` and `end` in milliseconds, `start` < `end`; its lines."""

    start: int
    end: int
    lines: tuple[str, ...]


def cues(segments: Iterable[Segment], after: int = 0) -> Iterator[Cue]:
    """Segments as cues whose times rise and never overlap, each of `LINES` lines of `COLUMNS` at most.

    A segment with more text is shared out over several cues by the length of their texts.  Only a single
    word that is longer than a line makes a longer line.

    Args:
        segments: in the order of time.
        after: milliseconds before which no cue begins.
    """
    last = after
    for segment in segments:
        pieces = _pieces(" ".join(segment.text.split()), segment.end - segment.start)
        start = max(round(segment.start * 1000), last)
        end = max(round(segment.end * 1000), start + _SHORTEST_MS * len(pieces))
        letters = sum(map(len, pieces))
        at = 0
        for piece in pieces:
            at += len(piece)
            ends = start + (end - start) * at // letters
            last = max(last, start)
            ends = max(ends, last + 1)  # rounding may leave nothing of a very short piece
            yield Cue(last, ends, tuple(_wrapped(piece)))
            last = ends


def _pieces(text: str, seconds: float) -> list[str]:
    """The text in pieces that fit a cue, about equally long, cut behind a stop where there is one."""
    if not text:
        return []
    most = COLUMNS * LINES
    count = max(math.ceil(len(text) / most), math.ceil(seconds / LONGEST_S), 1)
    allowed = most if count == 1 else min(most, max(COLUMNS // 2, math.ceil(len(text) / count) + _SLACK))
    made: list[str] = []
    rest = text
    while not _fits(rest, allowed):
        cut = _cut(rest, allowed)
        made.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    return [each for each in (*made, rest) if each]


def _fits(text: str, allowed: int) -> bool:
    return len(text) <= allowed and len(_wrapped(text)) <= LINES


def _cut(text: str, allowed: int) -> int:
    """Where the first piece ends: behind the last stop or space before which it fits."""
    ends = [
        at + 1 for at, char in enumerate(text[: allowed + 1]) if char == " " and _fits(text[:at], allowed)
    ]
    if not ends:
        # Scripts without spaces, or one long word.
        space = text.find(" ")
        return min(allowed, space + 1 if space > 0 else len(text))
    sentences = [at for at in ends if at > ends[-1] // 3 and text[:at].endswith(_SENTENCE)]
    stops = [at for at in ends if at > ends[-1] // 2 and text[:at].endswith(_STOPS)]
    return (sentences or stops or ends)[-1]


def _wrapped(text: str) -> list[str]:
    lines = textwrap.wrap(text, COLUMNS, break_long_words=not text.isascii(), break_on_hyphens=False)
    if len(lines) == 2:  # two lines of about the same length are read more easily
        even = textwrap.wrap(
            text,
            max(COLUMNS * 2 // 3, len(text) // 2 + 6),
            break_long_words=False,
            break_on_hyphens=False,
        )
        return even if len(even) == 2 and max(map(len, even)) <= COLUMNS else lines
    return lines


class Writer:
    """Turns segments into the text of a file as they come.

    Args:
        form: ``txt``, ``srt``, ``vtt``, or ``json`` (one object, all at the end).
    """

    def __init__(self, form: Form) -> None:
        self._form: Form = form
        self._count = 0
        self._last = 0

    def head(self) -> str:
        """What stands before the first cue."""
        return "WEBVTT\n\n" if self._form == "vtt" else ""

    def add(self, segment: Segment) -> str:
        """The text of one further segment."""
        if self._form == "txt":
            return f"{segment.text}\n"
        text = ""
        for cue in cues([segment], self._last):
            self._count += 1
            self._last = cue.end
            body = "\n".join(map(_safe, cue.lines) if self._form == "vtt" else cue.lines)
            number = f"{self._count}\n" if self._form == "srt" else ""
            text += f"{number}{_time(cue.start, self._form)} --> {_time(cue.end, self._form)}\n{body}\n\n"
        return text


def _safe(line: str) -> str:
    """A line for WebVTT, where ``<`` begins a tag."""
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(milliseconds: int, form: Form) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    mark = "," if form == "srt" else "."
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{rest:03d}"


def written(segments: Iterable[Segment], form: Form) -> str:
    """All segments as one file."""
    if form == "json":
        return json.dumps(to_json(list(segments)), ensure_ascii=False, indent=1)
    writer = Writer(form)
    return writer.head() + "".join(map(writer.add, segments))


def to_json(segments: Iterable[Segment]) -> dict[str, object]:
    """The text and its segments as a JSON value."""
    listed = list(segments)
    rows = [{"start": each.start, "end": each.end, "text": each.text} for each in listed]
    return {"text": " ".join(each.text for each in listed), "segments": rows}
