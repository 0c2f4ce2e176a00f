"""Markdown as a flat sequence of leaves: paragraphs, headings, code, tables, rules.

Each leaf has the prefix of the lists and quotes around it.  Leaves, not nested blocks, are what a stream can
finish one after the other: when complete lines put another leaf after it, no later line can change a leaf
any more (CommonMark 0.31, "Phase 1: block structure").  Two things of CommonMark that break this, or lose
text, are left out: link reference definitions (a later one changes earlier paragraphs; they are shown as
written, and so is their address) and HTML blocks (their text is shown).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

Kind = Literal["text", "heading", "code", "table", "rule"]

_BULLETS = "•◦▪"
_CELL = re.compile(r"(?<!\\)\|")
_MAX_NESTING = 100  # containers; each costs a few frames of Python's stack


@dataclass(frozen=True, slots=True)
class Resume:
    """Where parsing can begin again so that the same leaves follow.

    Attributes:
        line: index of the source line.
        number: the number of the list item that begins there, or None.
        list_id: the list that is open there or was the last one.
        in_list: whether it is open.
    """

    line: int = 0
    number: int | None = None
    list_id: int = 0
    in_list: bool = False


@dataclass(frozen=True, slots=True)
class Leaf:
    """A block without blocks inside.

    Attributes:
        kind: what it is.
        text: inline Markdown of a text or heading, the lines of a code block.
        first: prefix of its first row (bullets, numbers, quote bars).
        rest: prefix of its other rows.
        begins_item: it is the first leaf of a list item.
        list_id: the outermost list it stands in, 0 for none.
        resume: where parsing can begin again so as to meet this leaf.
        start: index of its first source line.
        level: of a heading, 1 to 6.
        info: language of a code block.
        fenced: a code block between fences, whose lines are final as they come.
        closed: its closing fence is there.
        cells: rows of a table as inline Markdown; the first is the header.
        alignments: of a table's columns: ``left``, ``center``, ``right``.
    """

    kind: Kind
    text: str
    first: str
    rest: str
    begins_item: bool
    list_id: int
    resume: Resume
    start: int
    level: int = 0
    info: str = ""
    fenced: bool = False
    closed: bool = False
    cells: tuple[tuple[str, ...], ...] = ()
    alignments: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The source lines of a code block."""
        return self.text.removesuffix("\n").split("\n") if self.text else []


@functools.cache
def parser() -> MarkdownIt:
    """The Markdown parser, with the rules that a stream can bear."""
    from markdown_it import MarkdownIt

    from gemcli.ui.markdown.inline import keep_formulas

    markdown = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING})
    markdown.enable(["table", "strikethrough"]).disable(["reference", "html_block"])
    markdown.inline.ruler.before("escape", "formula", keep_formulas)
    return markdown


START = Resume()


def parse(source: str, resume: Resume = START) -> list[Leaf]:
    """The leaves of `source`, which begins at a place that `resume` describes."""
    markdown = parser()
    tokens: list[Token] = []
    markdown.block.parse(source, markdown, {}, tokens)
    return _Flattener(source, resume).flatten(tokens)


@dataclass(slots=True)
class _Container:
    first: str
    rest: str
    item: bool
    begun: bool = False


@dataclass(slots=True)
class _Table:
    start: int
    line: int = 0
    rows: list[list[str]] = field(default_factory=list)
    alignments: list[str] = field(default_factory=list)


class _Flattener:
    """Walks the parser's tokens once."""

    def __init__(self, source: str, resume: Resume) -> None:
        self._source = source.split("\n")
        self._given = resume
        self._leaves: list[Leaf] = []
        self._containers: list[_Container] = []
        self._numbers: list[int | None] = []  # of the open lists: the next item's number, None for bullets
        self._list_id = resume.list_id
        self._resume = resume
        self._table = _Table(0)

    def flatten(self, tokens: Sequence[Token]) -> list[Leaf]:
        for token in tokens:
            start, end = token.map or (0, 0)
            if token.level == 0 and token.map:
                self._resume = Resume(start, list_id=self._list_id)
            match token.type:
                case "bullet_list_open" | "ordered_list_open":
                    self._open_list(token, start)
                case "bullet_list_close" | "ordered_list_close":
                    self._numbers.pop()
                case "list_item_open":
                    self._open_item(token, start)
                case "blockquote_open":
                    self._containers.append(_Container("│ ", "│ ", item=False))
                case "list_item_close" | "blockquote_close":
                    self._close_container()
                case "inline":
                    self._inline(token)
                case "fence" | "code_block":
                    self._code(token, start, end)
                case "hr":
                    self._add("rule", "", start)
                case "table_open":
                    self._table = _Table(start)
                case "tr_open":
                    self._table.rows.append([])
                    self._table.line = start
                case "th_open":
                    style = str(token.attrs.get("style", ""))
                    self._table.alignments.append(style.removeprefix("text-align:") or "left")
                case "tr_close":
                    self._excess_cells()
                case "table_close":
                    self._close_table()
            if token.type in ("list_item_open", "blockquote_open") and token.level >= _MAX_NESTING - 1:
                # the parser leaves out what is nested deeper: show it as it was written
                self._add("text", "\n".join(line.strip() for line in self._source[start:end]), start)
            self._last = token
        return self._leaves

    def _open_list(self, token: Token, start: int) -> None:
        ordered = token.type == "ordered_list_open"
        number = int(token.attrs.get("start", 1)) if ordered else None
        if not self._numbers:
            continued = self._given.in_list and not self._leaves and start == 0
            if continued and ordered and self._given.number is not None:
                number = self._given.number
            if not continued:
                self._list_id += 1
        self._numbers.append(number)

    def _open_item(self, token: Token, start: int) -> None:
        number = self._numbers[-1]
        if token.level == 1:
            self._resume = Resume(start, number, self._list_id, in_list=True)
        if number is None:
            marker = f" {_BULLETS[(len(self._numbers) - 1) % len(_BULLETS)]} "
        else:
            marker = f"{number:2d}{token.markup} "
            self._numbers[-1] = number + 1
        self._containers.append(_Container(marker, " " * len(marker), item=True))

    def _close_container(self) -> None:
        if not self._containers[-1].begun:
            self._add("text", "", self._resume.line)
        self._containers.pop()

    def _inline(self, token: Token) -> None:
        start = (token.map or [0])[0]
        match self._last.type:
            case "heading_open":
                self._add("heading", token.content, start, level=int(self._last.tag[1:]))
            case "th_open" | "td_open":
                self._table.rows[-1].append(token.content)
            case _:
                self._add("text", token.content, start)

    def _code(self, token: Token, start: int, end: int) -> None:
        fenced = token.type == "fence"
        content = token.content.count("\n") + (token.content[-1:] not in ("", "\n"))
        self._add(
            "code",
            token.content,
            start,
            info=token.info.strip(),
            fenced=fenced,
            closed=fenced and end - start - 1 > content,
        )

    def _excess_cells(self) -> None:
        """GFM ignores cells beyond the header's columns; an answer's text must not vanish."""
        row = self._table.rows[-1]
        line = self._source[self._table.line].lstrip(" >\t").rstrip()
        cells = _CELL.split(line.removeprefix("|").removesuffix("|"))
        row += [cell.strip() for cell in cells[len(row) :]]

    def _close_table(self) -> None:
        table = self._table
        self._add(
            "table",
            "",
            table.start,
            cells=tuple(tuple(row) for row in table.rows),
            alignments=tuple(table.alignments),
        )

    def _add(self, kind: Kind, text: str, start: int, **more: object) -> None:
        first = "".join(c.rest if c.begun else c.first for c in self._containers)
        begins_item = any(c.item and not c.begun for c in self._containers)
        for container in self._containers:
            container.begun = True
        self._leaves.append(
            Leaf(
                kind,
                text,
                first,
                "".join(c.rest for c in self._containers),
                begins_item,
                self._list_id if self._numbers else 0,
                self._resume,
                start,
                **more,  # type: ignore[arg-type]
            )
        )
