"""Vocabularies that spell a space as U+2581 and what they lack as its bytes: what all Gemmas share.

U+2581 in a text is encoded byte by byte, so that it comes back as itself; to the references it is a space.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import islice
from typing import ClassVar

from model.errors import UnsupportedModelError
from model.tokenizer.shared import VocabularyTokenizer, split_text
from model.tokenizer.vocabulary import Kind, Vocabulary

SPACE = "\u2581"
"""How pieces spell a space."""

BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
"""How they spell each byte."""


class FallbackTokenizer(VocabularyTokenizer):
    """A tokenizer whose kinds differ only in how they merge characters to pieces.

    part: characters that a library is given at once, at least.
    batch: parts at a time; bounds the memory.
    """

    part: ClassVar[int] = 4096
    batch: ClassVar[int] = 256

    def __init__(self, vocabulary: Vocabulary, *, add_bos: bool):
        super().__init__(vocabulary, add_bos=add_bos)
        try:
            byte_ids = [vocabulary.ids[piece] for piece in BYTES]
        except KeyError as error:
            raise UnsupportedModelError(f"the vocabulary has no byte token {error}") from None
        self._byte_of_id = {id: byte for byte, id in enumerate(byte_ids)}
        self._space_ids = [byte_ids[byte] for byte in SPACE.encode()]

    @abstractmethod
    def _merge(self, parts: list[str]) -> Iterable[Sequence[int]]:
        """The ids of each part, none of which holds U+2581; no piece reaches from one into the next."""

    def _count(self, parts: list[str]) -> Iterable[int]:
        """How many tokens each part takes."""
        return map(len, self._merge(parts))

    def _append_plain(self, ids: list[int], text: str) -> None:
        for index, stretch in enumerate(text.split(SPACE)):
            if index:
                ids.extend(self._space_ids)
            parts = split_text(stretch, self._seam, self.part)
            while batch := list(islice(parts, self.batch)):
                for merged in self._merge(batch):
                    ids.extend(merged)

    def _count_plain(self, texts: Sequence[str]) -> list[int]:
        counts = [0] * len(texts)
        owners: list[int] = []
        parts: list[str] = []

        def run() -> None:
            for owner, count in zip(owners, self._count(parts), strict=True):
                counts[owner] += count
            owners.clear()
            parts.clear()

        for owner, text in enumerate(texts):
            for index, stretch in enumerate(text.split(SPACE)):
                counts[owner] += bool(index) * len(self._space_ids)
                for part in split_text(stretch, self._seam, self.part):
                    owners.append(owner)
                    parts.append(part)
            if len(parts) >= self.batch:
                run()
        run()
        return counts

    @cached_property
    def _seam(self) -> re.Pattern[str]:
        """Where no piece can reach across, so that the merges on either side do not know of each other."""
        joined = "\0".join(self.vocabulary.pieces)
        seams = []
        if not re.search(r"\n[^\n\0]", joined):
            seams.append(r"(?<=\n)(?!\n)")
        if not re.search(rf"[0-9A-Za-z][{SPACE} ]", joined):
            seams.append(r"(?<=[0-9A-Za-z])(?= )")
        return re.compile("|".join(seams) or r"(?!)")

    def _piece_bytes(self, id: int) -> bytes:
        if self.vocabulary.kinds[id] == Kind.BYTE:
            return bytes([self._byte_of_id[id]])
        return self.vocabulary.pieces[id].replace(SPACE, " ").encode()
