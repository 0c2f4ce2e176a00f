"""Documents without pages as parts: texts cut at headings, pictures in their place, places counted in lines.

The lines are those of the extracted text, from 1, over all of its parts; a picture stands at the line
behind which it is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gemcli.ingest.blocks import blocks, count_lines
from gemcli.parts import JOINT, Anchor, Image, Part

_ENOUGH = 1_500
_MUCH = 6_000


@dataclass(slots=True)
class Flow:
    """A document's parts in the making.

    Attributes:
        parts: the finished ones; all of them behind `finish`.
    """

    parts: list[Part] = field(default_factory=list)
    _pending: list[str] = field(default_factory=list)
    _size: int = 0
    _line: int = 1
    _path: list[tuple[int, str]] = field(default_factory=list)
    _heading: str = ""
    _tight: bool = False

    @property
    def has_text(self) -> bool:
        return self._line > 1 or bool(self._pending)

    @property
    def lines(self) -> int:
        """Lines so far; behind `finish` all of them."""
        return self._line - 1

    def add(self, text: str, level: int = 0, *, tight: bool = False) -> None:
        """Add a block of text.

        Args:
            text: some lines, without an end of line at their end.
            level: from 1 for a heading.
            tight: whether it follows one of its kind without a blank line: an item of a list.
        """
        if self._size >= (_ENOUGH if level else _MUCH):
            self._cut()
        if level:
            while self._path and self._path[-1][0] >= level:
                self._path.pop()
            self._path.append((level, text.lstrip("#").strip()))
        if not self._pending:
            self._heading = JOINT.join(words for _, words in self._path)
        elif tight and self._tight:
            self._pending[-1] = self._pending[-1][:-1]  # takes the blank line back
        self._tight = tight
        self._pending.append(f"{text}\n\n")
        self._size += len(text) + 2

    def picture(self, make: Callable[[Anchor], Image | None]) -> None:
        """Add a picture where the text has got to; `make` is given its anchor."""
        size = sum(count_lines(text) for text in self._pending)
        line = max(1, self._line + size - 2)
        image = make(Anchor(lines=(line, line)))
        if image is not None:
            self._cut()
            self.parts.append(image)

    def finish(self) -> list[Part]:
        """The parts, all of them."""
        self._cut()
        return self.parts

    def _cut(self) -> None:
        text = "".join(self._pending)
        self._pending.clear()
        self._size = 0
        self._tight = False
        for part in blocks(text, self._line):
            self.parts.append(replace(part, heading=self._heading))
        self._line += count_lines(text)
