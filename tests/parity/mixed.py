"""Tiny models with senses, asked about pictures, frames and sounds between words.

A golden holds a model's config.json, the names and shapes of its tensors and the reference's logits; weights
are drawn from the tensors' names.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import hearing
import numpy as np
import seeing

WIDTH, WINDOW = 24, 8
AUDIO = 54

_TEXT: dict[str, Any] = {
    "hidden_size": WIDTH,
    "intermediate_size": 32,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "vocab_size": 64,
    "pad_token_id": 0,
    "sliding_window": WINDOW,
    "max_position_embeddings": 2048,
}
_GEMMA4: dict[str, Any] = _TEXT | {
    "global_head_dim": 16,
    "num_global_key_value_heads": 1,
    "vocab_size_per_layer_input": 64,
    "hidden_size_per_layer_input": 0,
    "final_logit_softcapping": 3.0,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "num_hidden_layers": 4,
}
_EARS = {"audio_token_id": AUDIO, "boa_token_id": 55, "eoa_token_id": 56}

CONFIGS: dict[str, dict[str, Any]] = {
    "gemma3": seeing.CONFIGS["gemma3"]
    | {"text_config": _TEXT | {"model_type": "gemma3_text", "num_hidden_layers": 6}},
    "gemma4-e": seeing.CONFIGS["gemma4-clipped"]
    | _EARS
    | {
        "text_config": _GEMMA4
        | {"model_type": "gemma4_text", "hidden_size_per_layer_input": 8, "num_kv_shared_layers": 2},
        "audio_config": hearing.CONFIG["audio_config"],
    },
    "gemma4-large": seeing.CONFIGS["gemma4-standardized"]
    | {
        "text_config": _GEMMA4
        | {
            "model_type": "gemma4_text",
            "attention_k_eq_v": True,
            "use_bidirectional_attention": "vision",
            "enable_moe_block": True,
            "num_experts": 6,
            "top_k_experts": 2,
            "moe_intermediate_size": 16,
        }
    },
    "gemma4-unified": seeing.CONFIGS["gemma4-unified"]
    | _EARS
    | {
        "text_config": {
            key: value for key, value in _GEMMA4.items() if not key.startswith("hidden_size_per_layer")
        }
        | {
            "model_type": "gemma4_unified_text",
            "attention_k_eq_v": True,
            "use_bidirectional_attention": "vision",
        },
        "audio_config": hearing.UNIFIED["audio_config"],
    },
}

Piece = tuple[str, Any]

_PICTURES: list[Piece] = [
    ("text", 5),
    ("image", seeing.picture(90, 31)),
    ("text", 12),
    ("image", seeing.picture(17, 64, 1)),
    ("text", 3),
]
_FRAMES: list[Piece] = [
    ("frame", seeing.picture(48, 27, 2)),
    ("text", 2),
    ("frame", seeing.picture(48, 27, 3)),
]
_SOUNDS: list[Piece] = [
    ("text", 4),
    ("sound", hearing.sound(7_777)),
    ("text", 9),
    ("sound", hearing.sound(16_001, 1)),
]
_END: list[Piece] = [("text", 14)]

PROMPTS: dict[str, list[Piece]] = {
    "gemma3": _PICTURES + _END,
    "gemma4-e": _PICTURES + _FRAMES + _SOUNDS + _END,
    "gemma4-large": _PICTURES + _FRAMES + _END,
    "gemma4-unified": _PICTURES + _FRAMES + _SOUNDS + _END,
}
"""Pictures of odd aspect, two frames of a video, and two sounds, as far as the model has the sense."""


def norms_from_one(name: str) -> bool:
    """Whether the model's norms are stored as what they differ from 1 by."""
    return name == "gemma3"


def ids(
    name: str, count: Callable[[Piece], int], seed: int = 0
) -> tuple[np.ndarray, list[tuple[int, int, Piece]]]:
    """The prompt int32 [T] with placeholders, and (begin, end, piece) of what takes their places.

    Args:
        name: of the model.
        count: soft tokens of a piece.
        seed: of the words.
    """
    draw = np.random.default_rng(zlib.crc32(name.encode()) + seed)
    places = {"image": 52, "frame": 53, "sound": AUDIO}
    text: list[int] = []
    soft = []
    for kind, value in PROMPTS[name]:
        if kind == "text":
            text += draw.integers(1, 50, value).tolist()
            continue
        size = count((kind, value))
        soft.append((len(text), len(text) + size, (kind, value)))
        text += [places[kind]] * size
    return np.asarray(text, np.int32), soft


def weights(shapes: dict[str, list[int]], *, from_one: bool) -> dict[str, np.ndarray]:
    """Every tensor by its name, f32."""
    return {name: _drawn(name, tuple(shape), from_one) for name, shape in sorted(shapes.items())}


def _drawn(name: str, shape: tuple[int, ...], from_one: bool) -> np.ndarray:
    if "audio" in name:
        return hearing.drawn(name, shape)
    if any(part in name for part in ("vision", "multi_modal_projector")):
        return seeing.values(name, shape)
    values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if "norm" in name.rsplit(".", 2)[-2]:
        values = 0.2 * values + (0 if from_one else 1)
    elif "scal" in name:
        values = 0.2 * values + 1
    elif len(shape) > 1:
        values *= 1.5 * shape[-1] ** -0.5
    return values.astype(np.float32)
