"""Byte-level BPE (GPT-2, Llama 3, Qwen, SmolLM): merges over an alphabet that spells every byte.

The merging is the `tokenizers` library's; reserved and user-defined tokens are kept out of it, so that
nothing in a text can make the library produce a control token.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any
from zlib import crc32

from model.errors import FormatError
from model.tokenizer import pretokenizers
from model.tokenizer.shared import VocabularyTokenizer, split_text
from model.tokenizer.vocabulary import Kind, Matcher, Vocabulary, flag, read_vocabulary, string_list

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Library

_BOUNDARY = re.compile(
    r"(?<=[0-9A-Za-zÀ-ÖØ-öø-ÿЀ-ҁ一-龥ぁ-ゖァ-ヺ가-힣])(?=[\n\t !-&(-/:-@\[-`{-~。，、！？；：])"
)
"""Between a letter or digit and what is neither (nor the apostrophe of a contraction).

No pattern in `pretokenizers` matches across it, looks back over it, or looks ahead from before it, so
a word always ends there and the next begins as if the text did.
"""

_FOLLOWED = "["
"""One token after a line break in any family, put behind a text to be counted: for white space is cut
differently at the end of a text and before a visible character."""

_PART = 4096  # characters: long enough to keep the library's overhead small, short enough to share out
_BATCH = 128  # parts at a time: bounds the memory


class ByteLevelTokenizer(VocabularyTokenizer):
    """A byte-level BPE tokenizer, built from GGUF metadata.

    Bytes that the vocabulary cannot spell vanish, as in the reference (SmolLM2 has no token for some
    control characters, and for lead bytes of planes that Unicode has not assigned).
    """

    def __init__(
        self, vocabulary: Vocabulary, merges: list[str], family: pretokenizers.Family, *, add_bos: bool
    ):
        super().__init__(vocabulary, add_bos=add_bos)
        self._user_defined = Matcher(vocabulary.user_defined)
        self._library = _build_library(vocabulary, merges, family)
        self._family = family
        self._merges = crc32("\n".join(merges).encode("utf-8", "surrogatepass"))

    def _rules(self) -> object:
        return self._family, self._merges

    def _count_plain(self, texts: Sequence[str]) -> list[int]:
        counts = [0] * len(texts)
        owners: list[int] = []
        parts: list[str] = []

        def add(owner: int, text: str) -> None:
            for part in split_text(text, _BOUNDARY, _PART):
                owners.append(owner)
                parts.append(part)

        def run() -> None:
            for owner, encoding in zip(
                owners, self._library.encode_batch_fast(parts, add_special_tokens=False), strict=True
            ):
                counts[owner] += len(encoding)
            owners.clear()
            parts.clear()

        for owner, text in enumerate(texts):
            at = 0
            for left, right, _ in self._user_defined.find(text, 0, len(text)):
                if at < left:
                    add(owner, text[at:left])
                counts[owner] += 1
                at = right
            if at < len(text):
                add(owner, text[at:] + _FOLLOWED)
                counts[owner] -= 1
            if len(parts) >= _BATCH:
                run()
        run()
        return counts

    def _append_plain(self, ids: list[int], text: str) -> None:
        at = 0
        for left, right, id in self._user_defined.find(text, 0, len(text)):
            if at < left:
                self._append_merged(ids, text[at:left])
            ids.append(id)
            at = right
        if at < len(text):
            self._append_merged(ids, text[at:])

    def _append_merged(self, ids: list[int], text: str) -> None:
        parts = split_text(text, _BOUNDARY, _PART)
        while batch := list(islice(parts, _BATCH)):
            for encoding in self._library.encode_batch_fast(batch, add_special_tokens=False):
                ids.extend(encoding.ids)

    def _piece_bytes(self, id: int) -> bytes:
        piece = self.vocabulary.pieces[id]
        if self.vocabulary.kinds[id] != Kind.USER_DEFINED:
            try:
                return bytes(map(byte_of_character().__getitem__, piece))
            except KeyError:
                pass  # a token that some converter added as plain text
        return piece.encode()


@cache
def byte_of_character() -> dict[str, int]:
    """GPT-2's alphabet: printable Latin-1 stands for itself, other bytes for U+0100 and on, in order."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (byte for byte in range(256) if byte not in printable)
    alphabet = {chr(byte): byte for byte in printable}
    alphabet.update((chr(0x100 + place), byte) for place, byte in enumerate(others))
    return alphabet


def byte_level_from_gguf(metadata: Mapping[str, Any]) -> ByteLevelTokenizer:
    """Builds the tokenizer of a file whose `tokenizer.ggml.model` is "gpt2".

    Raises:
        FormatError: the vocabulary or the merges are damaged.
        UnsupportedModelError: the pre-tokenizer is not known.
    """
    vocabulary = read_vocabulary(metadata)
    merges = string_list(metadata, "tokenizer.ggml.merges")
    family = pretokenizers.family(metadata.get("tokenizer.ggml.pre", "default"))
    return ByteLevelTokenizer(
        vocabulary, merges, family, add_bos=flag(metadata, "add_bos_token", family.add_bos)
    )


def _build_library(vocabulary: Vocabulary, merges: list[str], family: pretokenizers.Family) -> Library:
    # Without a value the library warns on stderr whenever a process that used it is forked.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    mergeable = vocabulary.ids.copy()
    for piece in (*vocabulary.reserved, *vocabulary.user_defined):
        del mergeable[piece]
    try:
        pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    except ValueError:
        raise FormatError("tokenizer.ggml.merges holds an entry that is no pair of tokens") from None
    if not all(map(mergeable.__contains__, map("".join, pairs))):  # the library would panic, and print it
        raise FormatError("tokenizer.ggml.merges makes a token that the vocabulary does not have as text")
    try:
        model = BPE(vocab=mergeable, merges=pairs, ignore_merges=family.whole_words)
    except Exception as error:  # the library raises nothing more precise
        raise FormatError(f"the merges do not fit the vocabulary: {error}") from None
    library = Tokenizer(model)
    library.pre_tokenizer = pretokenizers.build(family)
    return library
