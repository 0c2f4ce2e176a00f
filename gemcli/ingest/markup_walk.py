"""A walk over the tree of a page, in the order of reading, without recursion."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gemcli.ingest.markup_lines import Cell, HeadingLine, Indent, Line, Lines, Spare, table
from gemcli.ingest.markup_source import words
from gemcli.parts import Image

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

#: Gives the picture that an element's ``src`` and ``alt`` mean, or None.
Picture = Callable[[str, str], Image | None]

_Leave = Callable[[], None]

_SKIPPED = words(
    "script style template noembed noframes iframe datalist audio video canvas source track rp param "
    "annotation annotation-xml metadata defs"
)
_BLOCKS = words(
    "address article aside body center details dir dialog div dt fieldset figcaption figure footer form "
    "header hgroup html legend main menu p section summary caption thead tbody tfoot optgroup"
)
_MARKS = {"del": "~~", "s": "~~", "strike": "~~"}
_QUOTES = {"q": ("“", "”"), "rt": ("(", ")")}
_SPACED = words("button label text tspan desc mtr mtd")

_SPACE = re.compile(r"[ \t\n\r\f\v\u00a0]+")
_UNSEEN = re.compile("[\u00ad\u200b\u2060\ufeff\x00-\x08\x0e-\x1f]")
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_LANGUAGE = re.compile(r"(?:language|lang|highlight|highlight-source|brush:)[-\s]([\w+#-]{1,20})")
_ORDINAL = re.compile(r"(?:st|nd|rd|th|er|re|e|o|a|tm|sm|™|®|º|ª)", re.IGNORECASE)
_PERMALINKS = frozenset(("", "¶", "#", "§", "🔗"))
_MOSTLY_LINKS = 0.5
_SPARE_CELLS = 100_000


@dataclass(slots=True)
class _Table:
    """A table whose end has not come."""

    rows: list[list[Cell]] = field(default_factory=list)


class Walk:
    """Writes the lines of one page.

    Attributes:
        title: of the page.
        navigation: blocks of links that were left out.
        hidden: elements that were left out because they are not shown.
    """

    def __init__(self, picture: Picture, link: Callable[[str], str | None], keep_navigation: bool) -> None:
        self.title = ""
        self.navigation = 0
        self.hidden = 0
        self._picture = picture
        self._link = link
        self._keep_navigation = keep_navigation
        self._out = Lines()
        self._inline: list[str] = []
        self._flushes = 0
        self._waiting: list[Line] = []
        self._left_out: list[Line] = []
        self._numbers: list[int | None] = []
        self._tables: list[_Table] = []
        self._spare = Spare(_SPARE_CELLS)
        self._pre = self._heading = self._in_link = 0
        self._chars = self._linked = 0

    def lines(self) -> list[Line]:
        """What was written; the navigation where there is nothing else."""
        self._flush()
        if not self._out.lines and self._left_out:
            self.navigation = 0
            return self._left_out
        return self._out.lines

    def over(self, root: LexborNode) -> None:
        """Write what stands below `root`."""
        node: LexborNode | None = root
        leaves: list[_Leave | None] = []
        depth = 0
        while node is not None:
            enters, leave = self._enter(node)
            child = node.first_child if enters else None
            if child is not None:
                leaves.append(leave)
                depth += 1
                node = child
                continue
            if leave is not None:
                leave()
            while depth and node is not None and node.next is None:
                node = node.parent
                depth -= 1
                leave = leaves.pop()
                if leave is not None:
                    leave()
            node = node.next if depth and node is not None else None
        self._flush()

    def _enter(self, node: LexborNode) -> tuple[bool, _Leave | None]:
        """Whether to go below a node, and what to do behind it."""
        tag = node.tag
        if tag == "-text":
            self._text(node.text_content or "")
            return False, None
        if tag is None or tag[0] in "-!" or tag in _SKIPPED:
            return False, None
        attributes: dict[str, Any] = node.attributes
        if attributes and self._is_hidden(tag, attributes):
            self.hidden += 1
            return False, None
        if tag == "title":
            return self._enter_title(node), None
        special = _ENTER.get(tag)
        if special is not None:
            return special(self, node, attributes)
        if tag in _BLOCKS:
            self._flush()
            if attributes.get("role") == "navigation":
                return self._enter_nav(node, attributes)
            return True, self._flush
        if tag in _MARKS:
            return True, self._around(_MARKS[tag], _MARKS[tag])
        if tag in _QUOTES:
            return True, self._around(*_QUOTES[tag])
        if tag in _SPACED:
            self._inline.append(" ")
        return True, None

    def _is_hidden(self, tag: str, attributes: dict[str, Any]) -> bool:
        if "hidden" in attributes and attributes["hidden"] != "until-found":
            return True
        style = attributes.get("style")
        if style and len(style) < 10_000 and _HIDING.search(style):
            return True
        return tag == "input" and (attributes.get("type") or "").lower() == "hidden"

    def _text(self, text: str) -> None:
        if self._pre:
            self._inline.append(text)
            return
        text = _SPACE.sub(" ", text)
        self._inline.append(text)
        self._chars += len(text)
        if self._in_link:
            self._linked += len(text)

    def _taken(self) -> list[str]:
        """The running text as lines; it is empty then."""
        text = _UNSEEN.sub("", "".join(self._inline))
        self._inline.clear()
        self._flushes += 1
        lines = [" ".join(line.split(" ")).strip() for line in re.sub(" {2,}", " ", text).split("\n")]
        kept = [line for place, line in enumerate(lines) if line or (place and lines[place - 1])]
        while kept and not kept[-1]:
            kept.pop()
        return kept[1:] if kept and not kept[0] else kept

    def _flush(self) -> None:
        """End the paragraph that is being written, if one is."""
        if self._inline and not self._pre and not self._heading:
            lines = self._taken()
            if lines:
                self._out.block(lines)
        if self._waiting and not self._pre and not self._heading:
            waiting, self._waiting = self._waiting, []
            self._out.block(waiting)

    def _around(self, before: str, after: str) -> _Leave:
        """Put marks around what an inline element says, if it says anything in one paragraph."""
        start, flushes = len(self._inline), self._flushes

        def leave() -> None:
            said = self._inline[start:] if self._flushes == flushes else []
            if any(not piece.isspace() for piece in said):
                self._inline.insert(start, before)
                self._inline.append(after)

        return leave

    def _enter_title(self, node: LexborNode) -> bool:
        parent = node.parent
        if parent is not None and parent.tag in ("head", "body", "html"):
            self.title = self.title or " ".join(node.text().split())
            return False
        self._inline.append(" ")
        return True

    def _enter_heading(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        self._flush()
        level = int((node.tag or "h6")[1])
        if self._pre or self._heading:
            return True, None
        self._heading += 1

        def leave() -> None:
            self._heading -= 1
            title = " ".join(filter(None, self._taken()))
            if title:
                self._out.is_complex = True
                self._out.block([HeadingLine.of(f"{'#' * level} {title}", level, title)])
            self._flush()

        return True, leave

    def _enter_break(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        self._inline.append("\n")
        return False, None

    def _enter_rule(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        self._flush()
        if not (self._pre or self._heading):
            self._out.block(["---"])
        return False, None

    def _enter_pre(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        self._flush()
        if self._pre or self._heading:
            return True, None
        self._pre += 1
        language = _language(node, attributes)

        def leave() -> None:
            self._pre -= 1
            text = _UNSEEN.sub("", "".join(self._inline).replace("\r\n", "\n").replace("\r", "\n"))
            self._inline.clear()
            self._flushes += 1
            lines = text.strip("\n").expandtabs(8).split("\n")
            if text.strip():
                longest = max((len(run) for run in re.findall(r"^\s*(`{3,})", text, re.MULTILINE)), default=2)
                fence = "`" * (longest + 1)
                self._out.is_complex = True
                self._out.block([fence + language, *lines, fence])
            self._flush()

        return True, leave

    def _enter_code(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        return True, None if self._pre or self._heading else self._around("`", "`")

    def _enter_link(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        href = _UNSEEN.sub("", (attributes.get("href") or "").strip())
        self._in_link += 1
        start, flushes = len(self._inline), self._flushes

        def leave() -> None:
            self._in_link -= 1
            said = "".join(self._inline[start:]).strip() if self._flushes == flushes else None
            if said is not None and href.startswith("#") and said in _PERMALINKS:
                del self._inline[start:]
            target = None if self._pre or self._heading else self._target(href)
            if target is None or said == "":
                return
            if said is None:
                self._inline.append(f" <{target}>")
            elif said != target and f"mailto:{said}" != target:
                self._inline.insert(start, "[")
                self._inline.append(f"]({target})")

        return True, leave

    def _target(self, href: str) -> str | None:
        scheme = href.partition(":")[0].lower()
        if not href or href[0] == "#" or scheme in ("javascript", "data", "blob", "about"):
            return None
        return self._link(_SPACE.sub("%20", href))

    def _enter_image(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        place = attributes.get("src") or attributes.get("xlink:href") or attributes.get("href") or ""
        alt = " ".join((attributes.get("alt") or "").split())
        image = self._picture(place, alt) if place else None
        if image is not None:
            self._flush()
            self._waiting.append(image)
            self._flush()
        elif alt:
            self._inline.append(f"[image: {alt}]")
        return False, None

    def _enter_input(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        kind = (attributes.get("type") or "text").lower()
        if kind in ("checkbox", "radio"):
            self._inline.append(" [x] " if "checked" in attributes else " [ ] ")
        elif kind not in ("password", "submit", "reset", "button", "image", "file"):
            self._text(f" {attributes.get('value') or ''} ")
        return False, None

    def _enter_option(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        return True, lambda: self._inline.append("; ")

    def _enter_raised(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        """Powers and indices keep their place: ``10^6``, ``x_i``; footnote marks, ordinals and formulas
        of chemistry are left as they are."""
        raised = node.tag == "sup"
        start, flushes = len(self._inline), self._flushes

        def leave() -> None:
            if self._flushes != flushes or self._pre:
                return
            said = "".join(self._inline[start:]).strip()
            before = "".join(self._inline[max(0, start - 3) : start])[-2:]
            if not before or not (before[-1].isalnum() or before[-1] in ")]}") or not said:
                return
            plain = _ORDINAL.fullmatch(said) if raised else said.isdigit() and before[-1].isupper()
            if plain or not (said[0].isalnum() or said[0] in "+-−"):
                return
            mark = "^" if raised else "_"
            self._inline[start:] = [mark + (said if len(said) == 1 or said.isalnum() else f"({said})")]

        return True, leave

    def _enter_math(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        tex = (attributes.get("alttext") or "").strip()
        if not tex:
            note = node.css_first('annotation[encoding="application/x-tex"]')
            tex = "" if note is None else (note.text() or "").strip()
        if tex:
            self._text(f" ${tex}$ ")
            return False, None
        self._inline.append(" ")
        return True, lambda: self._inline.append(" ")

    def _enter_list(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        self._flush()
        self._numbers.append(_number(attributes.get("start"), 1) if node.tag == "ol" else None)
        out = self._out
        out.lists += 1

        def leave() -> None:
            self._flush()
            out.lists -= 1
            self._numbers.pop()

        return True, leave

    def _enter_item(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        number = self._numbers[-1] if self._numbers else None
        if number is None:
            return self._indented("- ", "  ")
        number = _number(attributes.get("value"), number)
        self._numbers[-1] = number + 1
        mark = f"{number}. "
        return self._indented(mark, " " * len(mark))

    def _enter_definition(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        return self._indented(": ", "  ")

    def _enter_quote(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        return self._indented("> ", "> ")

    def _indented(self, first: str, rest: str) -> tuple[bool, _Leave | None]:
        self._flush()
        out, indent = self._out, Indent(first, rest)
        out.indents.append(indent)

        def leave() -> None:
            self._flush()
            if out.indents and out.indents[-1] is indent:
                out.indents.pop()

        return True, leave

    def _enter_nav(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        self._flush()
        if self._keep_navigation:
            return True, self._flush
        outer, self._out = self._out, Lines()
        inner, chars, linked = self._out, self._chars, self._linked

        def leave() -> None:
            self._flush()
            self._out = outer
            if not inner.lines:
                return
            if self._linked - linked >= _MOSTLY_LINKS * (self._chars - chars):
                self.navigation += 1
                self._left_out += inner.lines
            else:
                outer.block(inner.lines)

        return True, leave

    def _enter_table(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        self._flush()
        if self._pre or self._heading:
            return True, None
        made = _Table()
        self._tables.append(made)

        def leave() -> None:
            self._flush()
            self._tables.pop()
            lines = None
            if attributes.get("role") not in ("presentation", "none"):
                lines = table(made.rows, self._spare)
            self._out.is_complex = True
            if lines:
                self._out.block(lines)
                return
            for row in made.rows:
                for cell in row:
                    if cell.lines:
                        self._out.block(cell.lines)

        return True, leave

    def _enter_row(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        self._flush()
        if self._tables:
            self._tables[-1].rows.append([])
        return True, self._flush

    def _enter_cell(self, node: LexborNode, attributes: dict[str, Any]) -> tuple[bool, _Leave | None]:
        self._flush()
        if not self._tables or self._pre or self._heading:
            return True, self._flush
        rows = self._tables[-1].rows
        outer, self._out = self._out, Lines()
        inner = self._out

        def leave() -> None:
            self._flush()
            self._out = outer
            if not rows:
                rows.append([])
            columns = max(1, min(1000, _number(attributes.get("colspan"), 1)))
            high = max(1, min(65_534, _number(attributes.get("rowspan"), 1)))
            rows[-1].append(Cell(inner.lines, columns, high, inner.is_complex))

        return True, leave


def _number(value: str | None, default: int) -> int:
    try:
        return int(value[:9]) if value else default
    except ValueError:
        return default


def _language(node: LexborNode, attributes: dict[str, Any]) -> str:
    child = node.first_child
    inner = child.attributes.get("class") if child is not None and child.tag == "code" else None
    parent = node.parent.parent if node.parent is not None else None
    outer = parent.attributes.get("class") if parent is not None else None
    for said in (attributes.get("class"), inner, outer):
        match = _LANGUAGE.search(said or "")
        if match is not None and match[1] not in ("default", "none", "text", "plaintext"):
            return match[1]
    return ""


_ENTER: dict[str, Callable[[Walk, Any, dict[str, Any]], tuple[bool, _Leave | None]]] = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), Walk._enter_heading),
    **dict.fromkeys(("ul", "ol", "dl"), Walk._enter_list),
    **dict.fromkeys(("pre", "listing", "xmp", "plaintext", "textarea"), Walk._enter_pre),
    **dict.fromkeys(("code", "kbd", "samp", "tt"), Walk._enter_code),
    **dict.fromkeys(("td", "th"), Walk._enter_cell),
    **dict.fromkeys(("img", "image"), Walk._enter_image),
    **dict.fromkeys(("sup", "sub"), Walk._enter_raised),
    "a": Walk._enter_link,
    "blockquote": Walk._enter_quote,
    "br": Walk._enter_break,
    "dd": Walk._enter_definition,
    "hr": Walk._enter_rule,
    "input": Walk._enter_input,
    "li": Walk._enter_item,
    "math": Walk._enter_math,
    "nav": Walk._enter_nav,
    "option": Walk._enter_option,
    "table": Walk._enter_table,
    "tr": Walk._enter_row,
}
