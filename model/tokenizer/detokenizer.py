"""Token ids to text, one at a time, never half a character."""

from __future__ import annotations

import codecs

from model.tokenizer.base import Tokenizer


class Detokenizer:
    """A state machine: what `push` and a last `flush` return, joined, is `tokenizer.decode` of all ids.

    A character whose bytes lie in several tokens is held back until it is whole; bytes that cannot
    become one are U+FFFD as soon as that is known.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = False

    def push(self, id: int) -> str:
        """The characters that this token completes."""
        decoded = self._tokenizer.token_bytes(id)
        if decoded and not self._begun:
            # A sequence may begin with a space that only the tokenizer put there: it knows.
            decoded = self._tokenizer.decode_bytes([id])
            self._begun = True
        return self._decoder.decode(decoded)

    def flush(self) -> str:
        """U+FFFD for a character that stayed incomplete; the next push begins a new sequence."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        self._begun = False
        return rest
