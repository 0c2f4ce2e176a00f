"""HTML source made safe to parse: nesting, attributes and size are bounded before the parser sees it.

The parser's time grows with the square of the nesting and of the number of attributes, its memory with the
number of tags.  What lies within the bounds is handed on untouched.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

#: Elements within one another; browsers do not go deeper either.
MAX_DEPTH = 512

#: Tags that are parsed at once; each takes about a quarter of a kilobyte.
CHUNK_TAGS = 400_000

_LONG_TAG = 16_384
_MAX_ATTRIBUTES = 1_000

_TAG = re.compile(r"<(?:!--|(/?)([A-Za-z][^\s/>]*)[^>]*>?|[!?][^>]*>?)")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_EMPTY_ELEMENT = re.compile(r"<([A-Za-z][\w:.-]*)((?:\s[^<>]*)?)/>")
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)


def words(text: str) -> frozenset[str]:
    """A set of names, written as a line of them."""
    return frozenset(text.split())


_VOID = words(
    "area base br col embed hr img input link meta param source track wbr keygen frame basefont bgsound"
)
_RAW = words("script style textarea title xmp iframe noembed noframes")
_NEVER_NEST = _VOID | words(
    "p li dt dd option optgroup tr td th thead tbody tfoot colgroup caption rp rt a nobr html head body"
)
_INLINE = words(
    "a abbr b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q s samp small span "
    "strike strong sub sup time tt u var wbr"
)
_CUTS = words("h1 h2 h3 h4 h5 h6 p div section article table ul ol dl pre blockquote hr")


@dataclass(slots=True)
class Tamed:
    """Source in pieces that can be parsed one by one.

    Attributes:
        chunks: the pieces; one, unless it is very large.
        is_flat: whether its nesting was given up, so that only its text is left.
    """

    chunks: list[str] = field(default_factory=list)
    is_flat: bool = False


def tame(source: str, *, is_xml: bool = False) -> Tamed:
    """Bound the source of a page.

    Args:
        source: HTML.
        is_xml: it is XHTML, where ``<title/>`` is a whole element and CDATA is text.
    """
    if is_xml:
        source = _CDATA.sub(lambda match: html.escape(match[1]), source) if "]]>" in source else source
        source = _EMPTY_ELEMENT.sub(_spelled_out, source)
    tamed = Tamed()
    cuts: list[int] = []
    if _depth(source, cuts) > MAX_DEPTH:
        tamed.is_flat = True
        source = "".join(_flat(source))
        cuts.clear()
        _depth(source, cuts)
    ends = [*cuts, len(source)]
    starts = [0, *cuts]
    tamed.chunks = [source[first:last] for first, last in zip(starts, ends, strict=True)]
    return tamed


def is_xhtml(head: str) -> bool:
    """Whether a page that begins so is XHTML."""
    return head.lstrip("\ufeff \t\r\n").startswith("<?xml") or "http://www.w3.org/1999/xhtml" in head


def _spelled_out(match: re.Match[str]) -> str:
    return match[0] if match[1].lower() in _VOID else f"<{match[1]}{match[2]}></{match[1]}>"


def _tokens(source: str) -> Iterator[tuple[int, int, str, bool]]:
    """Tags outside of comments and raw text as (start, end, lower name, whether it closes); "" for others.

    A raw element, such as a script, comes as one token from its start to behind its end.
    """
    at = 0
    search = _TAG.search
    while (match := search(source, at)) is not None:
        start, at = match.span()
        name = match[2]
        if name is None:
            if match[0] == "<!--":
                end = source.find("-->", start + 2)
                at = end + 3 if end >= 0 else len(source)
            yield start, at, "", False
            continue
        name = name.lower()
        closes = bool(match[1])
        if name in _RAW and not closes:
            at = _raw_end(source, at, name)
        yield start, at, name, closes


def _raw_end(source: str, at: int, name: str) -> int:
    match = re.compile(rf"</{name}[\s/>]", re.IGNORECASE).search(source, at)
    if match is None:
        return len(source)
    end = source.find(">", match.start())
    return end + 1 if end >= 0 else len(source)


def _depth(source: str, cuts: list[int]) -> int:
    """How deep elements may nest, at least as deep as the parser will see it; stops behind `MAX_DEPTH`.

    A closing tag closes only what was opened in the same table.  `cuts` gets where to cut a large source.
    """
    if source.count("<") <= MAX_DEPTH and len(source) < _LONG_TAG:
        return 0
    scopes: list[Counter[str]] = [Counter()]
    depth = tags = 0
    for start, end, name, closes in _tokens(source):
        tags += 1
        if end - start > _LONG_TAG and name not in _RAW and _attributes(source[start:end]) > _MAX_ATTRIBUTES:
            return MAX_DEPTH + 1
        if (
            tags >= CHUNK_TAGS
            and name in _CUTS
            and not closes
            and (len(scopes) == 1 or tags > 2 * CHUNK_TAGS)
        ):
            cuts.append(start)
            tags = 0
        if name in _NEVER_NEST or name in _RAW or not name:
            continue
        if closes:
            if name == "table" and len(scopes) > 1:
                depth -= scopes.pop().total()
            if scopes[-1][name]:
                scopes[-1][name] -= 1
                depth -= 1
        else:
            scopes[-1][name] += 1
            depth += 1
            if depth > MAX_DEPTH:
                return depth
            if name == "table":
                scopes.append(Counter())
    return 0


def _attributes(tag: str) -> int:
    return len(re.split(r"[\s/]+", _QUOTED.sub("", tag)))


def _flat(source: str) -> Iterator[str]:
    """The text of a page, a paragraph for each of its blocks."""
    at = 0
    for start, end, name, _ in _tokens(source):
        yield source[at:start]
        at = end
        if name == "title":
            yield source[start:end]
        elif name and name not in _INLINE and name not in _RAW:
            yield "<p>"
    yield source[at:]
