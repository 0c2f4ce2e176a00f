"""What all kinds of tokenizer share: trust, reserved tokens, and decoding.

A tokenizer of one kind only says how plain text becomes ids and which bytes a piece stands for.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from model.tokenizer.vocabulary import Kind, Matcher, Vocabulary

_SILENT = (Kind.CONTROL, Kind.UNKNOWN, Kind.UNUSED)


class VocabularyTokenizer(ABC):
    """A tokenizer over a GGUF vocabulary; `model.tokenizer.base.Tokenizer` describes the interface."""

    def __init__(self, vocabulary: Vocabulary, *, add_bos: bool) -> None:
        self.vocabulary = vocabulary
        self.vocab_size = len(vocabulary.pieces)
        self.bos_id = vocabulary.bos_id
        self.eos_id = vocabulary.eos_id
        self.eog_ids = vocabulary.eog_ids
        self.suppress_ids = vocabulary.suppress_ids
        self.add_bos = add_bos and vocabulary.bos_id is not None
        self._reserved = Matcher(vocabulary.reserved)
        self._bytes: dict[int, bytes] = {}  # of the tokens that were asked for

    @abstractmethod
    def _append_plain(self, ids: list[int], text: str) -> None:
        """Appends the ids of text that begins a sequence or follows a reserved token, and holds none."""

    @abstractmethod
    def _count_plain(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each of some texts that hold no reserved token, between line breaks of a longer text."""

    @abstractmethod
    def _rules(self) -> object:
        """What the ids depend on besides the vocabulary; its `repr` tells two apart."""

    @abstractmethod
    def _piece_bytes(self, id: int) -> bytes:
        """The bytes of a normal, user-defined or byte token."""

    def encode(self, text: str) -> list[int]:
        """The ids of untrusted text.  A lone surrogate, which no file can hold, counts as U+FFFD."""
        ids: list[int] = []
        if text:
            self._append_plain(ids, _scalar_values(text))
        return ids

    def encode_spans(self, spans: Sequence[tuple[str, bool]]) -> list[int]:
        """The ids of spans (text, trusted)."""
        spans = [(_scalar_values(text), trusted) for text, trusted in spans]
        text = "".join(text for text, _ in spans)
        ids: list[int] = []
        at = 0
        for begin, end in _trusted_runs(spans):
            for left, right, id in self._reserved.find(text, begin, end):
                if at < left:
                    self._append_plain(ids, text[at:left])
                ids.append(id)
                at = right
        if at < len(text):
            self._append_plain(ids, text[at:])
        return ids

    @property
    def fingerprint(self) -> str:
        """A digest of the vocabulary and the rules."""
        digest = hashlib.sha256(repr((type(self).__name__, self._rules())).encode())
        digest.update(self.vocabulary.kinds)
        digest.update("\0".join(self.vocabulary.pieces).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text where it stands between line breaks of a longer one; ids are not made."""
        return self._count_plain([_scalar_values(text) for text in texts])

    def token_bytes(self, id: int) -> bytes:
        """The bytes that a token stands for; none for control and unused tokens."""
        if not 0 <= id < self.vocab_size:
            raise IndexError(f"there is no token {id}: the vocabulary has {self.vocab_size:,}")
        known = self._bytes.get(id)
        if known is None:
            known = b"" if self.vocabulary.kinds[id] in _SILENT else self._piece_bytes(id)
            self._bytes[id] = known
        return known

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of a sequence from its beginning."""
        return b"".join(map(self.token_bytes, ids))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of a sequence from its beginning; invalid UTF-8 becomes U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def is_control(self, id: int) -> bool:
        """Whether a token is a sign to the program rather than text."""
        return self.vocabulary.is_control(id)

    def id_of(self, piece: str) -> int | None:
        """The id of the token that is spelled so in the vocabulary; None where there is none."""
        return self.vocabulary.ids.get(piece)


def _scalar_values(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _trusted_runs(spans: Sequence[tuple[str, bool]]) -> Iterator[tuple[int, int]]:
    """(begin, end) of the longest stretches of trusted text, in characters of the joined text."""
    at, begin = 0, None
    for text, trusted in spans:
        if trusted and begin is None:
            begin = at
        if not trusted and text and begin is not None:
            yield begin, at
            begin = None
        at += len(text)
    if begin is not None:
        yield begin, at


def split_text(text: str, boundary: re.Pattern[str], size: int) -> Iterator[str]:
    """Cuts text at the first boundary after each `size` characters; a text without any stays whole.

    Args:
        text: to cut.
        boundary: matches the empty string where a cut cannot change the ids.
        size: characters that a part has at least, but for the last.
    """
    at = 0
    while len(text) - at > size and (cut := boundary.search(text, at + size)):
        yield text[at : cut.start()]
        at = cut.start()
    yield text[at:]
