"""The inside of a paragraph: emphasis, code, links, as styled text.

A line break in the source stays one, as in the chats that models are trained on.  A link shows its address:
it can be copied anywhere, and its text cannot pretend to be another one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gemcli.ui.markdown import style

if TYPE_CHECKING:
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token
    from rich.text import Text

_FORMULA = re.compile(r"\\\(.{1,2000}?\\\)|\\\[.{1,2000}?\\\]|\$\$.{1,2000}?\$\$", re.DOTALL)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TICKS = re.compile(r"`+")
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(?:.*?[^`])?\1(?!`)", re.DOTALL)


def keep_formulas(state: StateInline, silent: bool) -> bool:
    r"""A rule of the inline parser: ``\(…\)``, ``\[…\]`` and ``$$…$$`` are text as it stands.

    Markdown's escapes would take the backslashes out of it.
    """
    if state.src[state.pos] not in "\\$":
        return False
    found = _FORMULA.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        state.pending += found.group()
    state.pos = found.end()
    return True


def to_text(source: str, base: str = "") -> Text:
    """Inline Markdown as styled text.

    Args:
        source: the content of a paragraph, heading or table cell.
        base: the style that all of it has.
    """
    from rich.text import Text

    from gemcli.ui.markdown.blocks import parser

    markdown = parser()
    tokens: list[Token] = []
    markdown.inline.parse(source.expandtabs(4), markdown, {}, tokens)
    text = Text(style=base)
    _append(text, tokens)
    return text


def close_marks(source: str) -> str:
    """`source` with a code span or bold that is still open closed: how it will look when its end has come."""
    outside = _CODE_SPAN.sub("", source)
    opened = _TICKS.search(outside)
    if opened:
        return source + opened.group()
    if outside.count("**") % 2 == 0 or source.endswith("**"):
        return source
    return source + "*" if source.endswith("*") else source.rstrip() + "**"


def _append(text: Text, tokens: list[Token]) -> None:
    styles: list[str] = []
    links: list[tuple[str, int]] = []
    for token in tokens:
        current = " ".join(styles)
        match token.type:
            case "text" | "text_special":
                text.append(token.content, current)
            case "softbreak" | "hardbreak":
                text.append("\n")
            case "code_inline":
                text.append(token.content, f"{current} {style.CODE}".strip())
            case "html_inline":
                text.append("\n" if _BREAK.fullmatch(token.content) else token.content, current)
            case "strong_open":
                styles.append(style.STRONG)
            case "em_open":
                styles.append(style.EMPHASIS)
            case "s_open":
                styles.append(style.STRUCK)
            case "strong_close" | "em_close" | "s_close":
                styles.pop()
            case "link_open":
                styles.append(style.LINK)
                links.append((_address(token, "href"), len(text)))
            case "link_close":
                styles.pop()
                address, start = links.pop()
                label = text.plain[start:]
                if not label:
                    text.append(address, style.LINK)
                elif label not in (address, address.removeprefix("mailto:")):
                    text.append(f" ({address})", style.ADDRESS)
            case "image":
                text.append(f"[{token.content}]" if token.content else "[image]", current)
                text.append(f" ({_address(token, 'src')})", style.ADDRESS)


def _address(token: Token, attribute: str) -> str:
    title = token.attrs.get("title")
    return f"{token.attrs.get(attribute, '')}" + (f' "{title}"' if title else "")
