"""Llama-like decoders: pre-norm, SiLU-gated MLP, full attention (SmolLM2, Qwen2)."""

from __future__ import annotations

from model.arch.keys import Keys
from model.config import LayerSpec, ModelConfig, RopeSpec
from model.errors import UnsupportedModelError


def llama(keys: Keys) -> ModelConfig:
    """Llama and its kin, e.g. SmolLM2."""
    if "rope_freqs.weight" in keys.tensors:
        raise UnsupportedModelError("per-frequency RoPE factors (Llama 3.1 and later) are not supported")
    if "blk.0.ffn_gate_inp.weight" in keys.tensors:
        raise UnsupportedModelError("mixture-of-experts Llama models are not supported")
    return _decoder(keys, qkv_bias=False, adjacent_pairs=True)


def qwen2(keys: Keys) -> ModelConfig:
    """Qwen2 and Qwen2.5: Llama with biases on q, k and v."""
    return _decoder(keys, qkv_bias=True, adjacent_pairs=False)


def _decoder(keys: Keys, *, qkv_bias: bool, adjacent_pairs: bool) -> ModelConfig:
    scaling = keys.text("rope.scaling.type", "none")
    if scaling not in ("none", "linear"):
        raise UnsupportedModelError(f"RoPE scaling of type {scaling!r} is not supported")
    width, heads = keys.integer("embedding_length"), keys.integer("attention.head_count")
    head_dim = keys.head_dim(width // heads)
    spec = LayerSpec(
        heads=heads,
        kv_heads=keys.kv_heads(heads, heads),
        head_dim=head_dim,
        ffw=keys.integer("feed_forward_length"),
        rope=RopeSpec(
            keys.number("rope.freq_base", 10_000.0),
            keys.number("rope.scaling.factor", 1.0) if scaling == "linear" else 1.0,
        ),
        query_scale=head_dim**-0.5,
        qkv_bias=qkv_bias,
    )
    return ModelConfig(
        architecture=keys.architecture,
        width=width,
        vocab=keys.vocab(),
        context=keys.integer("context_length"),
        layers=(spec,) * keys.layers(),
        norm_eps=keys.number("attention.layer_norm_rms_epsilon"),
        tied="output.weight" not in keys.tensors,
        adjacent_pairs=adjacent_pairs,
    )
