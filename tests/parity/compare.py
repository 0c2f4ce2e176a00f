"""How far two models' predictions are apart: pure arithmetic on logits and log-probabilities.

Everything is summed in f64, a few rows at a time, so that a vocabulary of 262,144 needs no second copy of the
logits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MOST_EXACT = 2e-4
"""Nats that f32 may be off on average: twenty times what another order of summing makes; 2e-3 is promised."""

CLEAR = 0.1
"""Nats by which the reference must prefer a token for the default path to have to prefer it too."""

SAME = 1e-3
"""Nats that one and the same reference may differ by between versions and processors."""

_ROWS = 64


def most_divergence() -> float:
    """Nats of divergence that the default path may have on this backend.

    1e-2 is promised.  On a CPU it has less than 2e-4, since the compiled kernel rounds scales to f16.
    """
    import jax

    return 5e-4 if jax.default_backend() == "cpu" else 1e-2


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities f64 of logits [..., V]."""
    wide = logits.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    return wide - np.log(np.exp(wide).sum(-1, keepdims=True))


def next_logprobs(logits: np.ndarray, ids: Sequence[int] | np.ndarray) -> np.ndarray:
    """Log-probability f64 [T-1] that logits [T, V] give each token to follow."""
    logits, after = logits[:-1], np.asarray(ids)[1:, None]
    parts = [
        np.take_along_axis(log_softmax(logits[at : at + _ROWS]), after[at : at + _ROWS], -1)[:, 0]
        for at in range(0, len(after), _ROWS)
    ]
    return np.concatenate(parts)


def mean_kl(reference: np.ndarray, ours: np.ndarray) -> float:
    """Mean Kullback-Leibler divergence of ours from the reference, in nats, of logits [T, V] each."""
    total = 0.0
    for at in range(0, len(reference), _ROWS):
        theirs, mine = log_softmax(reference[at : at + _ROWS]), log_softmax(ours[at : at + _ROWS])
        total += float((np.exp(theirs) * (theirs - mine)).sum())
    return total / len(reference)


def top(logits: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids and log-probabilities [P, count] of the likeliest tokens, likeliest first, of logits [P, V]."""
    logprobs = log_softmax(logits)
    ids = np.argsort(-logprobs, axis=-1, kind="stable")[:, :count]
    return ids, np.take_along_axis(logprobs, ids, -1)


def mean_kl_of_top(ids: np.ndarray, logprobs: np.ndarray, ours: np.ndarray) -> float:
    """Mean divergence in nats when all tokens but the reference's likeliest are one.

    Merging tokens never makes a divergence larger, so this is the least that `mean_kl` can be; what merging
    hides is how the rest is shared out.

    Args:
        ids, logprobs: [P, K] from `top` of the reference.
        ours: logits [P, V].
    """
    mine = np.take_along_axis(log_softmax(ours), ids, -1)
    theirs = logprobs.astype(np.float64)
    theirs, mine = (np.concatenate([each, _rest(each)], axis=-1) for each in (theirs, mine))
    return float((np.exp(theirs) * (theirs - mine)).sum(-1).mean())


def _rest(logprobs: np.ndarray) -> np.ndarray:
    """Log [P, 1] of the probability that log-probabilities [P, K] leave for everything else."""
    return np.log(np.maximum(1.0 - np.exp(logprobs).sum(-1, keepdims=True), 1e-12))


def first_difference(ours: Sequence[int], theirs: Sequence[int]) -> int | None:
    """Where two sequences part, or None where they are equal."""
    for at, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        if mine != other:
            return at
    return None if len(ours) == len(theirs) else min(len(ours), len(theirs))
