"""Elements that are paragraphs of their own: headings, code, lists, quotations, navigation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gemcli.ingest.markup_lines import HeadingLine, Indent, Lines
from gemcli.ingest.markup_page import UNSEEN, Enter, Entered, Page, number

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_LANGUAGE = re.compile(r"(?:language|lang|highlight|highlight-source|brush:)[-\s]([\w+#-]{1,20})")
_MOSTLY_LINKS = 0.5


def _heading(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    page.flush()
    level = int((node.tag or "h6")[1])
    if page.pre or page.headings:
        return True, None
    page.headings += 1

    def leave() -> None:
        page.headings -= 1
        title = " ".join(filter(None, page.taken()))
        if title:
            page.out.is_complex = True
            page.out.block([HeadingLine.of(f"{'#' * level} {title}", level, title)])
        page.flush()

    return True, leave


def _rule(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    page.flush()
    if not (page.pre or page.headings):
        page.out.block(["---"])
    return False, None


def _pre(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    page.flush()
    if page.pre or page.headings:
        return True, None
    page.pre += 1
    language = _language(node, attributes)

    def leave() -> None:
        page.pre -= 1
        text = UNSEEN.sub("", "".join(page.inline).replace("\r\n", "\n").replace("\r", "\n"))
        page.inline.clear()
        page.flushes += 1
        lines = text.strip("\n").expandtabs(8).split("\n")
        if text.strip():
            longest = max((len(run) for run in re.findall(r"^\s*(`{3,})", text, re.MULTILINE)), default=2)
            fence = "`" * (longest + 1)
            page.out.is_complex = True
            page.out.block([fence + language, *lines, fence])
        page.flush()

    return True, leave


def _list(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    page.flush()
    page.numbers.append(number(attributes.get("start"), 1) if node.tag == "ol" else None)
    out = page.out
    out.lists += 1

    def leave() -> None:
        page.flush()
        out.lists -= 1
        page.numbers.pop()

    return True, leave


def _item(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    following = page.numbers[-1] if page.numbers else None
    if following is None:
        return _indented(page, "- ", "  ")
    own = number(attributes.get("value"), following)
    page.numbers[-1] = own + 1
    mark = f"{own}. "
    return _indented(page, mark, " " * len(mark))


def _definition(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    return _indented(page, ": ", "  ")


def _quote(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    return _indented(page, "> ", "> ")


def _indented(page: Page, first: str, rest: str) -> Entered:
    page.flush()
    out, indent = page.out, Indent(first, rest)
    out.indents.append(indent)

    def leave() -> None:
        page.flush()
        if out.indents and out.indents[-1] is indent:
            out.indents.pop()

    return True, leave


def navigation(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    """A block that is left out where it is mostly links."""
    page.flush()
    if page.keep_navigation:
        return True, page.flush
    outer, page.out = page.out, Lines()
    inner, chars, linked = page.out, page.chars, page.linked

    def leave() -> None:
        page.flush()
        page.out = outer
        if not inner.lines:
            return
        if page.linked - linked >= _MOSTLY_LINKS * (page.chars - chars):
            page.navigation += 1
            page.left_out += inner.lines
        else:
            outer.block(inner.lines)

    return True, leave


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


#: What each tag writes.
ENTER: dict[str, Enter] = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), _heading),
    **dict.fromkeys(("ul", "ol", "dl"), _list),
    **dict.fromkeys(("pre", "listing", "xmp", "plaintext", "textarea"), _pre),
    "blockquote": _quote,
    "dd": _definition,
    "hr": _rule,
    "li": _item,
    "nav": navigation,
}
