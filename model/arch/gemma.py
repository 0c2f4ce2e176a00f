"""The Gemma family.  Gemma 3: five sliding layers to one global, norms on both sides, norms on q and k."""

from __future__ import annotations

from dataclasses import replace

from model.arch.keys import Keys
from model.config import LayerSpec, ModelConfig, RopeSpec
from model.errors import UnsupportedModelError

_PATTERN = 6  # every sixth layer is global (transformers, modeling_gemma3.py); the last need not be
_LAYERS_OF_27B = 62


def gemma3(keys: Keys) -> ModelConfig:
    """Gemma 3 text model, 270M to 27B (arXiv 2503.19786)."""
    width, heads = keys.integer("embedding_length"), keys.integer("attention.head_count")
    head_dim, count = keys.head_dim(), keys.layers()
    scaling = keys.text("rope.scaling.type", "none")
    if scaling not in ("none", "linear"):
        raise UnsupportedModelError(f"RoPE scaling of type {scaling!r} is not supported")
    factor = keys.number("rope.scaling.factor", 1.0) if scaling == "linear" else 1.0
    everywhere = LayerSpec(
        heads=heads,
        kv_heads=keys.kv_heads(heads),
        head_dim=head_dim,
        ffw=keys.integer("feed_forward_length"),
        rope=RopeSpec(keys.number("rope.freq_base", 1_000_000.0), factor),
        # The 27B alone scales by its width per head instead of by the head's own size.
        query_scale=(width / heads) ** -0.5 if count == _LAYERS_OF_27B else head_dim**-0.5,
        qk_norm=True,
        post_norms=True,
        activation="gelu_tanh",
    )
    # Scaling for long contexts is the global layers' alone: a sliding layer never sees far.
    sliding = replace(
        everywhere,
        rope=RopeSpec(keys.number("rope.freq_base_swa", 10_000.0)),
        window=keys.integer("attention.sliding_window"),
    )
    return ModelConfig(
        architecture=keys.architecture,
        width=width,
        vocab=keys.vocab(),
        context=keys.integer("context_length"),
        layers=tuple(everywhere if (i + 1) % _PATTERN == 0 else sliding for i in range(count)),
        norm_eps=keys.number("attention.layer_norm_rms_epsilon"),
        embed_scale=width**0.5,
        tied="output.weight" not in keys.tensors,
    )
