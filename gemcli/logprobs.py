"""Tokens with how likely they were, as OpenAI's API tells them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.weighed import Weighed

_LEAST = -9999.0
"""What that API says of a token that is next to impossible: JSON has no infinity."""


def told(tokens: Iterable[Weighed]) -> tuple[dict[str, object], ...]:
    """Tokens as JSON: ``token``, ``logprob``, ``bytes`` and ``top_logprobs``.

    A token that is a part of a character only has U+FFFD for it; its ``bytes`` are exact.
    """
    return tuple(
        {
            **_one(each.spelled, each.logprob),
            "top_logprobs": [_one(spelled, logprob) for spelled, logprob in each.top],
        }
        for each in tokens
    )


def _one(spelled: bytes, logprob: float) -> dict[str, object]:
    return {
        "token": spelled.decode("utf-8", "replace"),
        "logprob": max(logprob, _LEAST),
        "bytes": list(spelled),
    }
