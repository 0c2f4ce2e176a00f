"""SentencePiece BPE (Gemma, Llama 1 and 2): greedy merges by score over characters, bytes as a last resort.

The merging is the `sentencepiece` library's, on a model rebuilt from the GGUF vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any
from zlib import crc32

from model.errors import FormatError, UnsupportedModelError
from model.tokenizer.shared import VocabularyTokenizer, split_text
from model.tokenizer.spm_proto import SPACE, model_proto
from model.tokenizer.vocabulary import Kind, Vocabulary, flag, read_vocabulary

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

_PART = 256  # characters: the library's time grows faster than the text it is given at once
_BATCH = 4096  # parts at a time: bounds the memory


class SentencePieceTokenizer(VocabularyTokenizer):
    """A SentencePiece tokenizer, built from a GGUF vocabulary.

    space_prefix: text that begins a sequence or follows a control token gets a space before it, and
        decoding takes the first one away again.

    U+2581, by which pieces spell a space, is encoded byte by byte when it occurs in a text, so that it
    comes back as itself; the library alone would make it a space.
    """

    def __init__(self, vocabulary: Vocabulary, scores: list[float], *, add_bos: bool, space_prefix: bool):
        super().__init__(vocabulary, add_bos=add_bos)
        self.space_prefix = space_prefix
        try:
            byte_ids = [vocabulary.ids[f"<0x{byte:02X}>"] for byte in range(256)]
        except KeyError as error:
            raise UnsupportedModelError(f"the SentencePiece vocabulary has no byte token {error}") from None
        self._byte_of_id = {id: byte for byte, id in enumerate(byte_ids)}
        self._space_ids = [byte_ids[byte] for byte in SPACE.encode()]
        self._library = _build_library(vocabulary, scores)
        self._scores = crc32(repr(scores[:: max(1, len(scores) // 4096)]).encode())

    def _rules(self) -> object:
        return self.space_prefix, self._scores

    def _count_plain(self, texts: Sequence[str]) -> list[int]:
        counts = [0] * len(texts)
        owners: list[int] = []
        parts: list[str] = []

        def run() -> None:
            for owner, encoded in zip(owners, self._library.encode(parts), strict=True):
                counts[owner] += len(encoded)
            owners.clear()
            parts.clear()

        for owner, text in enumerate(texts):
            for index, part in enumerate(text.split(SPACE)):
                counts[owner] += bool(index) * len(self._space_ids)
                for piece in split_text(part, self._boundary, _PART):
                    owners.append(owner)
                    parts.append(piece)
            if len(parts) >= _BATCH:
                run()
        run()
        return counts

    def _append_plain(self, ids: list[int], text: str) -> None:
        if self.space_prefix:
            text = " " + text
        for index, part in enumerate(text.split(SPACE)):
            if index:
                ids.extend(self._space_ids)
            if len(part) <= _PART:
                ids.extend(self._library.encode(part))
                continue
            pieces = split_text(part, self._boundary, _PART)
            while batch := list(islice(pieces, _BATCH)):
                for encoded in self._library.encode(batch):
                    ids.extend(encoded)

    @cached_property
    def _boundary(self) -> re.Pattern[str]:
        """Where no piece can reach across, so that the merges on either side do not know of each other."""
        joined = "\0".join(self.vocabulary.pieces)
        boundaries = []
        if not re.search(r"\n[^\n\0]", joined):
            boundaries.append(r"(?<=\n)(?!\n)")
        if not re.search(rf"[0-9A-Za-z][{SPACE} ]", joined):
            boundaries.append(r"(?<=[0-9A-Za-z])(?= )")
        return re.compile("|".join(boundaries) or r"(?!)")

    def _piece_bytes(self, id: int) -> bytes:
        if self.vocabulary.kinds[id] == Kind.BYTE:
            return bytes([self._byte_of_id[id]])
        return self.vocabulary.pieces[id].replace(SPACE, " ").encode()

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of a sequence from its beginning, without the space that encoding put there."""
        decoded = super().decode_bytes(ids)
        return decoded.removeprefix(b" ") if self.space_prefix else decoded


def sentencepiece_from_gguf(metadata: Mapping[str, Any]) -> SentencePieceTokenizer:
    """Builds the tokenizer of a file whose `tokenizer.ggml.model` is "llama".

    Raises:
        FormatError: the vocabulary is damaged.
        UnsupportedModelError: the vocabulary has no byte fallback.
    """
    vocabulary = read_vocabulary(metadata, bos=1, eos=2)
    scores = metadata.get("tokenizer.ggml.scores")
    if not isinstance(scores, list) or len(scores) != len(vocabulary.pieces):
        raise FormatError(f"tokenizer.ggml.scores is not a list of {len(vocabulary.pieces):,} numbers")
    return SentencePieceTokenizer(
        vocabulary,
        scores,
        add_bos=flag(metadata, "add_bos_token", True),
        space_prefix=flag(metadata, "add_space_prefix", True),
    )


def _build_library(vocabulary: Vocabulary, scores: list[float]) -> SentencePieceProcessor:
    from sentencepiece import SentencePieceProcessor

    library = SentencePieceProcessor()
    try:
        library.LoadFromSerializedProto(model_proto(vocabulary, scores))
    except (RuntimeError, ValueError, TypeError) as error:
        raise FormatError(f"the SentencePiece vocabulary cannot be used: {error}") from None
    return library
