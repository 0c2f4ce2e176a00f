"""What may be quoted of documents: their texts in normal form, and where sentences begin and end in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gemcli.cite.normal import Normal, normal
from gemcli.parts import Document, Text

if TYPE_CHECKING:
    from model.sampling.spans import Span

_ABBREVIATED = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|al|etc|Dr|Mr|Mrs|Ms|No|Fig|Eq|p|pp|Vol|St|ca)|\b[A-Z])\.$"
)
_BORDER = re.compile(
    r"(?P<sentence>[.!?…。！？][\"'”’)\]]*)(?P<between>\s+)|(?P<wide>[。！？][”’」』）]*)(?=\S)"
    r"|(?P<break>[^\S\n]*\n(?:[^\S\n]*\n)+\s*)|(?P<line>[^\S\n]*\n\s*(?=[\W_\dA-Z]))"
)
_BULLET = re.compile(r"(?:[-*•–‣▪o#>|]+|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class Quotable:
    """One text that may be quoted.

    Attributes:
        document, part: indexes of it.
        form: its normal form.
        span: the same for the engine.
    """

    document: int
    part: int
    form: Normal
    span: Span


def quotable(documents: Sequence[Document]) -> list[Quotable]:
    """The texts of documents that may be quoted, in order; what we put there ourselves is none."""
    found: list[Quotable] = []
    for index, document in enumerate(documents):
        for number, part in enumerate(document.parts):
            if isinstance(part, Text) and part.via != "note" and part.text.strip():
                form = normal(part.text)
                found.append(Quotable(index, number, form, _span(part, form)))
    return found


def _span(part: Text, form: Normal) -> Span:
    """A text's normal form with its borders.  A line of headings above a passage may be ours."""
    from model.sampling.spans import Span

    text = part.text
    own = len(part.heading) if part.heading and text.startswith(f"{part.heading}\n") else 0
    begin = len(text) - len(text.lstrip())
    starts, ends = {begin}, {len(text.rstrip())}
    for found in _BORDER.finditer(text):
        if found["sentence"] is not None:
            goes_on = text[found.end() : found.end() + 1].islower()
            if goes_on or _ABBREVIATED.search(text[max(0, found.start() - 6) : found.end("sentence")]):
                continue
            ends.add(found.end("sentence"))
        else:
            ends.add(found.end("wide") if found["wide"] is not None else found.start())
        starts.add(found.end())
    begins: set[int] = set()
    for start in starts:
        bullet = _BULLET.match(text, start)
        if start >= own:
            begins.add(bullet.end() if bullet else start)
    return Span(form.text.encode(), _bytes(form, begins), _bytes(form, ends))


def _bytes(form: Normal, places: set[int]) -> list[int]:
    """Places in a text as offsets in the bytes of its normal form, rising."""
    wanted = sorted({form.at(each) for each in places})
    found: list[int] = []
    at = size = 0
    for each in wanted:
        size += len(form.text[at:each].encode())
        at = each
        found.append(size)
    return found
