"""Which headings the text of a PDF stands under: from its table of contents, else from how its lines look.

A page on which sections begin is cut where their headings are, so that each part stands under its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gemcli.parts import JOINT

#: Level from 0, page from 1, title.
Entry = tuple[int, int, str]

_NUMBER = re.compile(
    r"^(chapter|part|section|appendix)?\s*([0-9]+|[A-Z]|[IVXL]+)(\.[0-9]+)*\.?[\s:–—-]+", re.IGNORECASE
)
_LARGER = 1.08  # than the usual letters
_LEVELS = 3  # of headings that are told by their looks
_PAGES = 3  # on which a line stands until it is a running head
_RUNNING = 12  # letters of a running head that may have a number
_EACH_PAGE = 4.0  # headings of one kind a page: more are no headings
_WORTH_A_PART = 80  # characters; less, such as a heading right before another, stays with what follows


@dataclass(slots=True)
class Headings:
    """Where the reading stands in the table of contents; pages are to be taken in order.

    Attributes:
        entries: the table, in order.
    """

    entries: Sequence[Entry]
    _path: list[tuple[int, str]] = field(default_factory=list)
    _at: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    _pages: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for level, page, title in self.entries:
            self._at.setdefault(page, []).append((level, title))
        self._pages = sorted(self._at, reverse=True)

    def cut(self, page: int, text: str) -> Iterator[tuple[str, str]]:
        """The text of a page in order, each piece with the path of headings that it stands under."""
        while self._pages and self._pages[-1] < page:
            for level, title in self._at[self._pages.pop()]:
                self._enter(level, title)
        if self._pages and self._pages[-1] == page:
            self._pages.pop()
        begin = 0
        spans = _lines(text)
        for level, title in self._at.get(page, ()):
            place = _find(spans, title, begin)
            if place is not None and len(text[begin:place].strip()) >= _WORTH_A_PART:
                yield text[begin:place].strip("\n"), self._label()
                begin = place
            self._enter(level, title)
        if rest := text[begin:].strip("\n"):
            yield rest, self._label()

    def _enter(self, level: int, title: str) -> None:
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self._path.append((level, title))

    def _label(self) -> str:
        return JOINT.join(title for _, title in self._path)


def by_looks(pages: Mapping[int, dict[str, Any]]) -> list[Entry]:
    """A table of contents made of lines in larger or bolder letters; none where that tells nothing.

    Args:
        pages: what was found on each page (`pdf_page.PageText`): ``headings``, ``body``, ``letters``.
    """
    usual: Counter[tuple[float, bool]] = Counter()
    repeated: Counter[str] = Counter()
    for page in pages.values():
        usual[tuple(page["body"])] += page["letters"]
        repeated.update({_head(text) for text, _, _ in page["headings"]})
    if not usual:
        return []
    (height, bold), _ = usual.most_common(1)[0]
    lines = [
        (number, text, (size, weight))
        for number, page in sorted(pages.items())
        for text, size, weight in page["headings"]
        if (size > _LARGER * height or (weight and not bold)) and repeated[_head(text)] <= _PAGES
    ]
    kinds = Counter(look for _, _, look in lines)
    styles = sorted((look for look, count in kinds.items() if count <= _EACH_PAGE * len(pages)), reverse=True)
    levels = {look: min(place, _LEVELS - 1) for place, look in enumerate(styles)}
    return [(levels[look], number, text) for number, text, look in lines if look in levels]


def _lines(text: str) -> list[tuple[int, str]]:
    """Where each line begins, and its bare letters."""
    found: list[tuple[int, str]] = []
    at = 0
    for line in text.split("\n"):
        if line:
            found.append((at, _bare(line)))
        at += len(line) + 1
    return found


def _find(lines: Sequence[tuple[int, str]], title: str, begin: int) -> int | None:
    """Where the line stands that is `title`, with or without its number, perhaps on two lines."""
    wanted = {_bare(title), _bare(_NUMBER.sub("", title))} - {""}
    longest = max(map(len, wanted), default=0)
    for index, (place, line) in enumerate(lines):
        if place < begin or not line or (not any(map(line.__contains__, wanted)) and len(line) >= longest):
            continue
        joined = line
        for following in range(index, min(index + 3, len(lines))):
            if following > index:
                joined += lines[following][1]
            if joined in wanted or _bare_number(joined) in wanted:
                return place
            if len(joined) > longest + 12:
                break
    return None


def _bare(text: str) -> str:
    """Letters and digits alone, in small."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def _head(text: str) -> str:
    """A line as a running head, the same on each page but for the page's number; not ``Chapter 2``."""
    bare = _bare(text)
    letters = bare.strip("0123456789")
    return letters if len(letters) >= _RUNNING else bare


def _bare_number(text: str) -> str:
    """Without the digits that it begins with."""
    return text.lstrip("0123456789")
