"""Passages as they are chosen, within a budget of tokens, and the documents that they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from gemcli.pack.index import Index
from gemcli.pack.passages import Passage, joined_anchor
from gemcli.parts import JOINT, Document, Part, Text

Count = Callable[[str], int]


@dataclass(slots=True)
class Chosen:
    """What has been chosen so far, of every document."""

    documents: Sequence[Document]
    indexes: Sequence[Index]
    count: Count
    budget: int
    left: int = 0
    taken: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """(document, passage) → characters of it that are shown."""

    def __post_init__(self) -> None:
        self.left = self.budget

    def cost(self, document: int, passage: int, cut: tuple[int, int] | None = None) -> int:
        """Tokens of a passage with its anchor and its heading."""
        return self.count(self._shown(document, passage, cut))

    def _shown(self, document: int, passage: int, cut: tuple[int, int] | None) -> str:
        parts = self.documents[document].parts
        each = self.indexes[document].passages[passage]
        text = each.text(parts)
        begin, end = cut or (0, len(text))
        label = each.anchor(parts).label()
        name = self.documents[document].source.rpartition("/")[2]
        head = each.heading(parts)
        return "".join(
            [f"[{name} {label}]\n" if label else "", head and f"{head}\n", text[begin:end], "\n\n"]
        )

    def take(self, document: int, passage: int, cut: tuple[int, int] | None = None) -> bool:
        """Choose a passage if it fits; whether it did."""
        if (document, passage) in self.taken:
            return True
        tokens = self.cost(document, passage, cut)
        if tokens > self.left:
            return False
        self.left -= tokens
        text = self.indexes[document].passages[passage].text(self.documents[document].parts)
        self.taken[document, passage] = cut or (0, len(text))
        return True


def chosen_document(chosen: Chosen, number: int) -> Document:
    """A document with the chosen texts as its parts, runs of neighbours joined."""
    document = chosen.documents[number]
    parts = document.parts
    made: list[tuple[int, Part]] = [
        (place, part) for place, part in enumerate(parts) if not isinstance(part, Text)
    ]
    taken = sorted((passage, cut) for (owner, passage), cut in chosen.taken.items() if owner == number)
    all_passages = chosen.indexes[number].passages
    shown = ""
    run: list[tuple[Passage, str, bool]] = []

    def finish() -> None:
        nonlocal shown
        if not run:
            return
        first = run[0][0]
        text = "".join(said for _, said, _ in run)
        heading = first.heading(parts)
        own = heading.rpartition(JOINT)[2]
        if heading and heading != shown and own not in text[: len(own) + 200]:
            text = f"{heading}\n{text}"
        shown = heading
        part = parts[first.first]
        assert isinstance(part, Text)
        anchor = joined_anchor([each.anchor(parts) for each, _, _ in run])
        made.append((first.first, Text(text, anchor, heading, part.via)))
        run.clear()

    for place, (begin, end) in taken:
        passage = all_passages[place]
        text = passage.text(parts)
        if run and not _follows(run[-1], passage, begin, parts):
            finish()
        run.append((passage, text[begin:end], end == len(text)))
    finish()
    return replace(document, parts=tuple(part for _, part in sorted(made, key=lambda each: each[0])))


def _follows(before: tuple[Passage, str, bool], passage: Passage, begin: int, parts: Sequence[Part]) -> bool:
    """Whether a passage goes on where the one before it ended, and at a place that one anchor can name."""
    last, _, whole = before
    if begin or not whole or last.heading(parts) != passage.heading(parts):
        return False
    if passage.first == last.last:
        return passage.start == last.end
    one, two = last.anchor(parts), passage.anchor(parts)
    return passage.first == last.last + 1 and passage.start == 0 and bool(one.lines and two.lines)
