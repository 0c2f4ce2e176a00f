"""One end of documents: their beginnings or their ends, whole sentences, and how much that is of how much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gemcli.pack.cost import Costs
from gemcli.pack.passages import Span, pauses, within
from gemcli.pack.thin import Thinned
from gemcli.parts import Document, Part, Text

Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class End:
    """The beginnings or the ends of documents.

    Attributes:
        documents: those that were given, with less in them.
        side: which end.
        tokens_read, tokens_given: what is left takes, and everything would.
        thinned: the documents that became shorter.
    """

    documents: tuple[Document, ...]
    side: Literal["head", "tail"]
    tokens_read: int
    tokens_given: int
    thinned: tuple[Thinned, ...]

    def note(self) -> str:
        """One sentence for the person: how much is read of how much."""
        which = "beginning" if self.side == "head" else "end"
        what = f"the {which}" if len(self.documents) == 1 else f"the {which} of each document"
        return (
            f"read {self.tokens_read:,} of {self.tokens_given:,} tokens: {what}; "
            "--overflow map reads everything"
        )


def head(documents: Sequence[Document], tokens: int, costs: Costs, count: Count) -> End:
    """Keep the beginnings of documents (``--overflow head``).

    Short documents stay whole; the others share what is left evenly.  A text that does not fit whole is cut
    where a sentence, a line or, at worst, a word ends.

    Args:
        documents: to be cut.
        tokens: what all may take together, with their introductions.
        costs: tokens of their parts.
        count: tokens of a text.
    """
    return _end(documents, "head", tokens, costs, count)


def tail(documents: Sequence[Document], tokens: int, costs: Costs, count: Count) -> End:
    """Keep the ends of documents (``--overflow tail``); otherwise as `head`."""
    return _end(documents, "tail", tokens, costs, count)


def _end(
    documents: Sequence[Document], side: Literal["head", "tail"], tokens: int, costs: Costs, count: Count
) -> End:
    totals = [costs.of_document(index) for index in range(len(documents))]
    made: list[Document] = []
    thinned: list[Thinned] = []
    used = 0
    for index, (document, total, room) in enumerate(
        zip(documents, totals, share(totals, tokens), strict=True)
    ):
        if total <= room:
            made.append(document)
            used += total
            continue
        order = range(len(document.parts)) if side == "head" else reversed(range(len(document.parts)))
        kept: list[Part] = []
        left = room - costs.headings.get(index, 0)
        for number in order:
            part = document.parts[number]
            price = costs.parts.get((index, number), 0)
            if price > left:
                piece = _piece(part, side, left, price, count)
                if piece is not None:
                    kept.append(piece[0])
                    left -= piece[1]
                break
            kept.append(part)
            left -= price
        made.append(replace(document, parts=tuple(kept if side == "head" else reversed(kept))))
        thinned.append(Thinned(document.source, "text tokens", total, room - left if kept else 0))
        used += room - left if kept else 0
    return End(tuple(made), side, used, sum(totals), tuple(thinned))


def share(totals: Sequence[int], tokens: int) -> list[int]:
    """What each may have of `tokens`: all that it needs where that is little, else the same as the others."""
    shares = [0] * len(totals)
    left = tokens
    order = sorted(range(len(totals)), key=lambda index: totals[index])
    for done, index in enumerate(order):
        shares[index] = min(totals[index], left // (len(order) - done))
        left -= shares[index]
    return shares


def _piece(
    part: Part, side: Literal["head", "tail"], room: int, price: int, count: Count
) -> tuple[Text, int] | None:
    """The longest beginning or end of a text that fits, with its tokens; None where none does.

    Args:
        part: of which a piece is wanted.
        side: which end.
        room: tokens that it may take.
        price: tokens of the whole part.
        count: tokens of a text.
    """
    if not isinstance(part, Text) or room <= 0:
        return None
    text = part.text
    extra = max(0, price - count(text))  # its anchor
    places = pauses(text)
    if side == "tail":
        places = places[::-1]

    def taken(place: int) -> str:
        return text[:place] if side == "head" else text[place:]

    low, high = 0, len(places)  # the first `low` places fit
    while low < high:
        middle = (low + high + 1) // 2
        if count(taken(places[middle - 1])) + extra <= room:
            low = middle
        else:
            high = middle - 1
    if not low or not taken(places[low - 1]).strip():
        return None
    place = places[low - 1]
    span = Span(0, 0, place) if side == "head" else Span(0, place, len(text))
    said = taken(place)
    return replace(part, text=said, anchor=within(part, span)), count(said) + extra
