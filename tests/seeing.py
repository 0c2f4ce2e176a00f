"""Tiny models that see, their weights from nothing but their names, pictures, and mmproj files of them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import checkpoints
import gguf
import numpy as np
from checkpoints import InMemory

GOLDEN = Path(__file__).parent / "parity" / "golden"

_TEXT = {
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "vocab_size": 64,
    "vocab_size_per_layer_input": 64,
    "hidden_size_per_layer_input": 0,
    "sliding_window": 8,
    "layer_types": ["full_attention"],
}
_TOKENS = {"boi_token_id": 50, "eoi_token_id": 51, "image_token_id": 52, "video_token_id": 53}
_AXIAL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 8,
    "patch_size": 4,
    "position_embedding_size": 256,
}

CONFIGS: dict[str, dict[str, Any]] = {
    "gemma3": {
        "model_type": "gemma3",
        "text_config": _TEXT | {"model_type": "gemma3_text"},
        "vision_config": {
            "model_type": "siglip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 24,
            "patch_size": 4,
            "vision_use_head": False,
        },
        "mm_tokens_per_image": 9,
        "boi_token_index": 50,
        "eoi_token_index": 51,
        "image_token_index": 52,
    },
    "gemma4-clipped": {
        "model_type": "gemma4",
        "text_config": _TEXT | {"model_type": "gemma4_text"},
        "vision_config": _AXIAL | {"model_type": "gemma4_vision", "use_clipped_linears": True},
        "audio_config": None,
        **_TOKENS,
    },
    "gemma4-standardized": {
        "model_type": "gemma4",
        "text_config": _TEXT | {"model_type": "gemma4_text"},
        "vision_config": _AXIAL | {"model_type": "gemma4_vision", "standardize": True},
        "audio_config": None,
        **_TOKENS,
    },
    "gemma4-unified": {
        "model_type": "gemma4_unified",
        "text_config": _TEXT | {"model_type": "gemma4_unified_text"},
        "vision_config": {
            "model_type": "gemma4_unified_vision",
            "patch_size": 4,
            "mm_embed_dim": 32,
            "mm_posemb_size": 128,
            "output_proj_dims": 32,
        },
        "audio_config": None,
        **_TOKENS,
    },
}
"""config.json of a tiny model of every encoder; transformers builds it, and so do we."""

# What of the released config.json files matters here.
SIGLIP: dict[str, Any] = {
    "model_type": "gemma3",
    "boi_token_index": 255999,
    "eoi_token_index": 256000,
    "image_token_index": 262144,
    "mm_tokens_per_image": 256,
    "text_config": {"hidden_size": 2560},
    "vision_config": {
        "hidden_size": 1152,
        "image_size": 896,
        "intermediate_size": 4304,
        "model_type": "siglip_vision_model",
        "num_attention_heads": 16,
        "num_hidden_layers": 27,
        "patch_size": 14,
        "vision_use_head": False,
    },
}
SMALL: dict[str, Any] = {
    "model_type": "gemma4",
    "text_config": {"hidden_size": 2560},
    "vision_config": {"use_clipped_linears": True, "rope_parameters": {"rope_theta": 100.0}},
}
LARGE: dict[str, Any] = {
    "model_type": "gemma4",
    "text_config": {"hidden_size": 5376},
    "vision_config": {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "head_dim": 72,
        "standardize": True,
    },
}
UNIFIED: dict[str, Any] = {
    "model_type": "gemma4_unified",
    "text_config": {"hidden_size": 3840},
    "vision_config": {},
}

NAMES = tuple(CONFIGS)
BUDGET = 70


def budget(name: str) -> int | None:
    """The budget that the tests use; None for the model that has none."""
    return None if name == "gemma3" else BUDGET


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Waves of all colours and some noise: uint8 [H, W, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(width, height)
    waves = [np.sin(x * a + y * b + c) for a, b, c in rng.uniform(-20, 20, (3, 3))]
    noise = rng.normal(0, 0.1, (height, width, 3))
    return np.clip(127.5 + 100 * (np.stack(waves, -1) + noise), 0, 255).astype(np.uint8)


def values(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Random f32 weights of a tensor with this name in a Hugging Face checkpoint, the same everywhere."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    drawn = rng.standard_normal(shape)
    last = name.rsplit(".", 2)[-2:]
    if name.endswith(("_min", "_max")):
        found = (1 if name.endswith("max") else -1) * (0.5 + np.abs(drawn))
    elif name.endswith("std_scale"):
        found = 0.5 + np.abs(drawn)
    elif name.endswith("std_bias"):
        found = 3 * drawn
    elif "mm_soft_emb_norm" in name:
        found = 0.2 * drawn
    elif len(shape) == 1 and last[-1] == "weight":
        found = 1 + 0.2 * drawn
    elif len(shape) == 1:
        found = 0.2 * drawn
    elif "position" in name or "pos_embedding" in name:
        found = 0.5 * drawn
    else:
        found = 1.5 * drawn / np.sqrt(np.prod(shape[1:]))
    return np.asarray(found, np.float32)


def checkpoint(name: str) -> InMemory:
    """A tiny model's vision tensors under the names that transformers saves them by."""
    with np.load(GOLDEN / f"vision-{name}.npz") as golden:
        shapes = dict(zip(golden["names"].tolist(), golden["shapes"].tolist(), strict=True))
    return InMemory(
        {tensor: values(tensor, tuple(map(int, shape.split()))) for tensor, shape in shapes.items()}
    )


# --- mmproj, as conversion/gemma.py of llama.cpp writes it --------------------------------------------------

_LAYER = {
    "layer_norm1": "ln1",
    "layer_norm2": "ln2",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
    "self_attn.out_proj": "attn_out",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_out",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "input_layernorm": "ln1",
    "post_attention_layernorm": "attn_post_norm",
    "pre_feedforward_layernorm": "ln2",
    "post_feedforward_layernorm": "ffn_post_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_TOP = {
    "embeddings.patch_embedding.weight": "v.patch_embd.weight",
    "embeddings.patch_embedding.bias": "v.patch_embd.bias",
    "embeddings.position_embedding.weight": "v.position_embd.weight",
    "post_layernorm.weight": "v.post_ln.weight",
    "post_layernorm.bias": "v.post_ln.bias",
    "mm_input_projection_weight": "mm.input_projection.weight",
    "mm_soft_emb_norm.weight": "mm.soft_emb_norm.weight",
    "patch_embedder.input_proj.weight": "v.patch_embd.weight",
    "patch_embedder.position_embedding_table": "v.position_embd.weight",
    "std_bias": "v.std_bias",
    "std_scale": "v.std_scale",
    "embedding_projection.weight": "mm.input_projection.weight",
    "patch_dense.weight": "v.patch_embd.weight",
    "patch_dense.bias": "v.patch_embd.bias",
    "patch_ln1.weight": "v.patch_norm.1.weight",
    "patch_ln1.bias": "v.patch_norm.1.bias",
    "patch_ln2.weight": "v.patch_norm.2.weight",
    "patch_ln2.bias": "v.patch_norm.2.bias",
    "pos_norm.weight": "v.patch_norm.3.weight",
    "pos_norm.bias": "v.patch_norm.3.bias",
    "pos_embedding": "v.position_embd.weight",
}


def mmproj_tensors(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors of a Hugging Face checkpoint as the converter names and turns them."""
    found = {}
    for name, array in tensors.items():
        if ".layers." in name:
            index, _, rest = name.partition(".layers.")[2].partition(".")
            stem, _, part = rest.replace(".linear.", ".").rpartition(".")
            # A number alone becomes an array of one.
            found[f"v.blk.{index}.{_LAYER[stem]}.{part}"] = np.atleast_1d(array)
            continue
        new = next(new for old, new in _TOP.items() if name.endswith(old))
        if name.endswith("mm_soft_emb_norm.weight"):
            array = array + np.float32(1)
        elif name.endswith("patch_embedder.input_proj.weight"):
            side = round((array.shape[1] / 3) ** 0.5)
            array = array.reshape(-1, side, side, 3).transpose(0, 3, 1, 2)
        elif name.endswith("pos_embedding"):
            array = array.transpose(1, 0, 2)
        elif "patch_dense.weight" in name or "patch_ln1" in name:
            side = round((array.shape[-1] / 3) ** 0.5)
            place = np.arange(array.shape[-1])
            colour, row, column = place // side**2, place % side**2 // side, place % side
            array = array[..., row * side * 3 + column * 3 + colour]
        found[new] = np.ascontiguousarray(array)
    return found


def mmproj_metadata(name: str) -> dict[str, Any]:
    """The keys of a tiny model's mmproj file."""
    vision = CONFIGS[name]["vision_config"]
    keys: dict[str, Any] = {
        "general.architecture": "clip",
        "clip.has_vision_encoder": True,
        "clip.vision.projection_dim": _TEXT["hidden_size"],
        "clip.vision.patch_size": vision["patch_size"],
        "clip.vision.image_size": vision.get("image_size", 224),
        "clip.vision.embedding_length": vision.get("hidden_size", vision.get("mm_embed_dim")),
        "clip.vision.feed_forward_length": vision.get("intermediate_size", 0),
        "clip.vision.block_count": vision.get("num_hidden_layers", 0),
        "clip.vision.attention.head_count": vision.get("num_attention_heads", 0),
        "clip.vision.attention.layer_norm_epsilon": 1e-6,
    }
    if name == "gemma3":
        return keys | {"clip.projector_type": "gemma3", "clip.vision.projector.scale_factor": 2}
    kind = "gemma4uv" if name == "gemma4-unified" else "gemma4v"
    return keys | {"clip.vision.projector_type": kind}


def write_mmproj(
    path: Path,
    name: str,
    tensors: Mapping[str, np.ndarray],
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
) -> Path:
    """The mmproj file of a tiny model whose Hugging Face tensors are these."""
    return write(path, mmproj_metadata(name), mmproj_tensors(tensors), kind)


def write(
    path: Path,
    metadata: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
) -> Path:
    """A GGUF file, in which matrices whose rows are whole blocks are of this type, and all else f32."""
    return checkpoints.write_gguf(
        path,
        metadata,
        {
            name: checkpoints.packed(array, kind) if can_be(array, kind) else array
            for name, array in tensors.items()
        },
    )


def can_be(array: np.ndarray, kind: gguf.GGMLQuantizationType) -> bool:
    """Whether `write` stores it in this type."""
    block, _ = gguf.GGML_QUANT_SIZES[kind]
    return kind != gguf.GGMLQuantizationType.F32 and array.ndim == 2 and array.shape[1] % block == 0
