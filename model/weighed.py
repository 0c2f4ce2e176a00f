"""The tokens that an answer's text is made of, each with how likely it was, piece by piece.

A token belongs to the text where its own begins.  Thoughts, marks and what a stop string cuts off are not
part of the answer, and neither are their tokens.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.sampling.likely import Likely
    from model.tokenizer.base import Tokenizer


@dataclass(frozen=True, slots=True)
class Weighed:
    """One token of an answer.

    Attributes:
        spelled: its bytes, which may be a part of a character only.
        logprob: the natural logarithm of its probability, see `model.sampling.likely`.
        top: the likeliest tokens in its place: their bytes, and the logarithms of theirs.
    """

    spelled: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...]


class Weights:
    """Keeps tokens until their text is handed on.

    Args:
        tokenizer: of the model.
        top: likeliest tokens of each that are told.
    """

    def __init__(self, tokenizer: Tokenizer, top: int) -> None:
        self._tokenizer = tokenizer
        self._top = top
        self._heard: deque[Likely] = deque()
        self._held: deque[tuple[int, Weighed]] = deque()
        self._begun = False
        self._length = 0
        self._given = 0

    def hear(self, likely: Likely) -> None:
        """How likely the next token is that will be pushed."""
        self._heard.append(likely)

    def push(self, length: int, *, answering: bool) -> None:
        """The next token.

        Args:
            length: characters of the answer that it has completed.
            answering: whether it is of the answer, as far as can be told.
        """
        found = self._heard.popleft()
        if answering or length:
            self._held.append((self._length, self._weighed(found)))
        else:  # what seemed to begin the answer began a thought
            while self._held and self._held[-1][0] == self._length:
                self._held.pop()
        self._length += length

    def give(self, text: str) -> list[Weighed]:
        """The tokens that begin in the next piece of the answer."""
        self._given += len(text)
        given: list[Weighed] = []
        while self._held and self._held[0][0] < self._given:
            given.append(self._held.popleft()[1])
        return given

    def _weighed(self, found: Likely) -> Weighed:
        top = tuple((self._spelled(id), logprob) for id, logprob in found.top[: self._top])
        made = Weighed(self._spelled(found.token), found.logprob, top)
        self._begun = self._begun or bool(made.spelled)
        return made

    def _spelled(self, id: int) -> bytes:
        """A token's bytes; a tokenizer may put a space before the first that is no part of the text."""
        spelled = self._tokenizer.token_bytes(id)
        return spelled if self._begun or not spelled else self._tokenizer.decode_bytes([id])
