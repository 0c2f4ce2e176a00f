"""The lines of a page while they are written: running text, paragraphs, and what is open around them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gemcli.ingest.markup_lines import Cell, Line, Lines, Spare
from gemcli.parts import Image

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

#: Gives the picture that an element's ``src`` and ``alt`` mean, or None.
Picture = Callable[[str, str], Image | None]

#: What is to be done behind an element.
Leave = Callable[[], None]

#: Whether to go below an element, and what to do behind it.
Entered = tuple[bool, Leave | None]

#: Writes the beginning of an element, given its attributes.
Enter = Callable[["Page", "LexborNode", dict[str, Any]], Entered]

#: White space that counts once.
SPACE = re.compile(r"[ \t\n\r\f\v\u00a0]+")

#: Characters that nobody sees.
UNSEEN = re.compile("[\u00ad\u200b\u2060\ufeff\x00-\x08\x0e-\x1f]")

_SPARE_CELLS = 100_000


class Page:
    """What is being written of one page.

    Attributes:
        picture: gives pictures.
        link: the address to be shown for one that is written, or None to leave it out.
        keep_navigation: whether blocks of links are written.
        title: of the page.
        navigation: blocks of links that were left out.
        left_out: their lines.
        hidden: elements that were left out because they are not shown.
        out: the lines of the page, or of the cell or block of navigation that is open.
        inline: pieces of the running text, which become lines at the paragraph's end.
        flushes: how often they did; tells an element's end whether its text is still running.
        waiting: pictures that come behind the heading or code that is open.
        numbers: the next number of every open list; None for bullets.
        tables: the rows of every open table.
        spare: cells that merged ones may still repeat.
        pre, headings, in_link: how many of preformatted text, headings and links are open.
        chars, linked: characters of text so far, and those in links.
    """

    def __init__(self, picture: Picture, link: Callable[[str], str | None], keep_navigation: bool) -> None:
        self.picture = picture
        self.link = link
        self.keep_navigation = keep_navigation
        self.title = ""
        self.navigation = 0
        self.left_out: list[Line] = []
        self.hidden = 0
        self.out = Lines()
        self.inline: list[str] = []
        self.flushes = 0
        self.waiting: list[Line] = []
        self.numbers: list[int | None] = []
        self.tables: list[list[list[Cell]]] = []
        self.spare = Spare(_SPARE_CELLS)
        self.pre = self.headings = self.in_link = 0
        self.chars = self.linked = 0

    def lines(self) -> list[Line]:
        """What was written; the navigation where there is nothing else."""
        self.flush()
        if not self.out.lines and self.left_out:
            self.navigation = 0
            return self.left_out
        return self.out.lines

    def text(self, text: str) -> None:
        """Add running text."""
        if self.pre:
            self.inline.append(text)
            return
        text = SPACE.sub(" ", text)
        self.inline.append(text)
        self.chars += len(text)
        if self.in_link:
            self.linked += len(text)

    def taken(self) -> list[str]:
        """The running text as lines; it is empty then."""
        text = UNSEEN.sub("", "".join(self.inline))
        self.inline.clear()
        self.flushes += 1
        lines = [" ".join(line.split(" ")).strip() for line in re.sub(" {2,}", " ", text).split("\n")]
        kept = [line for place, line in enumerate(lines) if line or (place and lines[place - 1])]
        while kept and not kept[-1]:
            kept.pop()
        return kept[1:] if kept and not kept[0] else kept

    def flush(self) -> None:
        """End the paragraph that is being written, if one is."""
        if self.inline and not self.pre and not self.headings:
            lines = self.taken()
            if lines:
                self.out.block(lines)
        if self.waiting and not self.pre and not self.headings:
            waiting, self.waiting = self.waiting, []
            self.out.block(waiting)

    def around(self, before: str, after: str) -> Leave:
        """Begin an inline element; its end puts marks around what it says, if that is in one paragraph."""
        start, flushes = len(self.inline), self.flushes

        def leave() -> None:
            said = self.inline[start:] if self.flushes == flushes else []
            if any(not piece.isspace() for piece in said):
                self.inline.insert(start, before)
                self.inline.append(after)

        return leave


def number(value: str | None, default: int) -> int:
    """An attribute's whole number, or `default`."""
    try:
        return int(value[:9]) if value else default
    except ValueError:
        return default
