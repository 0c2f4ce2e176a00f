"""Quotes that cannot be invented: what is generated between quotation marks is a span of given texts.

The places where a quote may stand are all kept in view: at first every place where one may begin, then those
that go on as the quote did.  So the work of a token is that of the places that are left, and there is no need
for an automaton of the texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from model.sampling.constraint import ConstraintError, only
from model.tokenizer.base import Tokenizer

_CLOSING = (b'"', b'".', b'"\n', b'"\n\n', b'",', b'";')
_GAP = 0xFF  # between texts: no byte of UTF-8
_LONGEST = 32  # bytes of a token that is looked for
_HASTE = 12  # tokens of room with which a quote ends at the next word


@dataclass(frozen=True, slots=True)
class Span:
    """A text that may be quoted.

    Attributes:
        text: UTF-8.
        starts: offsets in bytes where a quote may begin, rising.
        ends: offsets where one may end.
    """

    text: bytes
    starts: Sequence[int]
    ends: Sequence[int]


class Quoted:
    """Quotes from texts, each within quotation marks, of which the first is open already.

    A `model.sampling.constraint.Constraint`.  Behind a quote may come another one on a line of its own, or
    the end.

    Args:
        spans: the texts.
        tokenizer: of the model.
        vocab: V, how many logits there are.
        least: bytes that a quote has at least, unless its text ends before.
        most: bytes from which on it ends at the next word.
        count: quotes at most.
    """

    hurried = False

    def __init__(
        self,
        spans: Sequence[Span],
        tokenizer: Tokenizer,
        vocab: int,
        *,
        least: int = 24,
        most: int = 320,
        count: int = 1,
    ) -> None:
        self._vocab, self._least, self._most, self._count = vocab, least, most, count
        self._ids, self._bytes = _table(tokenizer, vocab)
        self._eog = [id for id in sorted(tokenizer.eog_ids) if id < vocab]
        self._closing = [self._ids[each] for each in _CLOSING if each in self._ids]
        self._breaks = [self._ids[each] for each in (b"\n", b"\n\n") if each in self._ids]
        self._mark = self._ids.get(b'"')
        if self._mark is None:
            raise ConstraintError("the model has no token for a quotation mark")
        self._text, self._ends, starts = _joined(spans)
        self._starts = starts
        self._from: list[tuple[int, int]] = []  # the quotes, as they stand in the joined texts
        self._where = "quote"
        self._at = starts
        self._size = 0
        self._room = 1 << 30
        self._choices: dict[int, np.ndarray] | None = None

    @property
    def complete(self) -> bool:
        """Whether no quote is open."""
        return self._where != "quote"

    @property
    def ended(self) -> bool:
        """Whether there may be no more quotes."""
        return self._where == "end"

    @property
    def quotes(self) -> list[tuple[int, int, int]]:
        """The finished quotes: (number of the text, begin, end) in bytes of it."""
        found = []
        for begin, end in self._from:
            text = self._text.count(_GAP, 0, begin) - 1
            offset = self._text.rfind(_GAP, 0, begin) + 1
            found.append((text, begin - offset, end - offset))
        return found

    def mask(self) -> np.ndarray:
        """See `model.sampling.constraint.Constraint.mask`."""
        if self._where == "end" or self._where == "between":
            return only([*self._eog, *(self._breaks if self._where == "between" else ())], self._vocab)
        if self._where == "mark":
            assert self._mark is not None, "it was looked for at the beginning"
            return only([self._mark], self._vocab)
        may_end, must_end = self._ending()
        going = {} if must_end else self._going()
        if may_end or not going:
            return only([*self._closing, *self._eog, *going], self._vocab)
        return only(going, self._vocab)

    def forced(self) -> Sequence[int]:
        """Nothing: where there is one choice, finding out takes as long as taking it."""
        return ()

    def take(self, token: int, room: int) -> int:
        """See `model.sampling.constraint.Constraint.take`."""
        self._room = room
        if token in self._eog:
            if self._where == "quote":
                self._close()
            self._where = "end"
        elif self._where == "quote":
            self._take_text(token)
        elif self._where == "between" and token in self._breaks:
            self._where = "mark"
        elif self._where == "mark" and token == self._mark:
            self._where, self._at, self._size, self._choices = "quote", self._left(), 0, None
        else:
            raise ConstraintError(f"token {token} is not allowed between quotes")
        return token

    def _take_text(self, token: int) -> None:
        may_end, must_end = self._ending()
        going = {} if must_end else self._going()
        if token in going:
            self._at = going[token]
            self._size += len(self._bytes[token])
            self._choices = None
        elif token in self._closing and (may_end or not going):
            self._close()
            self._where = "between" if len(self._from) < self._count and len(self._left()) else "end"
        else:
            raise ConstraintError(f"token {token} does not go on with any of the texts")

    def _close(self) -> None:
        """Remember the quote: the first place that it may have been taken from."""
        ending = [place for place in self._at.tolist() if self._ends[place]] or self._at.tolist()
        self._from.append((ending[0] - self._size, ending[0]))

    def _left(self) -> np.ndarray:
        """Where another quote may begin."""
        starts = self._starts
        for begin, end in self._from:
            starts = starts[(starts < begin) | (starts >= end)]
        return starts

    def _ending(self) -> tuple[bool, bool]:
        """Whether a quote may end here, and whether it must."""
        if not self._size:
            return False, False
        ends = self._ends[self._at]
        gone = np.array([self._text[place] == _GAP for place in self._at.tolist()])
        if self._size >= self._most or self._room <= _HASTE:
            words = np.array([self._is_between_words(place) for place in self._at.tolist()])
            if (words | gone).any():
                return True, True
        may = bool((gone | (ends & (self._size >= self._least))).any())
        return may, bool(gone.all())

    def _is_between_words(self, place: int) -> bool:
        return not (_is_wordy(self._text[place - 1]) and _is_wordy(self._text[place]))

    def _going(self) -> dict[int, np.ndarray]:
        """The tokens that go on, with the places behind them."""
        if self._choices is None:
            found: dict[int, list[int]] = {}
            text, ids = self._text, self._ids
            for place in self._at.tolist():
                stop = text.find(_GAP, place, place + _LONGEST)
                for end in range(place + 1, (place + _LONGEST if stop < 0 else stop) + 1):
                    token = ids.get(text[place:end])
                    if token is not None:
                        found.setdefault(token, []).append(end)
            self._choices = {token: np.array(places) for token, places in found.items()}
        return self._choices


def _is_wordy(byte: int) -> bool:
    """Whether a byte belongs to a word, as every one of a letter beyond ASCII does."""
    return 0x80 <= byte < _GAP or chr(byte).isalnum()


def _joined(spans: Sequence[Span]) -> tuple[bytes, np.ndarray, np.ndarray]:
    """The texts in one with gaps around each; whether one may end at each byte; where one may begin."""
    pieces: list[bytes] = [bytes([_GAP])]
    starts: list[int] = []
    ends: list[int] = []
    at = 1
    for span in spans:
        starts += [at + each for each in span.starts if each < len(span.text)]
        ends += [at + each for each in span.ends if each <= len(span.text)]
        pieces += span.text, bytes([_GAP])
        at += len(span.text) + 1
    if not starts:
        raise ConstraintError("there is nothing to quote")
    may_end = np.zeros(at + 1, bool)
    may_end[ends] = True
    return b"".join(pieces), may_end, np.array(starts)


def _table(tokenizer: Tokenizer, vocab: int) -> tuple[Mapping[bytes, int], Sequence[bytes]]:
    """Tokens by their bytes, and the bytes of each; of equal ones the last, for bytes come before pieces."""
    size = min(vocab, tokenizer.vocab_size)
    spelled = [tokenizer.token_bytes(id) for id in range(size)]
    ids: dict[bytes, int] = {}
    never = tokenizer.eog_ids | tokenizer.suppress_ids
    for id in range(size):
        if spelled[id] and id not in never:
            ids[spelled[id]] = id
    return ids, spelled
