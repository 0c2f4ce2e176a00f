"""What an answer cites by itself: words in quotation marks, and places in brackets."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gemcli.cite.match import Citation, Sources
from gemcli.pack.compose import names_of
from gemcli.parts import Anchor, Document

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_QUOTE = re.compile(r"[\"“„«]([^\"“”„«»]{12,1200})[\"”“»]")
_LITTLE = 40  # characters: weak models deny first and answer then
_LEAST_WORDS = 4  # fewer in quotation marks are a name or a manner of speaking
_PLACE = re.compile(
    r"(?:p\.\s?(?P<page>\d{1,7})|L(?P<first>\d{1,9})(?:-(?P<last>\d{1,9}))?|(?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d))"
)
_DENIAL = re.compile(
    r"\W*(?:it |this |that |the answer |the information )?(?:is )?not "
    r"(?:stated |mentioned |given |provided |contained |found |specified |available |present |included )?"
    r"in the (?:provided |given )?(?:documents?|text|passages?)\b",
    re.IGNORECASE,
)


def claims(answer: str, documents: Sequence[Document], sources: Sources) -> list[Citation]:
    """What an answer quotes, and the places that it names and that are not there.

    A place that is there says nothing by itself; it is where a quote of the answer is looked for first.

    Args:
        answer: the model's.
        documents: what it is about.
        sources: their texts.
    """
    text = _CODE.sub(lambda code: " " * len(code[0]), answer)
    found: list[tuple[int, Citation]] = []
    places = list(_places(text, documents))
    for match in _QUOTE.finditer(text):
        quote = " ".join(match[1].split())
        if len(quote.split()) >= _LEAST_WORDS:
            after = [place for at, place, is_there in places if is_there and at >= match.end()]
            found.append((match.start(), sources.cite(quote, after[0] if after else None)))
    found += [(at, Citation("", *place)) for at, place, is_there in places if not is_there]
    return [citation for _, citation in sorted(found, key=lambda each: each[0])]


def is_denial(answer: str) -> bool:
    """Whether an answer says that the documents do not answer the question: there is nothing to cite then."""
    denied = _DENIAL.match(answer)
    return not answer.strip() or (denied is not None and len(answer[denied.end() :].strip()) < _LITTLE)


def _places(text: str, documents: Sequence[Document]) -> list[tuple[int, tuple[str, Anchor], bool]]:
    """The places that a text names in brackets: where, which, and whether it is one of the documents'."""
    names = dict(zip(names_of(documents), documents, strict=True))
    if not names:
        return []
    pattern = re.compile(
        rf"\[({'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))}) {_PLACE.pattern}\]"
    )
    found: list[tuple[int, tuple[str, Anchor], bool]] = []
    for match in pattern.finditer(text):
        document = names[match[1]]
        named = _anchor(match)
        held = [part.anchor for part in document.parts if _holds(part.anchor, named)]
        found.append((match.start(), (document.source, named), bool(held)))
    return found


def _anchor(match: re.Match[str]) -> Anchor:
    if match["page"]:
        return Anchor(page=int(match["page"]))
    if match["first"]:
        return Anchor(lines=(int(match["first"]), int(match["last"] or match["first"])))
    at = int(match["h"]) * 3600.0 + int(match["m"]) * 60 + int(match["s"])
    return Anchor(seconds=(at, at))


def _holds(anchor: Anchor, named: Anchor) -> bool:
    """Whether a part of a document is at a place that was named."""
    if named.page is not None:
        return anchor.page == named.page
    if named.lines is not None:
        return anchor.lines is not None and anchor.lines[0] <= named.lines[0] <= anchor.lines[1]
    assert named.seconds is not None, "one kind of place is set"
    return anchor.seconds is not None and int(anchor.seconds[0]) <= named.seconds[0] <= anchor.seconds[1]
