"""Where in a prompt others are likely to differ from it: behind its documents, where questions begin."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

LARGE = 2_048
"""Tokens of documents that are worth coming back to when other documents follow them."""


def marks(
    ids: Sequence[int],
    token_bytes: Callable[[int], bytes],
    turns: Sequence[tuple[str, Sequence[int]]],
    answers: Sequence[str],
    runs: Sequence[tuple[int, int]] = (),
) -> tuple[int, ...]:
    """Indexes of tokens before which nothing depends on what follows, rising.

    Whether one is given depends on nothing behind it, and a token that stands across a border is behind it.

    Args:
        ids: the whole prompt.
        token_bytes: the bytes of one token, none for a control token.
        turns: the text of each of the user's turns, and in it the characters at which documents that follow
            others begin, and last the one at which the question begins.
        answers: what was answered to each but the last.
        runs: tokens [first, end) that are no text, in order.
    """
    shown = [0, *(index for each in runs for index in each), len(ids)]
    pieces = [(shown[at], shown[at + 1]) for at in range(0, len(shown), 2)]
    text = [token for first, end in pieces for token in ids[first:end]]
    known = {token: token_bytes(token) for token in set(text)}
    whole = b"".join([known[token] for token in text])
    starts = _starts(whole, [turn.encode() for turn, _ in turns], [each.encode() for each in answers])
    if starts is None:
        return ()
    ends = list(accumulate(len(known[token]) for token in text))
    found: list[int] = []
    for (turn, places), start in zip(turns, starts, strict=True):
        for number, place in enumerate(places):
            index = bisect_right(ends, start + len(turn[:place].encode()))
            index = _among_runs(index, pieces)
            is_question = number == len(places) - 1
            if is_question or index - (found[-1] if found else 0) >= LARGE:
                found.append(index)
    return tuple(sorted(set(found)))


def _starts(whole: bytes, turns: Sequence[bytes], answers: Sequence[bytes]) -> list[int] | None:
    """Where the user's turns begin; searched for from the end, since what comes later may repeat what came
    before but stands behind it.  None where the text is not found."""
    found = [whole.rfind(turns[-1])]
    for turn, answer in zip(turns[-2::-1], answers[::-1], strict=True):
        end = whole.rfind(answer, 0, max(found[-1], 0))
        found.append(whole.rfind(turn, 0, max(end, 0)))
    return None if min(found) < 0 else found[::-1]


def _among_runs(index: int, pieces: Sequence[tuple[int, int]]) -> int:
    """The index among all tokens of one among those that are text.

    At the border of a run it is the one behind the run: what is shown there stands before what follows.
    """
    for first, end in pieces[:-1]:
        if index < end - first:
            return first + index
        index -= end - first
    return pieces[-1][0] + index
