"""The contract's ``plan`` object: what a prompt costs and whether it fits, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from gemcli.pack import speed
from gemcli.pack.budget import Budget
from gemcli.pack.cost import Costs
from gemcli.parts import Document


class Sized(Protocol):
    """What is needed of `model.load.ModelCard`."""

    @property
    def weights_bytes(self) -> int:
        """Bytes of the weights."""
        ...

    def kv_bytes_per_token(self, bits: int = 16) -> int:
        """Bytes that one token takes in the KV cache."""
        ...


def plan_json(
    documents: Sequence[Document],
    costs: Costs,
    limits: Budget,
    *,
    model: str,
    card: Sized,
    kv_bits: int = 16,
) -> dict[str, Any]:
    """The plan as JSON.

    ``total_tokens`` is the length of the prompt that ``ask`` sends: the documents' tokens and
    ``overhead_tokens`` (template, instruction, question).  ``kv_bytes`` are for the prompt and the room for
    the answer.  ``estimate`` holds null where the model never ran on this machine.
    """
    known = speed.recall(model)
    return {
        "model": model,
        "window": limits.window,
        "budget": limits.for_documents(costs.overhead),
        "total_tokens": costs.total,
        "overhead_tokens": costs.overhead,
        "fits": limits.fits(costs.total),
        "kv_bytes": card.kv_bytes_per_token(kv_bits) * (costs.total + limits.room),
        "weights_bytes": card.weights_bytes,
        "estimate": known.estimate(costs.total, limits.longest)
        if known
        else {"first_token_s": None, "total_s": None},
        "documents": [
            {
                "source": document.source,
                "media_type": document.media_type,
                "sha256": document.sha256,
                "tokens": costs.of_document(index),
                "parts": [
                    {
                        "kind": "text",
                        "anchor": part.anchor.to_json(),
                        "tokens": costs.parts[index, number],
                    }
                    for number, part in enumerate(document.parts)
                ],
                "warnings": list(document.warnings),
            }
            for index, document in enumerate(documents)
        ],
        "thinned": [],
    }
