"""What the rest of the program knows of a tokenizer.

Trust is part of the interface: text of the model's own template may spell control tokens, text of a
file or a person never does, whatever it contains.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol


class Tokenizer(Protocol):
    """Text to token ids and back.

    vocab_size: number of tokens; ids run from 0 to vocab_size - 1.
    bos_id, eos_id: begin and end of a sequence, None where the model has none.
    eog_ids: tokens that end an answer.
    suppress_ids: tokens that may never be generated.
    add_bos: whether a prompt starts with bos_id.
    """

    vocab_size: int
    bos_id: int | None
    eos_id: int | None
    eog_ids: frozenset[int]
    suppress_ids: frozenset[int]
    add_bos: bool

    def encode(self, text: str) -> list[int]:
        """The ids of untrusted text: no control token is ever parsed from it, and no BOS is added."""
        ...

    def encode_spans(self, spans: Sequence[tuple[str, bool]]) -> list[int]:
        """The ids of a text in spans (text, trusted); no BOS is added.

        Control tokens are parsed within runs of trusted spans only.  All other text is tokenized
        across the borders of spans, so that the ids are those of the whole text.
        """
        ...

    @property
    def fingerprint(self) -> str:
        """The same for two tokenizers only if they give the same ids, for what is kept on disk."""
        ...

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each of some untrusted texts takes within a longer one, on all cores.

        Each text begins a line there and ends with a line break that a visible character follows; then the
        counts add up to those of the longer text.  Quicker than `encode`, for the ids are never made.
        """
        ...

    def token_bytes(self, id: int) -> bytes:
        """The bytes that a token stands for; none for a control token."""
        ...

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of a sequence from its beginning."""
        ...

    def decode(self, ids: Iterable[int]) -> str:
        """The text of a sequence from its beginning; invalid UTF-8 becomes U+FFFD."""
        ...

    def is_control(self, id: int) -> bool:
        """Whether a token is a sign to the program rather than text."""
        ...

    def id_of(self, piece: str) -> int | None:
        """The id of the token that is spelled so in the vocabulary; None where there is none."""
        ...
