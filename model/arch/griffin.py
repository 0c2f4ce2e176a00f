"""RecurrentGemma (Griffin, arXiv 2402.19427; 2404.07839): two recurrent layers to one of sliding attention.

It comes from Hugging Face alone: llama.cpp has no name for this architecture.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

from model.arch.frame import frame_from_hf, rope_from_hf, rounded
from model.arch.section import Section
from model.config import AttentionSpec, LayerSpec, ModelConfig, RecurrentSpec
from model.errors import FormatError

_BLOCKS = ["recurrent", "recurrent", "attention"]
_DEFAULTS = {
    "hidden_size": 2560,
    "num_attention_heads": 10,
    "num_hidden_layers": 26,
    "intermediate_size": 3 * 2560,
    "max_position_embeddings": 8192,  # what it was trained on; its memory is the same at any length
    "tie_word_embeddings": True,
}


def recurrent_gemma(text: Section, tensors: Mapping[str, Any]) -> ModelConfig:
    """RecurrentGemma 2B and 9B, as transformers describes them (configuration_recurrent_gemma.py).

    Args:
        text: its config.json.
        tensors: the checkpoint's tensors by name, each with a `.shape` and a `.dtype`.

    Raises:
        UnsupportedModelError: a variant that we do not run.
        FormatError: a number is nonsense or does not fit another.
    """
    frame = frame_from_hf(text, tensors, "recurrent_gemma", _DEFAULTS)
    text.must_be("hidden_activation", "gelu_pytorch_tanh")
    if text.has("rope_parameters"):
        text.within("rope_parameters").must_be("rope_type", "default")
    kinds = text.words("block_types") or _BLOCKS
    if unknown := set(kinds) - set(_BLOCKS):
        raise FormatError(f"config.json: block_types names {', '.join(sorted(unknown))}")
    width = text.integer("lru_width", frame.width)
    if width % frame.heads or frame.ffw % 2:
        raise FormatError(
            f"config.json: lru_width {width} should be a multiple of num_attention_heads {frame.heads}, and "
            f"intermediate_size {frame.ffw} even"
        )
    mixers = {
        "recurrent": RecurrentSpec(width, frame.heads, text.integer("conv1d_width", 4)),
        "attention": AttentionSpec(
            heads=frame.heads,
            kv_heads=frame.kv_heads,
            head_dim=frame.head_dim,
            rope=rope_from_hf(text, 10_000.0, rotated=0.5),
            query_scale=frame.head_dim**-0.5,
            window=text.integer("attention_window_size", 2048),
            qkv_bias=text.flag("attention_bias"),
            out_bias=True,
        ),
    }
    return frame.model(
        tuple(
            LayerSpec(
                mixer=mixers[kinds[index % len(kinds)]],
                ffw=frame.ffw // 2,  # transformers counts gate and up together
                activation="gelu_tanh",
                mlp_bias=True,
            )
            for index in range(frame.count)
        ),
        embed_scale=rounded(sqrt(frame.width), "BF16"),  # whatever the weights' own type
        final_softcap=text.number("logits_soft_cap", 30.0),
    )
