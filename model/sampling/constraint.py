"""What an answer may be: before each token, which ones may come next.

A constraint lives on the host and belongs to one sequence.  It is asked for a mask, the device chooses under
it, and what was chosen is handed back; so the work on the mask of one token can go on while the device
computes its logits, and many sequences can have constraints of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np

from model.errors import ModelError

WORD = 32  # bits


class ConstraintError(ModelError):
    """A rule for answers that cannot be understood, cannot be satisfied or is too large."""


class Constraint(Protocol):
    """The rule for one sequence, and how far it has got.  One thread at a time may use it.

    The caller asks `forced` or `mask`, chooses, calls `take`, and goes on until `ended` or a token that ends
    the text.
    """

    @property
    def complete(self) -> bool:
        """Whether the answer satisfies the rule as it stands; only then a mask allows the end."""
        ...

    @property
    def ended(self) -> bool:
        """Whether nothing may follow: the answer ends without a token that says so."""
        ...

    @property
    def hurried(self) -> bool:
        """Whether the answer was brought to its end early, for want of room."""
        ...

    def mask(self) -> np.ndarray:
        """Which tokens may come next: uint32 [ceil(V / 32)], token `t` in bit `t % 32` of word `t // 32`.

        The caller may keep it; a later call makes another.
        """
        ...

    def forced(self) -> Sequence[int]:
        """The tokens that must come next, as far as that is known; none where there is a choice.

        Nothing is taken by asking.  It only saves time: `mask` allows the first of them alone.
        """
        ...

    def take(self, token: int, room: int) -> int:
        """A token was chosen: the one that is to stand, which is another where the end must be made for.

        Args:
            token: one that the mask allowed.
            room: how many tokens may come after it.

        Raises:
            ConstraintError: the mask did not allow it.
        """
        ...


def words(vocab: int) -> int:
    """Words of a mask over so many tokens."""
    return -(-vocab // WORD)


def no_tokens(vocab: int) -> np.ndarray:
    """A mask that allows nothing: uint32 [ceil(V / 32)]."""
    return np.zeros(words(vocab), np.uint32)


def all_tokens(vocab: int) -> np.ndarray:
    """A mask that allows everything: uint32 [ceil(V / 32)]; no bit is set beyond V."""
    return packed(np.ones(vocab, bool))


def only(tokens: Collection[int], vocab: int) -> np.ndarray:
    """A mask that allows these tokens: uint32 [ceil(V / 32)]."""
    mask = no_tokens(vocab)
    for token in tokens:
        mask[token // WORD] |= np.uint32(1 << token % WORD)
    return mask


def packed(allowed: np.ndarray) -> np.ndarray:
    """Booleans [V] as a mask: uint32 [ceil(V / 32)]."""
    bits = np.zeros(words(len(allowed)) * WORD, bool)
    bits[: len(allowed)] = allowed
    return np.packbits(bits, bitorder="little").view("<u4").astype(np.uint32)


def unpacked(mask: np.ndarray, vocab: int) -> np.ndarray:
    """A mask as booleans [V]."""
    return np.unpackbits(mask.astype("<u4").view(np.uint8), bitorder="little", count=vocab).astype(bool)
