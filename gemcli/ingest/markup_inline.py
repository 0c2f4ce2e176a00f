"""Elements inside a paragraph: links, code, powers, formulas, pictures, fields of forms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gemcli.ingest.markup_page import SPACE, UNSEEN, Enter, Entered, Page

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_ORDINAL = re.compile(r"(?:st|nd|rd|th|er|re|e|o|a|tm|sm|™|®|º|ª)", re.IGNORECASE)
_PERMALINKS = frozenset(("", "¶", "#", "§", "🔗"))
_MARKS = {"del": "~~", "s": "~~", "strike": "~~"}
_QUOTES = {"q": ("“", "”"), "rt": ("(", ")")}


def _break(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    page.inline.append("\n")
    return False, None


def _code(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    return True, None if page.pre or page.headings else page.around("`", "`")


def _link(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    href = UNSEEN.sub("", (attributes.get("href") or "").strip())
    page.in_link += 1
    start, flushes = len(page.inline), page.flushes

    def leave() -> None:
        page.in_link -= 1
        said = "".join(page.inline[start:]).strip() if page.flushes == flushes else None
        if said is not None and href.startswith("#") and said in _PERMALINKS:
            del page.inline[start:]
        target = None if page.pre or page.headings else _target(page, href)
        if target is None or said == "":
            return
        if said is None:
            page.inline.append(f" <{target}>")
        elif said != target and f"mailto:{said}" != target:
            page.inline.insert(start, "[")
            page.inline.append(f"]({target})")

    return True, leave


def _image(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    place = attributes.get("src") or attributes.get("xlink:href") or attributes.get("href") or ""
    alt = " ".join((attributes.get("alt") or "").split())
    image = page.picture(place, alt) if place else None
    if image is not None:
        page.flush()
        page.waiting.append(image)
        page.flush()
    elif alt:
        page.inline.append(f"[image: {alt}]")
    return False, None


def _input(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    kind = (attributes.get("type") or "text").lower()
    if kind in ("checkbox", "radio"):
        page.inline.append(" [x] " if "checked" in attributes else " [ ] ")
    elif kind not in ("password", "submit", "reset", "button", "image", "file"):
        page.text(f" {attributes.get('value') or ''} ")
    return False, None


def _option(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    return True, lambda: page.inline.append("; ")


def _raised(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    """Powers and indices keep their place: ``10^6``, ``x_i``; footnote marks, ordinals and formulas
    of chemistry are left as they are."""
    raised = node.tag == "sup"
    start, flushes = len(page.inline), page.flushes

    def leave() -> None:
        if page.flushes != flushes or page.pre:
            return
        said = "".join(page.inline[start:]).strip()
        before = "".join(page.inline[max(0, start - 3) : start])[-2:]
        if not before or not (before[-1].isalnum() or before[-1] in ")]}") or not said:
            return
        plain = _ORDINAL.fullmatch(said) if raised else said.isdigit() and before[-1].isupper()
        if plain or not (said[0].isalnum() or said[0] in "+-−"):
            return
        mark = "^" if raised else "_"
        page.inline[start:] = [mark + (said if len(said) == 1 or said.isalnum() else f"({said})")]

    return True, leave


def _math(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    tex = (attributes.get("alttext") or "").strip()
    if not tex:
        note = node.css_first('annotation[encoding="application/x-tex"]')
        tex = "" if note is None else (note.text() or "").strip()
    if tex:
        page.text(f" ${tex}$ ")
        return False, None
    page.inline.append(" ")
    return True, lambda: page.inline.append(" ")


def _target(page: Page, href: str) -> str | None:
    scheme = href.partition(":")[0].lower()
    if not href or href[0] == "#" or scheme in ("javascript", "data", "blob", "about"):
        return None
    return page.link(SPACE.sub("%20", href))


def _marked(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    mark = _MARKS[node.tag or ""]
    return True, page.around(mark, mark)


def _quoted(page: Page, node: LexborNode, attributes: dict[str, Any]) -> Entered:
    return True, page.around(*_QUOTES[node.tag or ""])


#: What each tag writes.
ENTER: dict[str, Enter] = {
    **dict.fromkeys(_MARKS, _marked),
    **dict.fromkeys(_QUOTES, _quoted),
    **dict.fromkeys(("code", "kbd", "samp", "tt"), _code),
    **dict.fromkeys(("img", "image"), _image),
    **dict.fromkeys(("sup", "sub"), _raised),
    "a": _link,
    "br": _break,
    "input": _input,
    "math": _math,
    "option": _option,
}
