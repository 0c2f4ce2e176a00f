"""Gemma 1 to 3: what their GGUF keys and their config.json say, and how it is read.

Gemma 1 is a pre-norm decoder with one kind of layer (arXiv 2403.08295).  Gemma 2 adds norms behind attention
and MLP, soft caps, and a sliding window in every other layer (2408.00118).  Gemma 3 has norms on queries and
keys instead of caps, five sliding layers to one global, and images whose tokens see one another (2503.19786).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from model.arch.frame import Frame, every, frame_from_hf, rope_from_hf
from model.arch.keys import Keys
from model.arch.section import Section
from model.config import AttentionSpec, LayerSpec, ModelConfig, RopeSpec
from model.errors import UnsupportedModelError

_GEMMA1 = {
    "hidden_size": 3072, "intermediate_size": 24576, "num_hidden_layers": 28, "num_attention_heads": 16,
    "num_key_value_heads": 16, "head_dim": 256, "max_position_embeddings": 8192, "tie_word_embeddings": True,
}  # fmt: skip
_GEMMA2 = {
    "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
    "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 8192, "tie_word_embeddings": True,
}  # fmt: skip
_GEMMA3 = _GEMMA2 | {"max_position_embeddings": 131_072}

# The largest of both generations alone scale by their width per head instead of by the head's own size;
# GGUF files do not say so, and llama.cpp tells them by their number of layers, too.
_LAYERS_OF_27B = {"gemma2": 46, "gemma3": 62}


def gemma1_gguf(keys: Keys) -> ModelConfig:
    """Gemma 1."""
    return _gemma1(keys.frame(), keys.rope(10_000.0))


def gemma1_hf(config: Section, tensors: Mapping[str, Any]) -> ModelConfig:
    """Gemma 1, from transformers.

    Its early files say ``gelu`` where they mean the approximation (configuration_gemma.py).
    """
    config.must_be("hidden_act", "gelu", "gelu_pytorch_tanh")
    config.must_be("hidden_activation", "gelu_pytorch_tanh")
    _must_be_plain(config)
    return _gemma1(frame_from_hf(config, tensors, "gemma", _GEMMA1), rope_from_hf(config, 10_000.0))


def gemma2_gguf(keys: Keys) -> ModelConfig:
    """Gemma 2."""
    frame = keys.frame()
    return _gemma2(
        frame,
        keys.rope(10_000.0),
        query_scale=_query_scale(frame),
        window=keys.integer("attention.sliding_window", 4096),
        sliding=every(2, frame.count),
        softcap=keys.number("attn_logit_softcapping", 50.0),
        final_softcap=keys.number("final_logit_softcapping", 30.0),
    )


def gemma2_hf(config: Section, tensors: Mapping[str, Any]) -> ModelConfig:
    """Gemma 2, from transformers."""
    config.must_be("hidden_activation", "gelu_pytorch_tanh")
    _must_be_plain(config)
    frame = frame_from_hf(config, tensors, "gemma2", _GEMMA2)
    return _gemma2(
        frame,
        rope_from_hf(config, 10_000.0),
        query_scale=config.number("query_pre_attn_scalar", 256) ** -0.5,
        window=config.integer("sliding_window", 4096),
        sliding=sliding_from_hf(config, every(2, frame.count)),
        softcap=config.number_or_none("attn_logit_softcapping", 50.0),
        final_softcap=config.number_or_none("final_logit_softcapping", 30.0),
    )


def gemma3_gguf(keys: Keys) -> ModelConfig:
    """Gemma 3, 270M to 27B."""
    frame = keys.frame()
    return _gemma3(
        frame,
        keys.rope(1_000_000.0),
        # Scaling for long contexts is the global layers' alone: a sliding layer never sees far.
        keys.rope(10_000.0, base="rope.freq_base_swa", scaled=False),
        query_scale=_query_scale(frame),
        window=keys.integer("attention.sliding_window"),
        sliding=every(6, frame.count),
    )


def gemma3_hf(config: Section, tensors: Mapping[str, Any]) -> ModelConfig:
    """Gemma 3, from transformers: a text model alone, or that of a model with sight."""
    text = config.within("text_config") if config.has("text_config") else config
    text.must_be("hidden_activation", "gelu_pytorch_tanh")
    _must_be_plain(text)
    frame = frame_from_hf(text, tensors, "gemma3", _GEMMA3)
    return _gemma3(
        frame,
        rope_from_hf(text, 1_000_000.0, layers="full_attention"),
        rope_from_hf(
            text, 10_000.0, layers="sliding_attention", old_theta="rope_local_base_freq", scaled=False
        ),
        query_scale=text.number("query_pre_attn_scalar", 256) ** -0.5,
        window=text.integer("sliding_window", 4096),
        sliding=sliding_from_hf(text, every(text.integer("sliding_window_pattern", 6), frame.count)),
        softcap=text.number_or_none("attn_logit_softcapping"),
        final_softcap=text.number_or_none("final_logit_softcapping"),
    )


def sliding_from_hf(text: Section, default: list[bool]) -> list[bool]:
    """Which layers are sliding.

    Raises:
        UnsupportedModelError: there are layers of another kind, or more or fewer than there should be.
    """
    kinds = text.words("layer_types")
    if kinds is None:
        return default
    known = {"sliding_attention": True, "full_attention": False}
    if len(kinds) != len(default) or any(kind not in known for kind in kinds):
        raise UnsupportedModelError(f"config.json: layer_types = {kinds!r} is not supported")
    return [known[kind] for kind in kinds]


def _must_be_plain(text: Section) -> None:
    text.must_be("attention_bias", False)
    text.must_be("use_bidirectional_attention", False)


def _query_scale(frame: Frame) -> float:
    of_27b = frame.count == _LAYERS_OF_27B[frame.architecture]
    return (frame.width / frame.heads if of_27b else frame.head_dim) ** -0.5


def _gemma1(frame: Frame, rope: RopeSpec) -> ModelConfig:
    spec = LayerSpec(_attention(frame, rope, frame.head_dim**-0.5), frame.ffw, "gelu_tanh")
    return frame.model((spec,) * frame.count, embed_scale=frame.root)


def _gemma2(
    frame: Frame,
    rope: RopeSpec,
    *,
    query_scale: float,
    window: int,
    sliding: Sequence[bool],
    softcap: float | None,
    final_softcap: float | None,
) -> ModelConfig:
    everywhere = replace(_attention(frame, rope, query_scale), softcap=softcap)
    layers = _in_order(frame, everywhere, replace(everywhere, window=window), sliding)
    return frame.model(layers, embed_scale=frame.root, final_softcap=final_softcap)


def _gemma3(
    frame: Frame,
    rope: RopeSpec,
    sliding_rope: RopeSpec,
    *,
    query_scale: float,
    window: int,
    sliding: Sequence[bool],
    softcap: float | None = None,
    final_softcap: float | None = None,
) -> ModelConfig:
    everywhere = replace(_attention(frame, rope, query_scale), softcap=softcap, qk_norm=True, media=True)
    layers = _in_order(frame, everywhere, replace(everywhere, rope=sliding_rope, window=window), sliding)
    return frame.model(layers, embed_scale=frame.root, final_softcap=final_softcap)


def _attention(frame: Frame, rope: RopeSpec, query_scale: float) -> AttentionSpec:
    return AttentionSpec(frame.heads, frame.kv_heads, frame.head_dim, rope, query_scale)


def _in_order(
    frame: Frame, everywhere: AttentionSpec, near: AttentionSpec, sliding: Sequence[bool]
) -> tuple[LayerSpec, ...]:
    return tuple(
        LayerSpec(near if slides else everywhere, frame.ffw, "gelu_tanh", post_norms=True)
        for slides in sliding
    )
