"""Llama-like decoders: pre-norm, SiLU-gated MLP, full attention (SmolLM2, Qwen2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.arch.frame import Frame, frame_from_hf, rope_from_hf
from model.arch.keys import Keys
from model.arch.section import Section
from model.config import AttentionSpec, LayerSpec, ModelConfig, RopeSpec
from model.errors import UnsupportedModelError

_LLAMA = {
    "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
    "max_position_embeddings": 2048, "tie_word_embeddings": False,
}  # fmt: skip
_QWEN2 = _LLAMA | {
    "intermediate_size": 22016, "num_key_value_heads": 32, "max_position_embeddings": 32768,
}  # fmt: skip


def llama_gguf(keys: Keys) -> ModelConfig:
    """Llama and its kin, e.g. SmolLM2."""
    if "rope_freqs.weight" in keys.tensors:
        raise UnsupportedModelError("per-frequency RoPE factors (Llama 3.1 and later) are not supported")
    if "blk.0.ffn_gate_inp.weight" in keys.tensors:
        raise UnsupportedModelError("mixture-of-experts Llama models are not supported")
    frame = keys.frame(kv_heads=None, head_dim=None)
    return _decoder(frame, keys.rope(10_000.0), adjacent_pairs=True)


def qwen2_gguf(keys: Keys) -> ModelConfig:
    """Qwen2 and Qwen2.5: Llama with biases on q, k and v."""
    return _decoder(keys.frame(kv_heads=None, head_dim=None), keys.rope(10_000.0), qkv_bias=True)


def llama_hf(config: Section, tensors: Mapping[str, Any]) -> ModelConfig:
    """Llama and its kin, from transformers."""
    config.must_be("attention_bias", False)
    config.must_be("mlp_bias", False)
    config.must_be("hidden_act", "silu")
    return _decoder(frame_from_hf(config, tensors, "llama", _LLAMA), rope_from_hf(config, 10_000.0))


def qwen2_hf(config: Section, tensors: Mapping[str, Any]) -> ModelConfig:
    """Qwen2 and Qwen2.5, from transformers."""
    config.must_be("use_sliding_window", False)
    config.must_be("hidden_act", "silu")
    frame = frame_from_hf(config, tensors, "qwen2", _QWEN2)
    return _decoder(frame, rope_from_hf(config, 10_000.0), qkv_bias=True)


def _decoder(
    frame: Frame, rope: RopeSpec, *, qkv_bias: bool = False, adjacent_pairs: bool = False
) -> ModelConfig:
    mixer = AttentionSpec(
        heads=frame.heads,
        kv_heads=frame.kv_heads,
        head_dim=frame.head_dim,
        rope=rope,
        query_scale=frame.head_dim**-0.5,
        qkv_bias=qkv_bias,
    )
    return frame.model((LayerSpec(mixer, frame.ffw),) * frame.count, adjacent_pairs=adjacent_pairs)
