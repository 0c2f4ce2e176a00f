"""Character BPE (Gemma 4): merges by rank over the characters of a line, bytes as a last resort.

A space is U+2581 before merging, and merges stop at line breaks alone.  A run of line breaks that is in the
vocabulary is one token, whatever the merges make of it.  The merging is the `tokenizers` library's.
Source: tokenization_gemma.py of transformers, and `LLAMA_VOCAB_PRE_TYPE_GEMMA4` in llama-vocab.cpp of
llama.cpp; both call what is in the vocabulary only as a control token text, where that is spelled in a text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any
from zlib import crc32

from model.errors import FormatError
from model.tokenizer.fallback import BYTES, SPACE, FallbackTokenizer
from model.tokenizer.vocabulary import Kind, Matcher, Vocabulary, read_vocabulary, string_list

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Library

_LONGEST_RUN = 255  # line breaks


class CharacterTokenizer(FallbackTokenizer):
    """A character-level BPE tokenizer, built from GGUF metadata.

    merges: pairs of pieces, ``left right``, the first to be merged first.
    """

    def __init__(self, vocabulary: Vocabulary, merges: list[str], *, add_bos: bool):
        super().__init__(vocabulary, add_bos=add_bos)
        self._user_defined = Matcher(vocabulary.user_defined)
        self._library = _build_library(vocabulary, merges)
        self._merges = crc32("\n".join(merges).encode("utf-8", "surrogatepass"))
        self._runs = self._unmerged_runs()

    def _rules(self) -> object:
        return self._merges

    def _append_plain(self, ids: list[int], text: str) -> None:
        at = 0
        for left, right, id in self._user_defined.find(text, 0, len(text)):
            super()._append_plain(ids, text[at:left])
            ids.append(id)
            at = right
        super()._append_plain(ids, text[at:])

    def _count_plain(self, texts: Sequence[str]) -> list[int]:
        if not self.vocabulary.user_defined:
            return super()._count_plain(texts)
        counts, owners, stretches = [0] * len(texts), [], []
        for owner, text in enumerate(texts):
            at = 0
            for left, right, _ in chain(
                self._user_defined.find(text, 0, len(text)), [(len(text), len(text), -1)]
            ):
                owners.append(owner)
                stretches.append(text[at:left])
                counts[owner] += right > left
                at = right
        for owner, count in zip(owners, super()._count_plain(stretches), strict=True):
            counts[owner] += count
        return counts

    def _merge(self, parts: list[str]) -> Iterable[Sequence[int]]:
        if self._runs is not None:
            return map(self._merge_between_runs, parts)
        return (each.ids for each in self._encode(parts))

    def _count(self, parts: list[str]) -> Iterable[int]:
        return map(len, self._encode(parts)) if self._runs is None else super()._count(parts)

    def _encode(self, parts: list[str]) -> list[Any]:
        return self._library.encode_batch_fast(
            [part.replace(" ", SPACE) for part in parts], add_special_tokens=False
        )

    def _merge_between_runs(self, part: str) -> list[int]:
        assert self._runs is not None
        pieces = self._runs.split(part)
        for index in range(1, len(pieces), 2):
            pieces[index] = ""
        runs = self._runs.findall(part)
        ids: list[int] = []
        for encoding, run in zip(self._encode(pieces[::2]), [*runs, None], strict=True):
            ids.extend(encoding.ids)
            if run is not None:
                ids.append(self.vocabulary.ids[run])
        return ids

    def _unmerged_runs(self) -> re.Pattern[str] | None:
        """Whole runs of line breaks that are tokens, though the merges do not lead to them; None for none."""
        odd = [
            length
            for length in range(1, _LONGEST_RUN + 1)
            if (id := self.vocabulary.ids.get("\n" * length)) is not None
            and self.vocabulary.kinds[id] == Kind.NORMAL
            and self._library.encode("\n" * length, add_special_tokens=False).ids != [id]
        ]
        runs = "|".join(f"\n{{{length}}}" for length in odd)
        return re.compile(rf"(?<!\n)({runs})(?!\n)") if odd else None


def characters_from_gguf(metadata: Mapping[str, Any]) -> CharacterTokenizer:
    """Builds the tokenizer of a file whose `tokenizer.ggml.model` is "gemma4".

    A prompt always begins with the BOS token, as in llama.cpp, whatever the file says: the model is lost
    without it.

    Raises:
        FormatError: the vocabulary or the merges are damaged.
        UnsupportedModelError: the vocabulary has no byte fallback.
    """
    vocabulary = read_vocabulary(metadata)
    return CharacterTokenizer(vocabulary, string_list(metadata, "tokenizer.ggml.merges"), add_bos=True)


def _build_library(vocabulary: Vocabulary, merges: list[str]) -> Library:
    # Without a value the library warns on stderr whenever a process that used it is forked.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import Split

    mergeable = vocabulary.ids.copy()
    for piece in (*vocabulary.reserved, *vocabulary.user_defined):
        del mergeable[piece]
    # What no text may become: signs to the program, and bytes that the text does not hold.
    signs = {*vocabulary.reserved, *vocabulary.user_defined, *BYTES}
    pairs = _pairs(merges)
    made = list(map("".join, pairs))
    if not signs.isdisjoint(chain(chain.from_iterable(pairs), made)):
        pairs = [pair for pair in pairs if signs.isdisjoint((*pair, "".join(pair)))]
        made = list(map("".join, pairs))
    if not all(map(mergeable.__contains__, made)):  # the library would panic, and print it
        odd = next(pair for pair, piece in zip(pairs, made, strict=True) if piece not in mergeable)
        raise FormatError(f"tokenizer.ggml.merges holds {odd!r}, which makes no token")
    try:
        model = BPE(vocab=mergeable, merges=pairs, byte_fallback=True)
    except Exception as error:  # the library raises nothing more precise
        raise FormatError(f"the merges do not fit the vocabulary: {error}") from None
    library = Tokenizer(model)
    library.pre_tokenizer = Split(Regex(r"\n+"), "isolated")
    return library


def _pairs(merges: list[str]) -> list[tuple[str, str]]:
    """What is merged: pieces on either side of a space, which is not the first character of a piece."""
    if set(map(str.count, merges, repeat(" "))) <= {1}:
        flat = " ".join(merges).split(" ")  # there are half a million, at every start of the program
        return list(zip(flat[::2], flat[1::2], strict=True))
    cuts = [merge.find(" ", 1) for merge in merges]
    if -1 in cuts:
        odd = merges[cuts.index(-1)]
        raise FormatError(f"tokenizer.ggml.merges holds {odd!r}, which is no pair of tokens")
    return [(merge[:cut], merge[cut + 1 :]) for merge, cut in zip(merges, cuts, strict=True)]
