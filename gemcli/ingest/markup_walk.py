"""A walk over the tree of a page, in the order of reading, without recursion."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gemcli.ingest import markup_blocks, markup_inline, markup_table
from gemcli.ingest.markup_blocks import navigation
from gemcli.ingest.markup_page import Entered, Leave, Page
from gemcli.ingest.markup_source import words

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_SKIPPED = words(
    "script style template noembed noframes iframe datalist audio video canvas source track rp param "
    "annotation annotation-xml metadata defs"
)
_BLOCKS = words(
    "address article aside body center details dir dialog div dt fieldset figcaption figure footer form "
    "header hgroup html legend main menu p section summary caption thead tbody tfoot optgroup"
)
_SPACED = words("button label text tspan desc mtr mtd")
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_ENTER = markup_inline.ENTER | markup_blocks.ENTER | markup_table.ENTER


def walk(page: Page, root: LexborNode) -> None:
    """Write `root` and what stands below it."""
    node: LexborNode | None = root
    leaves: list[Leave | None] = []
    depth = 0
    while node is not None:
        enters, leave = _enter(page, node)
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
    page.flush()


def _enter(page: Page, node: LexborNode) -> Entered:
    """Whether to go below a node, and what to do behind it."""
    tag = node.tag
    if tag == "-text":
        page.text(node.text_content or "")
        return False, None
    if tag is None or tag[0] in "-!" or tag in _SKIPPED:
        return False, None
    attributes: dict[str, Any] = node.attributes
    if attributes and _is_hidden(tag, attributes):
        page.hidden += 1
        return False, None
    if tag == "title":
        return _enter_title(page, node), None
    special = _ENTER.get(tag)
    if special is not None:
        return special(page, node, attributes)
    if tag in _BLOCKS:
        page.flush()
        if attributes.get("role") == "navigation":
            return navigation(page, node, attributes)
        return True, page.flush
    if tag in _SPACED:
        page.inline.append(" ")
    return True, None


def _is_hidden(tag: str, attributes: dict[str, Any]) -> bool:
    if "hidden" in attributes and attributes["hidden"] != "until-found":
        return True
    style = attributes.get("style")
    if style and len(style) < 10_000 and _HIDING.search(style):
        return True
    return tag == "input" and (attributes.get("type") or "").lower() == "hidden"


def _enter_title(page: Page, node: LexborNode) -> bool:
    parent = node.parent
    if parent is not None and parent.tag in ("head", "body", "html"):
        page.title = page.title or " ".join(node.text().split())
        return False
    page.inline.append(" ")
    return True
