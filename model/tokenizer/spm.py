"""SentencePiece BPE (Gemma 1 to 3, Llama 1 and 2): greedy merges by score over characters.

The merging is the `sentencepiece` library's, on a model rebuilt from the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from zlib import crc32

from model.errors import FormatError
from model.tokenizer.fallback import FallbackTokenizer
from model.tokenizer.spm_proto import model_proto
from model.tokenizer.vocabulary import Vocabulary, flag, read_vocabulary

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor


class SentencePieceTokenizer(FallbackTokenizer):
    """A SentencePiece tokenizer, built from a GGUF vocabulary.

    space_prefix: text that begins a sequence or follows a control token gets a space before it, and
        decoding takes the first one away again.
    """

    part: ClassVar[int] = 256  # the library's time grows faster than the text it is given at once
    batch: ClassVar[int] = 4096

    def __init__(self, vocabulary: Vocabulary, scores: list[float], *, add_bos: bool, space_prefix: bool):
        super().__init__(vocabulary, add_bos=add_bos)
        self.space_prefix = space_prefix
        self._library = _build_library(vocabulary, scores)
        self._scores = crc32(repr(scores[:: max(1, len(scores) // 4096)]).encode())

    def _rules(self) -> object:
        return self.space_prefix, self._scores

    def _merge(self, parts: list[str]) -> Iterable[Sequence[int]]:
        return self._library.encode(parts)

    def _append_plain(self, ids: list[int], text: str) -> None:
        super()._append_plain(ids, " " + text if self.space_prefix else text)

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
