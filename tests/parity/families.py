"""Tiny models of every text family: what transformers is asked to build, and the weights that both sides use.

A golden holds a model's config.json, the names and shapes of its tensors, and what transformers computed; the
weights are drawn anew from their names, so that a golden is a few kilobytes.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

VOCAB, WIDTH, LENGTH, WINDOW = 64, 32, 45, 8
PLACEHOLDER = 60  # id of an image's tokens, where the model is asked by ids
FIRST, SOFT = 13, 11  # the tokens of an image: longer than the window

_TEXT: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
}
_GEMMA3: dict[str, Any] = _TEXT | {
    "num_hidden_layers": 8,
    "sliding_window": WINDOW,
    "query_pre_attn_scalar": 24,
    "rope_parameters": {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1_000_000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
    },
}
_GEMMA4: dict[str, Any] = _TEXT | {
    "head_dim": 8,
    "global_head_dim": 16,
    "sliding_window": WINDOW,
    "final_logit_softcapping": 3.0,
    "hidden_size_per_layer_input": 0,
}
_LARGE: dict[str, Any] = _GEMMA4 | {
    "num_hidden_layers": 6,
    "layer_types": ["sliding_attention", "sliding_attention", "full_attention"] * 2,
    "attention_k_eq_v": True,
    "num_global_key_value_heads": 1,
    "use_bidirectional_attention": "vision",
}
_SMALL: dict[str, Any] = _GEMMA4 | {
    "hidden_size_per_layer_input": 8,
    "vocab_size_per_layer_input": VOCAB,
}
_EXPERTS: dict[str, Any] = {
    "enable_moe_block": True,
    "num_experts": 6,
    "top_k_experts": 2,
    "moe_intermediate_size": 16,
}
_SIGLIP: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
    "vision_use_head": False,
}
_AXIAL: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "position_embedding_size": 16,
}

# The model's type and its configuration; those with an image have SOFT tokens of one at FIRST.
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", _TEXT | {"num_hidden_layers": 2, "rms_norm_eps": 1e-5}),
    "qwen2": (
        "qwen2",
        {key: value for key, value in _TEXT.items() if key != "head_dim"}
        | {"num_hidden_layers": 2, "tie_word_embeddings": True},
    ),
    "gemma1": ("gemma", _TEXT | {"num_hidden_layers": 2, "num_key_value_heads": 1}),
    "gemma2": (
        "gemma2",
        _TEXT
        | {
            "num_hidden_layers": 3,
            "sliding_window": WINDOW,
            "query_pre_attn_scalar": 24,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 3.0,
        },
    ),
    "gemma3-image": (
        "gemma3",
        {"text_config": _GEMMA3, "vision_config": _SIGLIP, "mm_tokens_per_image": 4},
    ),
    "gemma4-e": (
        "gemma4_text",
        _SMALL
        | {
            "num_hidden_layers": 12,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention"] * 4,
            "num_kv_shared_layers": 6,
            "use_double_wide_mlp": True,
        },
    ),
    # Six to a pattern, as transformers fills it in; the last layer is made global.
    "gemma4-e-image": (
        "gemma4",
        {
            "text_config": _SMALL | {"num_hidden_layers": 10, "num_kv_shared_layers": 3},
            "vision_config": _AXIAL,
            "audio_config": None,
            "image_token_id": PLACEHOLDER,
            "video_token_id": PLACEHOLDER + 1,
            "audio_token_id": PLACEHOLDER + 2,
        },
    ),
    "gemma4-image": (
        "gemma4",
        {
            "text_config": _LARGE | _EXPERTS,
            "vision_config": _AXIAL,
            "audio_config": None,
            "image_token_id": PLACEHOLDER,
            "video_token_id": PLACEHOLDER + 1,
            "audio_token_id": PLACEHOLDER + 2,
        },
    ),
    "gemma4-unified": (
        "gemma4_unified_text",
        {key: value for key, value in _LARGE.items() if not key.startswith("hidden_size_per_layer")},
    ),
}
WITH_IMAGE = tuple(name for name in FAMILIES if name.endswith("-image"))


def ids(name: str) -> np.ndarray:
    """int32 [T], a text; an image's tokens are placeholders."""
    drawn = np.random.default_rng(zlib.crc32(name.encode())).integers(1, PLACEHOLDER, LENGTH)
    if name in WITH_IMAGE:
        drawn[FIRST : FIRST + SOFT] = PLACEHOLDER
    return drawn.astype(np.int32)


def soft() -> np.ndarray:
    """f32 [n, D], the embeddings of an image's tokens."""
    return np.random.default_rng(5).standard_normal((SOFT, WIDTH)).astype(np.float32)


def weights(shapes: dict[str, list[int]], *, norms_from_one: bool) -> dict[str, np.ndarray]:
    """Every tensor by its name, f32: factors near one, matrices that neither fade nor grow."""

    def draw(name: str, shape: list[int]) -> np.ndarray:
        values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
        if "norm" in name.rsplit(".", 2)[-2]:
            values = 0.2 * values + (0 if norms_from_one else 1)
        elif "scal" in name or name.endswith((".input_max", ".output_max")):
            values = 0.2 * values + 1
        elif len(shape) > 1:
            values *= 1.5 * shape[-1] ** -0.5
        return values.astype(np.float32)

    return {name: draw(name, shape) for name, shape in sorted(shapes.items())}


def write(folder: Path, config: str, tensors: dict[str, np.ndarray]) -> Path:
    """A checkpoint as transformers lays it out."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [at, at + tensor.nbytes],
        }
        at += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(np.ascontiguousarray(tensor).tobytes() for tensor in tensors.values())
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    (folder / "config.json").write_text(config)
    return folder
