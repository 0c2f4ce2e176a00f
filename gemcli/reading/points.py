"""What a model noted about a window, as points that each stand at a place in it.

Small models forget anchors, invent them and repeat themselves.  So an anchor counts only if the window holds
it and the words agree; another point goes where the words that it shares with the text are.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gemcli.pack.outline import Heading
from gemcli.pack.windows import Window, short
from gemcli.parts import Anchor, Text
from gemcli.reading.wording import NOTHING, is_echo

_BRACKETS = re.compile(r"\s*[\[(]([^\[\]()\n]{1,300})[\])]")
_PLACE = re.compile(
    r"^(?P<name>.*?)\s*\b(?:pp?(?:age)?s?[.\s]*(?P<page>\d+)|L\s?(?P<line>\d+)|"
    r"(?P<h>\d{1,2}):(?P<m>\d\d):(?P<s>\d\d))(?:\s*[-–,;]\s*[\w.:\s]*)?$",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^\s*(?:[-*•–]|\(?\d{1,2}[.)])\s+")
_NOTHING = re.compile(rf"\W*(?:{NOTHING}|none|n/a)\b\W*", re.IGNORECASE)
_WORD = re.compile(r"\w{3,}")
_FEW = 3  # words, fewer of which say little about a place
_AGREES = 0.5  # of the words of the best place: what a place that the model named must hold
_END = 1 << 40


@dataclass(frozen=True, slots=True)
class Point:
    """One thing noted.

    Attributes:
        place: the document and the part that it stands in.
        anchor: where.
        text: what is said, without its anchor.
        at: where in the part's text its heading begins; beyond its end for a point without one.
    """

    place: tuple[int, int]
    anchor: Anchor
    text: str
    at: int = _END


def points(
    answer: str, window: Window, *, headings: Sequence[Heading] = (), cut: bool = False
) -> list[Point]:
    """The points of a model's answer about a window; none where it says that nothing is to be noted.

    Args:
        answer: the model's.
        window: what it read.
        headings: those that it was asked about; a line that begins with one stands under it.
        cut: the answer ends where its room did: its last line is left out unless it is the only one.
    """
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    if cut and len(lines) > 1:
        lines.pop()
    if lines and _NOTHING.fullmatch(_BULLET.sub("", lines[0])):
        return []
    holds = _Places(window)
    found: list[Point] = []
    seen: set[str] = set()
    for line in lines:
        if line.startswith("#"):
            continue  # a heading from its text
        text, places = holds.take(_BULLET.sub("", line))
        heading, text = _under(text, headings)
        said = key(text)
        if not said or said in seen or _NOTHING.fullmatch(text) or is_echo(text) or text.endswith(":"):
            continue
        seen.add(said)
        found.append(holds.below(heading, text) if heading else holds.point(text, places))
    return found


def _under(text: str, headings: Sequence[Heading]) -> tuple[Heading | None, str]:
    """The heading that a line begins with, with or without its number, and the rest of the line."""
    for heading in headings:
        words = re.findall(r"\w+", heading.title)
        if not words:
            continue
        named = next((at for at, word in enumerate(words) if not word.isdecimal()), 0)
        number, title = (r"\W+".join(map(re.escape, some)) for some in (words[:named], words[named:]))
        # Without its number a title may be the beginning of any sentence: a mark must end it then.
        marked = rf"\W*(?:{number}\W+)?{title}(?!\w)[*_`\s]*[:…–—-]"
        numbered = rf"\W*{number}\W+{title}(?!\w)" if number else marked
        if match := re.match(rf"(?:{marked}|{numbered})[\s*_:.…–—-]*", text, re.IGNORECASE):
            return heading, text[match.end() :]
    return None, text


def key(text: str) -> str:
    """A point's words: points with the same words are the same; of a few words the signs count too."""
    words = re.findall(r"\w+", text.casefold())
    return " ".join(words) if len(words) >= _FEW or not words else text.casefold().strip(" .,;:-*")


class _Places:
    """The places of a window, by their labels and by their words."""

    def __init__(self, window: Window) -> None:
        self._parts = [
            (place, short(document.source).casefold(), part.anchor)
            for place, document, part in window.parts()
        ]
        self._words = [
            Counter(_words(part.text) if isinstance(part, Text) else ()) for _, _, part in window.parts()
        ]
        held = Counter(word for words in self._words for word in words)
        self._weight = {word: math.log(1 + len(self._parts) / times) for word, times in held.items()}

    def take(self, line: str) -> tuple[str, list[int]]:
        """A line without its anchors, and the parts that they name, by index; a stranger names none."""
        named: list[int] = []

        def gone(match: re.Match[str]) -> str:
            found = [self._find(each) for each in re.split(r"[,;]\s+(?=\S)", match[1])]
            if all(each is None for each in found):
                return match[0]
            named.extend(index for each in found for index in each or ())
            return ""

        text = " ".join(_BRACKETS.sub(gone, line).split())
        return text.rstrip(" :–—-") if named else text, named

    def _find(self, label: str) -> list[int] | None:
        """The parts that a label names, none for a place that is not here; None where it is no place."""
        wanted = label.strip().casefold()
        exact = [
            index
            for index, (_, name, anchor) in enumerate(self._parts)
            if wanted in (f"{name} {anchor.label().casefold()}".strip(), anchor.label().casefold())
        ]
        match = _PLACE.match(label.strip())
        if exact or not match:
            return exact or ([] if any(wanted == name for _, name, _ in self._parts) else None)
        kind = "page" if match["page"] else "lines" if match["line"] else "seconds"
        if all(getattr(anchor, kind) is None for _, _, anchor in self._parts):
            return None
        name = match["name"].strip().casefold()
        if name not in {name for _, name, _ in self._parts}:
            name = ""  # garbled: the number may still be right
        return [
            index
            for index, (_, own, anchor) in enumerate(self._parts)
            if (not name or name == own) and _covers(anchor, match)
        ]

    def below(self, heading: Heading, text: str) -> Point:
        """A point under a heading: where that stands, or at the beginning if it stands before the window."""
        place = (heading.document, heading.part)
        for own, _, anchor in self._parts:
            if own == place:
                return Point(own, anchor, text, heading.at)
        own, _, anchor = self._parts[0]
        return Point(own, anchor, text, -1)

    def point(self, text: str, named: Sequence[int]) -> Point:
        """A point at the place that is named for it, where its words agree, else where they are."""
        words = set(_words(text))
        scores = [sum(self._weight[word] for word in words if word in held) for held in self._words]

        def merit(index: int) -> tuple[float, int]:
            return scores[index], -index

        best = max(range(len(scores)), key=merit)
        wanted = max(named, key=merit, default=best)
        agrees = len(words) < _FEW or scores[wanted] >= _AGREES * scores[best]
        place, _, anchor = self._parts[wanted if agrees else best]
        return Point(place, anchor, text)


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.casefold()) if not word.isdecimal() or len(word) > 2]


def _covers(anchor: Anchor, match: re.Match[str]) -> bool:
    if match["page"]:
        return anchor.page == int(match["page"])
    if match["line"]:
        return anchor.lines is not None and anchor.lines[0] <= int(match["line"]) <= anchor.lines[1]
    if anchor.seconds is None:
        return False
    seconds = int(match["h"]) * 3600 + int(match["m"]) * 60 + int(match["s"])
    return int(anchor.seconds[0]) <= seconds <= anchor.seconds[1]
