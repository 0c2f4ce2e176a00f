"""Less of what would be too much, by stated rules: fewer frames, fewer and coarser pictures.

Whatever is left out is reported, as the contract's ``thinned`` has it, and what is left keeps its place: a
frame its second, a page its number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gemcli.parts import Document, Image, Part, Text

ImageCost = Callable[[Image, int | None], int]
"""Tokens of a picture, of which so many are soft at most (None: as many as it is given by itself)."""

ENOUGH_FRAMES = 16
"""Frames of one video that are kept while anything else can be made less."""


@dataclass(frozen=True, slots=True)
class Thinned:
    """One thing that became less.

    Attributes:
        source: the document.
        what: ``frames``, ``image tokens``, ``page images``, ``pictures`` or ``text tokens``.
        before, after: how much there was, how much is left.
    """

    source: str
    what: str
    before: int
    after: int

    def to_json(self) -> dict[str, object]:
        """An entry of the contract's ``thinned``."""
        return {"source": self.source, "what": self.what, "from": self.before, "to": self.after}

    def note(self) -> str:
        """The same as a sentence."""
        return f"{self.source}: {self.after:,} of {self.before:,} {self.what} are read"


@dataclass(frozen=True, slots=True)
class Lean:
    """What is left.

    Attributes:
        documents: those that were given, with less in them; pictures that became coarser have a budget.
        tokens: what is left takes, of that which was to be made less.
        thinned: what became less.
    """

    documents: tuple[Document, ...]
    tokens: int
    thinned: tuple[Thinned, ...]


def thin_media(
    documents: Sequence[Document],
    *,
    tokens: int,
    cost: ImageCost,
    levels: Sequence[int] = (),
) -> Lean:
    """Make pictures and frames fit a budget, the least loss first.

    In this order, as far as is needed: images of pages whose text is there too are dropped; frames become
    coarser, then fewer (evenly, the first and the last stay; not below `ENOUGH_FRAMES`); pictures become
    coarser; frames become as few as one; pictures are left out, evenly, and a note stands in their place.

    Args:
        documents: sound and text in them stay as they are.
        tokens: what all pictures may take together.
        cost: what one takes.
        levels: the numbers of tokens that the model can spend on a picture, in any order; none where it has
            no choice.

    Returns:
        What is left; it takes more than `tokens` only where not even a single picture fits.
    """
    work = [_Media(document, cost, sorted(levels, reverse=True)) for document in documents]

    def rest() -> int:
        return tokens - sum(each.tokens() for each in work)

    steps: list[Callable[[_Media, int], None]] = [
        lambda media, _: media.drop_pages(),
        *[lambda media, _: media.coarsen(has_frames=True)] * len(levels),
        lambda media, over: media.fewer_frames(over, ENOUGH_FRAMES),
        *[lambda media, _: media.coarsen(has_frames=False)] * len(levels),
        lambda media, over: media.fewer_frames(over, 1),
        lambda media, over: media.fewer_pictures(over),
    ]
    for step in steps:
        # The document that takes most gives first.
        for media in sorted(work, key=lambda each: -each.tokens()):
            if rest() >= 0:
                break
            step(media, -rest())
    return Lean(
        tuple(each.result() for each in work),
        sum(each.tokens() for each in work),
        tuple(entry for each in work for entry in each.thinned()),
    )


class _Media:
    """The pictures of one document on their way to becoming fewer and smaller."""

    def __init__(self, document: Document, cost: ImageCost, levels: list[int]) -> None:
        self.document = document
        self.level: int | None = None
        self._cost = cost
        self._levels = levels
        self._images = {at: part for at, part in enumerate(document.parts) if isinstance(part, Image)}
        self._kept = set(self._images)
        self._prices: dict[tuple[int, int | None], int] = {}
        self._most = max(self._costs().values(), default=0)

    def tokens(self) -> int:
        """What the kept pictures take."""
        return sum(self._costs().values())

    def drop_pages(self) -> None:
        """Drop images of pages whose own text is there."""
        said = {
            part.anchor.page for part in self.document.parts if isinstance(part, Text) and part.via != "note"
        }
        self._kept = {at for at in self._kept if not self._is(at, "page") or self._page(at) not in said}

    def coarsen(self, *, has_frames: bool) -> None:
        """Go down one level, in a document of the wanted sort."""
        if has_frames is any(self._is(at, "frame") for at in self._kept):
            most = max(self._costs().values(), default=0)
            lower = [level for level in self._levels if level < min(most, self.level or most)]
            self.level = lower[0] if lower else self.level

    def fewer_frames(self, over: int, least: int) -> None:
        """Keep as many frames as save `over` tokens, evenly; not fewer than `least`."""
        self._fewer([at for at in sorted(self._kept) if self._is(at, "frame")], over, least)

    def fewer_pictures(self, over: int) -> None:
        """Keep as many pictures as save `over` tokens, evenly."""
        self._fewer([at for at in sorted(self._kept) if not self._is(at, "frame")], over, 0)

    def result(self) -> Document:
        """The document with what is kept; a note stands for a picture that is not."""
        parts: list[Part] = []
        for at, part in enumerate(self.document.parts):
            if isinstance(part, Image) and at in self._kept and self._price(at) < self._cost(part, None):
                parts.append(replace(part, budget=self.level))
            elif not isinstance(part, Image) or at in self._kept:
                parts.append(part)
            elif part.role == "picture":
                alt = f": {part.alt}" if part.alt else ""
                parts.append(Text(f"[a picture that is not shown{alt}]", part.anchor, via="note"))
        return replace(self.document, parts=tuple(parts))

    def thinned(self) -> list[Thinned]:
        """What became less."""
        found = []
        for role, what in (("page", "page images"), ("frame", "frames"), ("picture", "pictures")):
            before = sum(self._is(at, role) for at in self._images)
            after = sum(self._is(at, role) for at in self._kept)
            if after < before:
                found.append(Thinned(self.document.source, what, before, after))
        now = max(self._costs().values(), default=0)
        if self.level is not None and 0 < now < self._most:
            found.append(Thinned(self.document.source, "image tokens", self._most, now))
        return found

    def _fewer(self, places: list[int], over: int, least: int) -> None:
        if len(places) <= least:
            return
        costs = self._costs()
        room = sum(costs[at] for at in places) - over
        cheapest = min((costs[at] for at in places), default=1)
        most = min(len(places) - 1, max(room, 0) // max(cheapest, 1))
        for count in range(max(most, least), least - 1, -1):
            kept = _evenly(places, count)
            if sum(costs[at] for at in kept) <= room or count == least:
                self._kept -= set(places) - set(kept)
                return

    def _costs(self) -> Mapping[int, int]:
        return {at: self._price(at) for at in self._kept}

    def _price(self, at: int) -> int:
        known = self._prices.get((at, self.level))
        if known is None:
            known = self._prices[at, self.level] = self._cost(self._images[at], self.level)
        return known

    def _is(self, at: int, role: str) -> bool:
        return self._images[at].role == role

    def _page(self, at: int) -> int | None:
        return self._images[at].anchor.page


def _evenly(places: list[int], count: int) -> list[int]:
    """So many of the places, evenly, the first and the last among them."""
    if count == 1:
        return [places[len(places) // 2]]
    return [places[round(step * (len(places) - 1) / (count - 1))] for step in range(count)]
