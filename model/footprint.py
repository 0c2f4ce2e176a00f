"""How much memory a model takes, from its architecture alone: no weights, and no array library."""

from __future__ import annotations

from typing import Literal

from model.config import AttentionSpec, ModelConfig, RecurrentSpec
from model.engine.plan import ANSWER_ROOM, LARGEST, slots

Kind = Literal["bf16", "int8", "int4"]

# Bits a weight: 32 weights share one f16 scale, and at 4 bits an f16 minimum as well.
_BITS: dict[Kind, float] = {"bf16": 16.0, "int8": 8.5, "int4": 5.0}

SCALE_BYTES = 4
"""Of the scales behind every row of 8 bits, see `model.cache.layer.encode`."""

_PROGRAM = 345_000_000
_A_WORD = 1000


def workspace(config: ModelConfig) -> int:
    """Bytes beside weights and cache: the libraries, programs, a chunk's activations, and the vocabulary.

    Measured: with it the resident memory of five models and contexts is at its peak within 10 % of what is
    foreseen (README, "Numbers"), once weights are laid out and programs kept.  The first start takes more.
    """
    return _PROGRAM + _A_WORD * config.vocab


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
        bits: of a cached key or value; at 8 every head's row has scales of four bytes.
    """
    return sum(_row_bytes(mixer, bits) for mixer in _keeping(config) if mixer.window is None)


def fixed_bytes(config: ModelConfig, bits: int = 16) -> int:
    """Bytes of what does not grow with a long context: full rings, and the states of recurrences."""
    rings = sum(_row_bytes(mixer, bits) * mixer.window for mixer in _keeping(config) if mixer.window)
    states = [each.mixer for each in config.layers if isinstance(each.mixer, RecurrentSpec)]
    return rings + sum(4 * mixer.conv * mixer.width for mixer in states)


def cache_bytes(config: ModelConfig, tokens: int, bits: int = 16) -> int:
    """Bytes of the cache that is allocated for a context of so many tokens."""
    return fixed_bytes(config, bits) + kv_bytes_per_token(config, bits) * slots(tokens)


def answering_bytes(config: ModelConfig, prompt: int, longest: int, bits: int = 16) -> int:
    """Bytes of the cache that is allocated for a prompt of so many tokens.

    Args:
        config: the model.
        prompt: its tokens.
        longest: tokens of its answer at most.
        bits: of a cached key or value.
    """
    return cache_bytes(config, prompt + min(longest, ANSWER_ROOM), bits)


def longest(config: ModelConfig, room: int, bits: int = 16) -> int:
    """Tokens of the largest context whose cache fits in `room` bytes, as it is allocated; 0 where none does.

    The model's window is the most.  Slots come in steps, so the answer is what one of them holds.
    """
    best, tokens = 0, min(slots(1) - LARGEST, config.context)
    while cache_bytes(config, tokens, bits) <= room:
        best = tokens
        if tokens == config.context:
            break
        tokens = min(slots(tokens + 1) - LARGEST, config.context)
    return best


def _keeping(config: ModelConfig) -> list[AttentionSpec]:
    """What the layers are that hold keys and values of their own."""
    mixers = [each.attention for each in config.layers]
    return [mixer for mixer in mixers if mixer is not None and mixer.source is None]


def _row_bytes(mixer: AttentionSpec, bits: int) -> int:
    """Bytes of one token's keys and values."""
    scale = SCALE_BYTES if bits == 8 else 0
    return 2 * mixer.kv_heads * (mixer.head_dim * bits // 8 + scale)
