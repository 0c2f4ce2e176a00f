"""Which passage of a document holds which word, how often: built once, kept on disk by content.

Every document has an index of its own, so that it serves any set of documents; what a word is worth among
those that are asked about is reckoned when they are (BM25: Robertson and Zaragoza, The Probabilistic
Relevance Framework, 2009).
"""

from __future__ import annotations

import hashlib
import os
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from gemcli.pack import passages as cutting
from gemcli.pack import terms as spelling
from gemcli.pack.passages import Passage, passages
from gemcli.parts import JOINT, Document, Part, Text

if TYPE_CHECKING:
    import numpy as np

VERSION = 1
"""Of what is written to disk."""

HEADING, OUTER = 2.0, 0.5
"""How often a word of a heading counts in each passage under it, and one of the headings that it is under."""

K1, B = 1.2, 0.6
LISTING = 0.3
"""What a passage of a table of contents or an index of words is worth beside others."""

_SMALL = 50_000
"""Characters below which an index is made sooner than found on disk."""

_LEADERS = re.compile(r"(?:[.·…] ?){4,}[\s|]*\d*[\s|]*$|\S\s{2,}\d{1,4}\s*$", re.MULTILINE)
_ENTRIES = re.compile(r"^.{2,60}?,\s*\d{1,4}(?:\s*[,–-]\s*\d{1,4})*\s*$", re.MULTILINE)
_NUMBER_AT_END = re.compile(r"^[\divxlc]{1,6}\b|\b\d{1,5}$")


@dataclass(frozen=True, slots=True)
class Index:
    """The words of one document's passages.

    Attributes:
        passages: in order.
        lengths: f32 [passages], words of each, those of headings included.
        worth: f32 [passages], 1 but for lists of contents.
        vocabulary: every term, in order.
        starts: i64 [terms + 1], where each term's entries begin.
        places: i32 [entries], the passage.
        counts: f32 [entries], how often it holds the term.
    """

    passages: list[Passage]
    lengths: np.ndarray
    worth: np.ndarray
    vocabulary: list[str]
    starts: np.ndarray
    places: np.ndarray
    counts: np.ndarray

    def entries(self, term: str) -> tuple[np.ndarray, np.ndarray]:
        """The passages that hold a term, and how often each does."""
        at = bisect_left(self.vocabulary, term)
        if at == len(self.vocabulary) or self.vocabulary[at] != term:
            return self.places[:0], self.counts[:0]
        begin, end = self.starts[at : at + 2]
        return self.places[begin:end], self.counts[begin:end]


def index(document: Document, *, keep: bool = True) -> Index:
    """The index of a document: from disk where it was made before.

    Args:
        document: whose texts are indexed.
        keep: whether the disk is read and written.
    """
    size = sum(len(part.text) for part in document.parts if isinstance(part, Text))
    path = _path(document) if keep and size >= _SMALL else None
    if path and (found := _load(path)):
        return found
    made = build(document)
    if path:
        _save(made, path)
    return made


def build(document: Document) -> Index:
    """Cut a document into passages and count their words."""
    import numpy as np

    cuts = passages(document)
    heads = context(document)
    numbers: dict[str, int] = {}
    known: dict[str, tuple[int, ...]] = {}

    def numbered(text: str) -> list[int]:
        found: list[int] = []
        for word in spelling.words(text):
            ids = known.get(word)
            if ids is None:
                ids = tuple(numbers.setdefault(term, len(numbers)) for term in spelling.terms(word))
                known[word] = ids
            found += ids
        return found

    said = [passage.text(document.parts) for passage in cuts]
    above = [heads[passage.first].rpartition(JOINT) for passage in cuts]
    fields: list[tuple[float, list[list[int]]]] = [
        (1.0, [numbered(text) for text in said]),
        (HEADING, [numbered(own) for _, _, own in above]),
        (OUTER, [numbered(outer) for outer, _, _ in above]),
    ]
    order = sorted(numbers)
    rank = np.empty(len(numbers), np.int64)
    rank[[numbers[term] for term in order]] = np.arange(len(order))
    count = max(1, len(cuts))
    keys, weights = [], []
    lengths = np.zeros(len(cuts), np.float32)
    for weight, held in fields:
        sizes = np.asarray([len(ids) for ids in held], np.int64)
        ids = np.fromiter(chain.from_iterable(held), np.int64, int(sizes.sum()))
        keys.append(rank[ids] * count + np.repeat(np.arange(len(cuts), dtype=np.int64), sizes))
        weights.append(np.full(len(ids), weight))
        lengths += (weight * sizes).astype(np.float32)
    unique, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    counts = np.bincount(inverse, np.concatenate(weights), len(unique)).astype(np.float32)
    worth = np.asarray([LISTING if is_listing(text) else 1.0 for text in said], np.float32)
    starts = np.searchsorted(unique, np.arange(len(order) + 1, dtype=np.int64) * count)
    return Index(cuts, lengths, worth, order, starts, (unique % count).astype(np.int32), counts)


def score(indexes: Sequence[Index], weighted: Mapping[str, float]) -> list[np.ndarray]:
    """How well each passage of each document answers to some terms: BM25 over all documents together.

    Args:
        indexes: of the documents.
        weighted: the terms, and how much each counts.

    Returns:
        f32 [passages] of each document.
    """
    import numpy as np

    total = sum(len(each.passages) for each in indexes)
    words = sum(float(each.lengths.sum()) for each in indexes)
    average = words / total if words else 1.0
    scores = [np.zeros(len(each.passages), np.float32) for each in indexes]
    norms = [K1 * (1 - B + B * each.lengths / average) for each in indexes]
    for term, weight in weighted.items():
        entries = [each.entries(term) for each in indexes]
        value = weight * rarity(total, sum(len(places) for places, _ in entries))
        for own, norm, (places, counts) in zip(scores, norms, entries, strict=True):
            own[places] += value * counts * (K1 + 1) / (counts + norm[places])
    return [own * each.worth for own, each in zip(scores, indexes, strict=True)]


def rarity(total: int, holding: int) -> float:
    """What a term is worth that `holding` of `total` passages hold (Lucene's inverse document frequency)."""
    from math import log

    return log(1 + (total - holding + 0.5) / (holding + 0.5))


def context(document: Document) -> list[str]:
    """What stands above each part: its headings, or the line that heads its page."""
    parts = document.parts
    firsts = [_first_line(part) for part in parts]
    above: list[str] = []
    for number, part in enumerate(parts):
        if not isinstance(part, Text):
            above.append("")
        elif part.heading:
            above.append(part.heading)
        else:
            around = firsts[max(0, number - 2) : number] + firsts[number + 1 : number + 3]
            above.append(_running_head(firsts[number], around))
    return above


def is_listing(text: str) -> bool:
    """Whether a passage is a piece of a table of contents, or of an index of words: it says only where."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 5:
        return False
    found = max(len(_LEADERS.findall(text)), len(_ENTRIES.findall(text)))
    return found > 0.6 * len(lines)


def _first_line(part: Part) -> str:
    if not isinstance(part, Text) or part.anchor.page is None:
        return ""
    line = part.text.lstrip()[:200].partition("\n")[0].strip()
    return line if len(line) <= 80 else ""


def _running_head(line: str, around: Sequence[str]) -> str:
    """The line without its page number, where it heads the page: it has one, or the pages around share it."""
    bare = _NUMBER_AT_END.sub("", line).strip()
    if bare != line or (bare and any(_NUMBER_AT_END.sub("", other).strip() == bare for other in around)):
        return bare
    return ""


def _path(document: Document) -> Path:
    from gemcli.settings import cache_dir

    digest = hashlib.sha256(
        repr((VERSION, cutting.VERSION, spelling.VERSION, HEADING, OUTER, LISTING)).encode()
    )
    for part in document.parts:
        if isinstance(part, Text):
            anchor = part.anchor
            head = (len(part.text), part.heading, part.via, anchor.page, anchor.lines, anchor.seconds)
            digest.update(repr((*head, anchor.cell)).encode())
            digest.update(part.text.encode("utf-8", "surrogatepass"))
        else:
            digest.update(b"-")
    return cache_dir() / "documents" / "index" / f"{digest.hexdigest()}.npz"


def _load(path: Path) -> Index | None:
    """The index on disk; None where there is none, or it is damaged."""
    import zipfile
    import zlib

    import numpy as np

    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
            rows = kept["passages"]
            found = Index(
                [Passage(*row) for row in rows.tolist()],
                kept["lengths"],
                kept["worth"],
                kept["vocabulary"].tobytes().decode("utf-8", "surrogatepass").split("\n"),
                kept["starts"],
                kept["places"],
                kept["counts"],
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        with suppress(OSError):
            path.unlink()
        return None
    with suppress(OSError):
        os.utime(path)
    return found


def _save(made: Index, path: Path) -> None:
    """Write an index, whole or not at all; that it cannot be written costs only time."""
    import numpy as np

    from gemcli.settings import make_private

    with suppress(Exception):
        make_private(path.parent)
        draft = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            with draft.open("wb") as stream:
                rows = [
                    (each.document, each.first, each.start, each.last, each.end) for each in made.passages
                ]
                np.savez(
                    stream,
                    passages=np.asarray(rows, np.int64).reshape(-1, 5),
                    lengths=made.lengths,
                    worth=made.worth,
                    vocabulary=np.frombuffer(
                        "\n".join(made.vocabulary).encode("utf-8", "surrogatepass"), np.uint8
                    ),
                    starts=made.starts,
                    places=made.places,
                    counts=made.counts,
                )
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
