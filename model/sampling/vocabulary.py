"""The tokens of a model as llguidance knows them: their bytes, which of them end a text, which are silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from model.sampling.constraint import WORD
from model.tokenizer.base import Tokenizer

if TYPE_CHECKING:
    from llguidance import LLTokenizer

_VOCABULARIES: WeakKeyDictionary[Tokenizer, dict[int, Vocabulary]] = WeakKeyDictionary()


class Vocabulary:
    """The tokens of a model as llguidance knows them.  Making it takes about a second for 262,144 tokens.

    Attributes:
        size: V, how many logits there are.
        library: the library's own.
    """

    def __init__(self, library: LLTokenizer, ends: frozenset[int], size: int, singles: Mapping[int, int]):
        self.library = library
        self.size = size
        self.ends = ends
        self.quote = singles.get(ord('"'), -1)
        self.brackets = [singles[ord(each)] for each in "}]" if ord(each) in singles]
        self.openers = frozenset(singles[ord(each)] for each in "{[,:" if ord(each) in singles)
        plain = sorted(singles, key=lambda byte: (not chr(byte).isalnum(), byte))
        self.singles = np.array([singles[byte] for byte in plain], np.int64)

    def allowed(self, mask: np.ndarray) -> np.ndarray:
        """The tokens of one byte that a mask allows, letters and digits first: int64 [n]."""
        bits = mask[self.singles // WORD] >> (self.singles % WORD).astype(np.uint32)
        return self.singles[bits & 1 == 1]

    @staticmethod
    def of(tokenizer: Tokenizer, size: int) -> Vocabulary:
        """The vocabulary of a tokenizer; the same one when it is asked for again.

        Args:
            tokenizer: of the model.
            size: V, which may be more than the tokenizer has.
        """
        made = _VOCABULARIES.setdefault(tokenizer, {})
        if size not in made:
            made[size] = _vocabulary(tokenizer, size)
        return made[size]


class _Spelled:
    """What llguidance asks of a tokenizer."""

    def __init__(self, tokens: list[bytes], special: list[int], end: int, tokenizer: Tokenizer | None):
        self.tokens = tokens
        self.special_token_ids = special
        self.eos_token_id = end
        self.bos_token_id = None
        self._tokenizer = tokenizer

    def __call__(self, text: bytes | str) -> list[int]:
        data = text.encode() if isinstance(text, str) else text
        if self._tokenizer is None:
            return list(data)
        return self._tokenizer.encode(data.decode("utf-8", "replace"))


def _vocabulary(tokenizer: Tokenizer, size: int) -> Vocabulary:
    tokens = [tokenizer.token_bytes(id) for id in range(min(size, tokenizer.vocab_size))]
    tokens += [b""] * (size - len(tokens))
    ends = frozenset(id for id in tokenizer.eog_ids if id < size)
    never = {id for id in tokenizer.suppress_ids if id < size} - ends
    return _made(tokens, ends, never, tokenizer)


def bytewise() -> Vocabulary:
    """A vocabulary in which each byte is a token."""
    return _made([*(bytes([byte]) for byte in range(256)), b""], frozenset({256}), set(), None)


def _made(
    tokens: list[bytes], ends: frozenset[int], never: set[int], tokenizer: Tokenizer | None
) -> Vocabulary:
    from llguidance import LLTokenizer, TokenizerWrapper

    silent = [id for id, spelled in enumerate(tokens) if not spelled or id in ends or id in never]
    singles: dict[int, int] = {}
    for id, spelled in enumerate(tokens):
        if len(spelled) == 1 and id not in never:
            singles[spelled[0]] = id  # of equal ones the last: bytes come before pieces
    for id in silent:
        tokens[id] = b"<[%d]>" % id
    # A model whose file names no end still needs one that it never reaches.
    end = sorted(ends) or [next(iter(silent), len(tokens) - 1)]
    library = LLTokenizer(
        TokenizerWrapper(_Spelled(tokens, silent, end[0], tokenizer)),
        n_vocab=len(tokens),
        eos_token=end,
        slices=LLTokenizer.json_slices(),
    )
    return Vocabulary(library, ends, len(tokens), singles)
