"""The contract's ``plan`` object: what a prompt costs and whether it fits, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from gemcli.pack import speed
from gemcli.pack.budget import Budget
from gemcli.pack.cost import Costs
from gemcli.pack.overflow import Packed
from gemcli.parts import Document, Text


class Sized(Protocol):
    """What is needed of `model.load.ModelCard`."""

    @property
    def weights_bytes(self) -> int:
        """Bytes of the weights."""
        ...

    def cache_bytes(self, prompt: int, longest: int, bits: int = 16) -> int:
        """Bytes of the cache for a prompt and an answer of at most `longest` tokens."""
        ...

    def memory_bytes(self, prompt: int, longest: int, bits: int = 16) -> int:
        """Bytes of memory that such an answer takes in all."""
        ...


def plan_json(
    documents: Sequence[Document],
    costs: Costs,
    limits: Budget,
    packed: Packed,
    *,
    model: str,
    card: Sized,
    attention: str = "dense",
    kv_bits: int = 16,
) -> dict[str, Any]:
    """The plan as JSON.

    ``total_tokens`` is everything that was given: the documents' tokens and ``overhead_tokens`` (template,
    instruction, question); ``prompt_tokens`` is what ``ask`` sends of it at once, null where it is read in
    windows or refused.  ``kv_bytes`` are those of the cache that is allocated for that prompt and its answer,
    ``memory_bytes`` all that the answer takes: weights, cache, and what is computed on the way.  ``estimate``
    holds null where the model never ran on this machine.

    Args:
        documents: those whose parts are listed.
        costs: their tokens.
        limits: the window.
        packed: what is sent.
        model, card: whose prompt it is.
        attention: how the model reads it.
        kv_bits: bits of a value in the KV cache.
    """
    sent = None if packed.prompt is None else len(packed.prompt.ids)
    size = min(limits.window - limits.room, packed.given.total) if sent is None else sent
    known = speed.recall(model)
    return {
        "model": model,
        "window": limits.window,
        "attention": attention,
        "budget": limits.for_documents(costs.overhead),
        "total_tokens": packed.given.total,
        "prompt_tokens": sent,
        "overhead_tokens": packed.given.overhead,
        "fits": packed.how == "none",
        "read": read_json(packed),
        "kv_bytes": card.cache_bytes(size, limits.answer(size), kv_bits),
        "memory_bytes": card.memory_bytes(size, limits.answer(size), kv_bits),
        "weights_bytes": card.weights_bytes,
        "estimate": known.estimate(sent, limits.longest)
        if known and sent is not None
        else {"first_token_s": None, "total_s": None},
        "documents": [
            {
                "source": document.source,
                "media_type": document.media_type,
                "sha256": document.sha256,
                "tokens": costs.of_document(index),
                "parts": [
                    {
                        "kind": type(part).__name__.lower(),
                        "anchor": part.anchor.to_json(),
                        "tokens": costs.parts[index, number],
                    }
                    | ({"via": part.via} if isinstance(part, Text) and part.via else {})
                    for number, part in enumerate(document.parts)
                ],
                "warnings": list(document.warnings),
            }
            for index, document in enumerate(documents)
        ],
        "thinned": [each.to_json() for each in packed.thinned],
    }


def read_json(packed: Packed) -> dict[str, Any]:
    """The contract's ``read`` object: by which rule how much of how much is read."""
    given = packed.given.total - packed.given.overhead
    return {"overflow": packed.how, "tokens_read": packed.tokens_read, "tokens_given": given}
