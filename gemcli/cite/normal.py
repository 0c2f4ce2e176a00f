"""Text in the form in which quotes are compared: line breaks, spaces and typography do not count.

White space becomes one space, a word that is divided at the end of a line is whole again, and quotation
marks, dashes and ligatures have one form each.  Letters, digits, case and other signs stay as they are.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

_FORMS = {
    "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'", "`": "'",
    "“": '"', "”": '"', "„": '"', "‟": '"', "″": '"', "«": '"', "»": '"',
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-",
    "…": "...", "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st",
    "\u200b": "", "\u200c": "", "\u200d": "", "\u2060": "", "\ufeff": "", "\xad": "",
}  # fmt: skip
_LETTER = r"[^\W\d_]"
_DIVIDED = rf"(?<={_LETTER})[-‐\xad][^\S\n]*\n\s*(?={_LETTER})"
_NO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\xad"
_SPACE = rf"[{_NO_WIDTH}]*[\s\x00][\s\x00{_NO_WIDTH}]*"
_SPECIAL = re.compile(rf"(?P<divided>{_DIVIDED})|(?P<space>{_SPACE})|[{''.join(_FORMS)}]")


@dataclass(frozen=True, slots=True)
class Normal:
    """A text in its normal form.

    Attributes:
        text: the form.
        marks: where runs begin that were copied: (index in the form, index in the text), rising.
    """

    text: str
    marks: tuple[tuple[int, int], ...]

    def source(self, at: int) -> int:
        """Where in the text a character of the form stands."""
        index = bisect_right(self.marks, (at, 1 << 60)) - 1
        here, there = self.marks[index]
        last = self.marks[index + 1][1] - 1 if index + 1 < len(self.marks) else there + at - here
        return min(there + at - here, last)

    def at(self, source: int) -> int:
        """Where in the form a character of the text stands, or what took its place."""
        index = bisect_right(self.marks, source, key=lambda mark: mark[1]) - 1
        here, there = self.marks[index]
        end = self.marks[index + 1][0] if index + 1 < len(self.marks) else len(self.text)
        return min(here + source - there, end)


def normal(text: str, *, whole: bool = True) -> Normal:
    """The normal form of a text.

    Args:
        text: any.
        whole: a hyphen at the end of a line divides a word; otherwise it belongs to it (``well-\\nknown``).
    """
    pieces: list[str] = []
    marks: list[tuple[int, int]] = [(0, 0)]
    size = at = 0
    for found in _SPECIAL.finditer(text):
        copied = text[at : found.start()]
        match found.lastgroup:
            case "divided":
                form = "" if whole or found[0][0] == "\xad" else "-"
            case "space":
                form = " "
            case _:
                form = _FORMS[found[0]]
        pieces += copied, form
        size += len(copied) + len(form)
        at = found.end()
        marks.append((size, at))
    pieces.append(text[at:])
    return Normal("".join(pieces), tuple(marks))
