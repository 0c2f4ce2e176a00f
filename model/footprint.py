"""How much memory a model takes, from its architecture alone: no weights, and no array library."""

from __future__ import annotations

from typing import Literal

from model.config import ModelConfig
from model.engine.plan import LARGEST, slots

Kind = Literal["bf16", "int8", "int4"]

# Bits a weight: 32 weights share one f16 scale, and at 4 bits an f16 minimum as well.
_BITS: dict[Kind, float] = {"bf16": 16.0, "int8": 8.5, "int4": 5.0}

WORKSPACE = 500_000_000
"""Bytes set aside for what is computed on the way: a chunk's activations, logits and programs."""


def tables(config: ModelConfig) -> int:
    """Number of weights that are looked up by row: the embedding, and the layers' own inputs."""
    own = config.per_layer
    return config.vocab * config.width + (own.vocab * own.width * len(config.layers) if own else 0)


def weights_bytes(config: ModelConfig, kind: Kind) -> int:
    """Bytes of all weights once they are so rounded; tables are never rounded below 8 bits.

    Vectors, less than a thousandth of all, count as if they were rounded too.
    """
    looked_up = tables(config)
    bits = looked_up * max(_BITS[kind], _BITS["int8"]) + (config.parameters - looked_up) * _BITS[kind]
    return round(bits / 8)


def kv_bytes_per_token(config: ModelConfig, bits: int = 16) -> int:
    """Bytes that one more token takes in a long context, where all rings are full.

    Args:
        config: the model.
        bits: of a cached key or value; what scales these take is not counted.
    """
    far = 2 * config.reach + 2
    taken = [config.kv_bytes(count, bytes_per_value=bits // 8) for count in (far - 1, far)]
    return taken[1] - taken[0]


def fixed_bytes(config: ModelConfig, bits: int = 16) -> int:
    """Bytes of what does not grow with a long context: full rings, and the states of recurrences."""
    far = 2 * config.reach + 2
    return config.kv_bytes(far, bytes_per_value=bits // 8) - far * kv_bytes_per_token(config, bits)


def cache_bytes(config: ModelConfig, tokens: int, bits: int = 16) -> int:
    """Bytes of the cache that is allocated for a context of so many tokens."""
    return fixed_bytes(config, bits) + kv_bytes_per_token(config, bits) * slots(tokens)


def longest(config: ModelConfig, room: int, bits: int = 16) -> int:
    """Tokens of the largest context whose cache fits in `room` bytes, as it is allocated; 0 where none does.

    The model's window is the most.  A cache has a power of two of slots, so the answer is one, or the window.
    """
    best, tokens = 0, min(slots(1) - LARGEST, config.context)
    while cache_bytes(config, tokens, bits) <= room:
        best = tokens
        if tokens == config.context:
            break
        tokens = min(2 * tokens, config.context)
    return best
