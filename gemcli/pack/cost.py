"""What each part of a prompt costs in tokens, counted on the ids that are sent.

The prompt is tokenized once, as a whole; a token belongs to the part in which its first byte stands.  So the
counts add up to the length of the prompt exactly, whatever the tokenizer merges across a border.  Tokens that
stand for a picture or a sound have no bytes; whose they are is known beforehand.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Region:
    """A run of the prompt's text that belongs to one part, or to a document's heading (`part` None).

    `start` and `end` are character positions.
    """

    document: int
    part: int | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run of the prompt's tokens that stand for a picture or a sound, with their marks.

    `first` and `end` are indexes of tokens, `end` behind the last.
    """

    document: int
    part: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Costs:
    """Tokens of a prompt by what they are spent on.

    Attributes:
        total: the length of the prompt.
        headings: tokens that introduce each document, by its index.
        parts: tokens of each part (with its anchor), by document and part index.
    """

    total: int
    headings: dict[int, int]
    parts: dict[tuple[int, int], int]

    def of_document(self, document: int) -> int:
        """Tokens of one document, its heading and all its parts."""
        parts = sum(tokens for (index, _), tokens in self.parts.items() if index == document)
        return self.headings.get(document, 0) + parts

    @property
    def overhead(self) -> int:
        """Tokens that belong to no document: the template, the instruction and the question."""
        return self.total - sum(self.headings.values()) - sum(self.parts.values())


def lost() -> Exception:
    """A model whose template or tokenizer does not keep the text."""
    from model.errors import UnsupportedModelError

    return UnsupportedModelError(
        "this model's tokenizer or chat template changes the text it is given: parts of it would be lost"
    )


def count(
    ids: Sequence[int],
    token_bytes: Callable[[int], bytes],
    text: str,
    regions: Sequence[Region],
    stretches: Sequence[Stretch] = (),
) -> Costs:
    """Attribute every token to the region in which it begins.

    Args:
        ids: the whole prompt.
        token_bytes: the bytes of one token, none for a control token.
        text: the user's last turn, which stands in the decoded prompt unchanged.
        regions: consecutive character ranges of `text`, in order.
        stretches: tokens that are no text, in order.

    Raises:
        UnsupportedModelError: `text` does not come back from `ids`, so something would be lost.
    """
    known: dict[int, bytes] = {}
    total = len(ids)
    shown = [0, *(index for each in stretches for index in (each.first, each.end)), total]
    ids = [token for at in range(0, len(shown), 2) for token in ids[shown[at] : shown[at + 1]]]
    for token in ids:
        if token not in known:
            known[token] = token_bytes(token)
    base = b"".join([known[token] for token in ids]).rfind(text.encode())
    if base < 0:
        raise lost()
    if not regions:
        return Costs(total, {}, {})
    ends = [base + len(text[: regions[0].start].encode())]
    for region in regions:
        ends.append(ends[-1] + len(text[region.start : region.end].encode()))
    counts = [0] * (len(regions) + 2)
    position = 0
    for token in ids:
        # A control token has no bytes: those at the very start of the text are the template's.
        size = len(known[token])
        counts[bisect_right(ends, position) if size else 0] += 1
        position += size
    headings: dict[int, int] = {}
    parts: dict[tuple[int, int], int] = {}
    for region, tokens in zip(regions, counts[1:], strict=False):
        if region.part is None:
            headings[region.document] = tokens
        else:
            parts[region.document, region.part] = tokens
    for each in stretches:
        parts[each.document, each.part] += each.end - each.first
    return Costs(total, headings, parts)
