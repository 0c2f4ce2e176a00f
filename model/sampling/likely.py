"""How likely a token was, and which were the likeliest: what the model itself gives, before any choosing.

The distribution is the softmax of the logits at temperature 1, without filters, constraints or suppressed
tokens: it is the same whatever the settings, and the token that was chosen need not be among the likeliest.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

MOST = 20
"""Likeliest tokens that are told at most."""


@dataclass(frozen=True, slots=True)
class Likely:
    """One token of an answer.

    Attributes:
        token: its id.
        logprob: the natural logarithm of its probability.
        top: the likeliest tokens in its place and theirs, the likeliest first; `MOST` of them.
    """

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


def likely(scores: Array, row: int, token: int) -> Likely:
    """How likely a token is.

    Args:
        scores: f32 [B, V], logits.
        row: which of them.
        token: the one that was chosen.
    """
    logprob, ids, values = jax.device_get(_weigh(scores, np.int32(row), np.int32(token)))
    return Likely(token, float(logprob), tuple(zip(ids.tolist(), values.tolist(), strict=True)))


@jax.jit
def _weigh(scores: Array, row: Array, token: Array) -> tuple[Array, Array, Array]:
    logits = scores[row].astype(jnp.float32)
    whole = jax.nn.logsumexp(logits)
    values, ids = lax.top_k(logits, min(MOST, logits.shape[0]))
    return logits[token] - whole, ids, values - whole
