"""A quote is looked for in the documents: it stands there word for word, or something like it, or nothing.

Only what stands there is verified.  What is like it says where the model may have it from, and no more.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cached_property

from gemcli.cite.normal import Normal, normal
from gemcli.parts import Anchor, Document, Text

_NOWHERE = Anchor()
ALIKE = 0.8
"""The part of a quote's words that must stand together, in order, for its source to be named."""
_WORD = re.compile(r"\w+")
_CLOSING = ".,;:…"
_LOOKED_AT = 8  # parts that share the most words with a quote
_NUMBER_BEFORE = re.compile(r"(?:\d[.,]|(?<![^\s(\[])[-+])\Z")
_NUMBER_AFTER = re.compile(r"[.,]\d")


@dataclass(frozen=True, slots=True)
class Citation:
    """What was quoted, and where it is from.

    Attributes:
        quote: as it was quoted.
        source: the document it was found in; "" where it was not.
        anchor: where in it.
        verified: it stands there word for word.
    """

    quote: str
    source: str = ""
    anchor: Anchor = _NOWHERE
    verified: bool = False

    def to_json(self) -> dict[str, object]:
        """The contract's object."""
        return {
            "quote": self.quote,
            "source": self.source,
            "anchor": self.anchor.to_json(),
            "verified": self.verified,
        }


class Sources:
    """The texts of documents, in which quotes are looked for; what we put there ourselves is not one."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._texts = [
            (document, part)
            for document in documents
            for part in document.parts
            if isinstance(part, Text) and part.via != "note" and part.text.strip()
        ]
        self._forms: dict[tuple[int, bool], Normal] = {}

    def __bool__(self) -> bool:
        return bool(self._texts)

    def cite(self, quote: str, near: tuple[str, Anchor] | None = None) -> Citation:
        """Where a quote is from.

        Args:
            quote: without quotation marks around it.
            near: the source and place where it is looked for first, since texts repeat themselves.
        """
        order = list(range(len(self._texts)))
        if near is not None:
            order.sort(key=lambda index: self._far(index, near))
        if not _WORD.search(quote):
            return Citation(quote)
        for said in dict.fromkeys((quote, quote.rstrip(_CLOSING))):  # who quotes may end a sentence
            for whole in (True, False):
                wanted = normal(said, whole=whole).text.strip()
                for index in order:
                    form = self._form(index, whole)
                    for at in _places(wanted, form.text):
                        document, part = self._texts[index]
                        anchor = _narrowed(part, form.source(at), form.source(at + len(wanted) - 1))
                        return Citation(said, document.source, anchor, verified=True)
        return self._like(quote)

    def _far(self, index: int, near: tuple[str, Anchor]) -> tuple[bool, bool]:
        document, part = self._texts[index]
        return document.source != near[0], not _shares(part.anchor, near[1])

    def _form(self, index: int, whole: bool) -> Normal:
        if (index, whole) not in self._forms:
            text = self._texts[index][1].text
            is_same = not whole and "-" not in text and "‐" not in text
            self._forms[index, whole] = self._form(index, True) if is_same else normal(text, whole=whole)
        return self._forms[index, whole]

    @cached_property
    def _words(self) -> list[set[str]]:
        return [set(_words(part.text)) for _, part in self._texts]

    def _like(self, quote: str) -> Citation:
        """The most alike part, where it is alike enough."""
        words = _words(quote)
        wanted = set(words)
        shared = Counter({index: len(wanted & held) for index, held in enumerate(self._words)})
        best, score = -1, 0.0
        for index, count in shared.most_common(_LOOKED_AT):
            if count < ALIKE * len(wanted):
                break
            if (alike := likeness(words, _words(self._texts[index][1].text))) > score:
                best, score = index, alike
        if score < ALIKE:
            return Citation(quote)
        document, part = self._texts[best]
        return Citation(quote, document.source, part.anchor)


def likeness(words: Sequence[str], text: Sequence[str]) -> float:
    """The part of some words that stands in a text, in order and in a stretch not much longer than them."""
    if not words:
        return 0.0
    first = Counter(text)
    rare = min(words, key=lambda word: first[word] or len(text) + 1)
    best = 0.0
    for at in (index for index, word in enumerate(text) if word == rare):
        begin = max(0, at - words.index(rare) - len(words) // 4 - 1)
        window = text[begin : begin + len(words) * 3 // 2 + 2]
        blocks = SequenceMatcher(None, window, words, autojunk=False).get_matching_blocks()
        best = max(best, sum(block.size for block in blocks) / len(words))
    return best


def _words(text: str) -> list[str]:
    return _WORD.findall(normal(text).text.casefold())


def _places(wanted: str, text: str) -> Iterator[int]:
    """Where a quote stands in a text as a whole: no word or number goes on at either end."""
    at = text.find(wanted)
    while at >= 0:
        before, after = text[max(0, at - 2) : at], text[at + len(wanted) : at + len(wanted) + 2]
        begins = not (wanted[0].isalnum() and before[-1:].isalnum())
        begins &= not (wanted[0].isdigit() and _NUMBER_BEFORE.search(before))
        begins &= not (_NUMBER_AFTER.match(wanted) and before[-1:].isdigit())
        ends = not (wanted[-1].isalnum() and after[:1].isalnum())
        ends &= not (wanted[-1].isdigit() and _NUMBER_AFTER.match(after))
        if begins and ends:
            yield at
        at = text.find(wanted, at + 1)


def _narrowed(part: Text, begin: int, end: int) -> Anchor:
    """The lines of a quote, where its part has lines; `begin` and `end` are its first and last character."""
    lines = part.anchor.lines
    if lines is None or lines[1] - lines[0] != part.text.rstrip("\n").count("\n"):
        return part.anchor  # it is not known which line is which
    first = lines[0] + part.text.count("\n", 0, begin)
    return replace(part.anchor, lines=(first, first + part.text.count("\n", begin, end + 1)))


def _shares(anchor: Anchor, other: Anchor) -> bool:
    """Whether two places have something in common."""
    if anchor.lines and other.lines:
        return anchor.lines[0] <= other.lines[1] and other.lines[0] <= anchor.lines[1]
    return anchor == other
