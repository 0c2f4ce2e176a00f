"""The work that a model cannot do without: arithmetic for a prompt, bytes read for a token."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.config import ModelConfig


def prompt_flops(config: ModelConfig, tokens: int) -> int:
    """Floating-point operations of a prompt's matrix products, a multiplication and an addition being two.

    Attention counts what its masks let through.  The output projection counts once: a prompt needs the logits
    of its last token alone.
    """
    total = 2 * config.vocab * config.width
    for spec in config.layers:
        heads = spec.heads * spec.head_dim
        weights = config.width * ((spec.heads + 2 * spec.kv_heads) * spec.head_dim + 3 * spec.ffw)
        weights += heads * config.width
        window = min(spec.window or tokens, tokens)
        seen = window * (window + 1) // 2 + (tokens - window) * window
        total += 2 * weights * tokens + 4 * heads * seen
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
