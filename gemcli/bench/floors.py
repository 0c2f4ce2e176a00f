"""The work that a model cannot do without: arithmetic for a prompt, bytes read for a token."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.config import ModelConfig


def prompt_flops(config: ModelConfig, tokens: int) -> int:
    """Floating-point operations of a prompt's matrix products, a multiplication and an addition being two.

    Attention counts what its masks let through.  The output projection counts once, and so do layers that
    remember nothing: a prompt needs the logits of its last token alone.
    """
    total = 2 * config.vocab * config.width
    for spec in config.layers:
        attention = spec.attention
        last_alone = attention is not None and attention.source is not None
        total += 2 * spec.products(config.width) * (1 if last_alone else tokens)
        if attention is not None:
            window = min(attention.window or tokens, tokens)
            seen = window * (window + 1) // 2 + (tokens - window) * window
            of_last = min(attention.window or tokens, tokens)
            total += 4 * attention.heads * attention.head_dim * (of_last if last_alone else seen)
    if config.per_layer:
        total += 2 * config.per_layer.products(config.width) * len(config.layers) * tokens
    return total


def decode_bytes(config: ModelConfig, weights_bytes: int, context: int) -> int:
    """Bytes that one token must read: the weights once, and the keys and values, of 16 bits, of all it sees.

    Args:
        config: the model.
        weights_bytes: from `weights_bytes`.
        context: tokens before it.
    """
    return weights_bytes + config.kv_bytes(context)


def weights_bytes(path: Path, config: ModelConfig) -> int:
    """Bytes of a GGUF file's tensors that every token reads: not those of an embedding that is no output.

    Raises:
        FormatError: it is no sound GGUF file.
    """
    from model.formats.gguf import open_gguf

    with open_gguf(path) as file:
        read = sum(info.nbytes for info in file.tensors.values())
        return read if config.tied else read - file.tensors["token_embd.weight"].nbytes
