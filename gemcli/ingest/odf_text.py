"""Paragraphs of OpenDocument as plain text."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

_ASIDE = (
    "text.note",
    "office.annotation",
    "draw.frame",
    "text.tracked-changes",
    "text.ruby-text",
    "draw.custom-shape",
)
_MAX_SPACES = 1_000


def paragraph_text(item: Element) -> str:
    """The text of a paragraph or heading, on one line but for its line breaks; notes and frames left out.

    White space counts once, as the format says (OpenDocument 1.3, part 3, 6.1.2); spaces that are meant are
    elements.
    """
    pieces: list[str] = []
    for text, is_literal in _pieces(item):
        if is_literal:
            pieces.append(text)
            continue
        words = " ".join(text.split())
        before = " " if text[:1].isspace() and pieces and not pieces[-1].endswith((" ", "\n")) else ""
        after = " " if text[-1:].isspace() and words else ""
        pieces.append(before + words + after)
    return "".join(pieces).strip(" ")


def _pieces(item: Element) -> Iterator[tuple[str, bool]]:
    if item.text:
        yield item.text, False
    for child in item:
        if child.tag == "text.s":
            count = child.get("text.c", "1")
            yield " " * min(int(count) if count.isascii() and count.isdecimal() else 1, _MAX_SPACES), True
        elif child.tag == "text.tab":
            yield "\t", True
        elif child.tag == "text.line-break":
            yield "\n", True
        elif child.tag == "text.a":
            yield _link(child), True
        elif child.tag == "text.note":
            yield f"[^{''.join((child.findtext('text.note-citation') or '').split())}]", True
        elif child.tag not in _ASIDE:
            yield from _pieces(child)
        if child.tail:
            yield child.tail, False


def _link(item: Element) -> str:
    text = paragraph_text(item)
    target = item.get("xlink.href", "")
    if not text or not target.startswith(("http:", "https:", "mailto:")) or target in text:
        return text
    return f"[{text}]({target})"
