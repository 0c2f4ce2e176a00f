"""Which part of growing Markdown is finished, and which may still change.

A leaf is finished when complete lines have put another after it; the lines of fenced code are finished one by
one.  What has been handed out is dropped from the text that is parsed again, so that the work for a new line
does not grow with the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gemcli.ui.markdown.blocks import START, Leaf, parse


@dataclass(frozen=True, slots=True)
class Piece:
    """A leaf, or some rows of fenced code.

    Attributes:
        leaf: the leaf; of long code only what was not handed out and forgotten.
        gap: the blank row before it (with the bars of a quote that it is inside), None for none.
        ended: nothing more belongs to the leaf.
        skip: how many of the `rows` an earlier piece had.
    """

    leaf: Leaf
    gap: str | None
    ended: bool
    skip: int = 0

    @property
    def rows(self) -> int:
        """Rows of fenced code before wrapping: its opening fence, its lines, its end when that is known."""
        return 1 + len(self.leaf.lines) + (self.leaf.closed or self.ended)


class MarkdownStream:
    """Text goes in as it comes; finished pieces come out, each once, in order.

    All pieces together depend only on the whole text, not on how it was cut.
    """

    def __init__(self) -> None:
        self._tail = ""  # begins where parsing can begin again
        self._resume = START
        self._done = 0  # leaves of the tail that were handed out
        self._skip = 0  # rows of the next leaf that were handed out
        self._previous: Leaf | None = None  # the last one handed out, in whole or in part
        self._settled = 0  # how much of the tail had been looked at

    def push(self, text: str) -> None:
        """Append to the text."""
        self._tail += text

    def settle(self, *, final: bool = False) -> list[Piece]:
        """The pieces that have become finished.  `final`: the text is complete, and so all of it is."""
        complete = len(self._tail) if final else self._tail.rfind("\n", self._settled) + 1
        if complete <= self._settled and not final:
            return []
        leaves = parse(self._tail[:complete], self._resume)
        finished: list[Piece] = []
        for number in range(self._done, len(leaves)):
            leaf = leaves[number]
            ended = final or number < len(leaves) - 1
            if not ended and not leaf.fenced:
                break
            piece = self._piece(leaf, self._previous, ended, self._skip)
            if piece.skip < piece.rows:
                finished.append(piece)
            self._previous = leaf
            if not ended:
                self._skip = piece.rows
                break
            self._done += 1
            self._skip = 0
        self._settled = complete
        self._forget(leaves)
        return finished

    def unsettled(self) -> list[Piece]:
        """The pieces after the finished ones, as they look now."""
        leaves = parse(self._tail, self._resume)[self._done :]
        pieces: list[Piece] = []
        previous, skip = self._previous, self._skip
        for number, leaf in enumerate(leaves):
            pieces.append(self._piece(leaf, previous, number < len(leaves) - 1, skip))
            previous, skip = leaf, 0
        return pieces

    @staticmethod
    def _piece(leaf: Leaf, previous: Leaf | None, ended: bool, skip: int) -> Piece:
        same_list = previous is not None and leaf.list_id != 0 and leaf.list_id == previous.list_id
        if previous is None or skip or (leaf.begins_item and same_list):
            return Piece(leaf, None, ended, skip)
        return Piece(leaf, _common(previous.rest, leaf.rest).rstrip(), ended)

    def _forget(self, leaves: list[Leaf]) -> None:
        """Drop what was handed out from the tail, as far as parsing can begin again after it."""
        if self._done >= len(leaves):
            return
        leaf = leaves[self._done]
        begin = _offset(self._tail, leaf.resume.line)
        kept = self._tail[begin:]
        if leaf.fenced and not leaf.closed and not leaf.rest and self._skip > 1:
            fence = _offset(kept, 1)
            lines = _offset(kept, self._skip)
            kept = kept[:fence] + kept[lines:]
            begin += lines - fence
            self._skip = 1
        self._done = sum(earlier.resume.line == leaf.resume.line for earlier in leaves[: self._done])
        self._resume = replace(leaf.resume, line=0)
        self._settled -= begin
        self._tail = kept


def _common(one: str, other: str) -> str:
    """The prefix that both have."""
    length = 0
    while one[length : length + 1] == other[length : length + 1] != "":
        length += 1
    return one[:length]


def _offset(text: str, line: int) -> int:
    """Where the line with this index begins."""
    at = 0
    for _ in range(line):
        at = text.index("\n", at) + 1
    return at
