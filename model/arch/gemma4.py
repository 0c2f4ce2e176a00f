"""Gemma 4: what its GGUF keys and its config.json say, and how it is read.

Global layers have heads of another size than sliding ones, of which a quarter turns; values are normed, and
scores are not scaled.  The small models give every layer inputs of its own and let late layers read the keys
and values of earlier ones; the large ones have no value projection in global layers, and images whose tokens
see one another in sliding ones; one of them has experts (transformers, modeling_gemma4.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from model.arch.frame import Frame, every, frame_from_hf, rope_from_hf
from model.arch.gemma import sliding_from_hf
from model.arch.keys import Keys
from model.arch.section import Section
from model.config import AttentionSpec, ExpertsSpec, LayerSpec, ModelConfig, PerLayerSpec, RopeSpec
from model.errors import FormatError, UnsupportedModelError

_DEFAULTS = {
    "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 30, "num_attention_heads": 8,
    "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 131_072,
    "tie_word_embeddings": True,
}  # fmt: skip
_UNIFIED = _DEFAULTS | {"max_position_embeddings": 262_144}
_ROTATED = 0.25  # of a global layer's head


@dataclass(frozen=True, slots=True)
class _Variant:
    """What tells the models of the family apart.

    Attributes:
        sliding: which layers are.
        window, kv_heads, head_dim: W of the sliding layers; K and H of the global ones.
        rope, sliding_rope: of global and sliding layers.
        tied_values: global layers have no value projection.
        shared: how many of the last layers read the keys and values of earlier ones.
        ffw: F of each layer.
        media: tokens of an image see one another in sliding layers.
        scaled: layers have a factor on their result.
        final_softcap, experts, per_layer: see `model.config`.
    """

    sliding: list[bool]
    window: int
    kv_heads: int
    head_dim: int
    rope: RopeSpec
    sliding_rope: RopeSpec
    tied_values: bool
    shared: int
    ffw: list[int]
    media: bool
    scaled: bool
    final_softcap: float | None
    experts: ExpertsSpec | None
    per_layer: PerLayerSpec | None


def gemma4_gguf(keys: Keys) -> ModelConfig:
    """Gemma 4, all sizes."""
    frame = keys.frame(several=True)
    count = frame.count
    sliding = keys.flags("attention.sliding_window_pattern", count)
    kv_heads = keys.integers("attention.head_count_kv", count)
    shared = keys.count_or_none("attention.shared_kv_layers")
    first_global = sliding.index(False) if False in sliding else 0
    table = "per_layer_token_embd.weight"
    per_layer = keys.count_or_none("embedding_length_per_layer_input")
    experts = keys.count_or_none("expert_count")
    rope = keys.rope(1_000_000.0)
    return _model(
        replace(frame, kv_heads=kv_heads[sliding.index(True) if True in sliding else 0]),
        _Variant(
            sliding=sliding,
            window=keys.integer("attention.sliding_window"),
            kv_heads=kv_heads[first_global],
            head_dim=keys.integer("attention.key_length"),
            # The file's factors of the frequencies, in `rope_freqs.weight`, say the same.
            rope=replace(rope, rotated=_ROTATED, proportional=True),
            sliding_rope=keys.rope(10_000.0, base="rope.freq_base_swa", scaled=False),
            tied_values=f"blk.{first_global}.attn_v.weight" not in keys.tensors,
            shared=shared,
            ffw=keys.integers("feed_forward_length", count),
            # Files do not say it; the models that have it are those without inputs of the layers' own.
            media=not per_layer,
            scaled="blk.0.layer_output_scale.weight" in keys.tensors,
            final_softcap=(
                keys.number("final_logit_softcapping") if keys.has("final_logit_softcapping") else None
            ),
            experts=(
                ExpertsSpec(
                    experts, keys.integer("expert_used_count"), keys.integer("expert_feed_forward_length")
                )
                if experts
                else None
            ),
            per_layer=PerLayerSpec(per_layer, keys.tensor_shape(table)[0]) if per_layer else None,
        ),
    )


def gemma4_hf(config: Section, tensors: Mapping[str, Any]) -> ModelConfig:
    """Gemma 4, from transformers: a text model alone, or that of a model with senses."""
    text = config.within("text_config") if config.has("text_config") else config
    text.must_be("hidden_activation", "gelu_pytorch_tanh")
    text.must_be("attention_bias", False)
    kind = text.choice("model_type", "gemma4_text", "gemma4", "gemma4_unified_text", "gemma4_unified")
    unified = kind.startswith("gemma4_unified")
    default = "vision" if unified else None
    sight = text.choice_or_none("use_bidirectional_attention", "vision", default=default)
    frame = frame_from_hf(text, tensors, "gemma4", _UNIFIED if unified else _DEFAULTS)
    sliding = sliding_from_hf(text, every(6, frame.count))
    sliding[-1] = False  # configuration_gemma4.py: the last layer is global whatever is written
    tied_values = text.flag("attention_k_eq_v")
    head_dim, kv_heads = _of_global_layers(text, frame, sliding, tied_values)
    shared = text.count("num_kv_shared_layers")
    wide = 2 if text.flag("use_double_wide_mlp") else 1
    per_layer = 0 if unified else text.count("hidden_size_per_layer_input", 256)
    return _model(
        frame,
        _Variant(
            sliding=sliding,
            window=text.integer("sliding_window", 1024 if unified else 512),
            kv_heads=kv_heads,
            head_dim=head_dim,
            rope=_global_rope(text),
            sliding_rope=rope_from_hf(text, 10_000.0, layers="sliding_attention"),
            tied_values=tied_values,
            shared=shared,
            ffw=[frame.ffw * (wide if index >= frame.count - shared else 1) for index in range(frame.count)],
            media=sight == "vision",
            scaled=True,
            final_softcap=text.number_or_none("final_logit_softcapping"),
            experts=(
                ExpertsSpec(
                    text.integer("num_experts"),
                    text.integer("top_k_experts"),
                    text.integer("moe_intermediate_size"),
                )
                if text.flag("enable_moe_block")
                else None
            ),
            per_layer=(
                PerLayerSpec(
                    per_layer, text.integer("vocab_size_per_layer_input", 262_144), text.count("pad_token_id")
                )
                if per_layer
                else None
            ),
        ),
    )


def _global_rope(text: Section) -> RopeSpec:
    if text.has("rope_parameters"):
        return rope_from_hf(text, 1_000_000.0, layers="full_attention")
    return RopeSpec(1_000_000.0, rotated=_ROTATED, proportional=True)


def _of_global_layers(text: Section, frame: Frame, sliding: list[bool], tied_values: bool) -> tuple[int, int]:
    """H and K of the global layers: stated for all of them, or layer by layer.

    Raises:
        UnsupportedModelError: layers differ in more than that, or global ones from one another.
        FormatError: what is stated is nonsense.
    """
    if not text.has("per_layer_config"):
        kv_heads = text.integer("num_global_key_value_heads", frame.kv_heads)
        return text.integer("global_head_dim", 512), kv_heads if tied_values else frame.kv_heads
    stated: dict[int, Section] = {}
    for index, value in text.within("per_layer_config").sections():
        if not index.isdecimal():
            raise FormatError(f"config.json: per_layer_config should be of numbered layers, not {index!r}")
        stated[int(index)] = value
    own = {"head_dim": frame.head_dim, "num_key_value_heads": frame.kv_heads}
    found = {
        tuple(stated[index].integer(key, own[key]) if index in stated else own[key] for key in own)
        for index, slides in enumerate(sliding)
        if not slides
    }
    other = [index for index in stated if index >= len(sliding) or sliding[index]]
    if len(found) != 1 or other or any(set(part.keys()) - set(own) for part in stated.values()):
        raise UnsupportedModelError("config.json: per_layer_config is not one that Gemma 4 was released with")
    head_dim, kv_heads = found.pop()
    return head_dim, kv_heads


def _model(frame: Frame, variant: _Variant) -> ModelConfig:
    count = frame.count
    own = count - variant.shared
    if not 0 < own <= count or set(variant.sliding[:own]) != set(variant.sliding):
        raise FormatError(
            f"{variant.shared} of {count} layers cannot read the keys and values of the others, among which "
            "there are not both kinds"
        )
    for heads in (frame.kv_heads, variant.kv_heads):
        if frame.heads % heads:
            raise FormatError(f"{heads} key and value heads do not divide {frame.heads} heads")
    if variant.head_dim % 2 or frame.head_dim % 2:
        raise FormatError(f"heads of {frame.head_dim} and {variant.head_dim}: RoPE needs pairs")

    def layer(index: int) -> LayerSpec:
        slides = variant.sliding[index]
        mixer = AttentionSpec(
            heads=frame.heads,
            kv_heads=frame.kv_heads if slides else variant.kv_heads,
            head_dim=frame.head_dim if slides else variant.head_dim,
            rope=variant.sliding_rope if slides else variant.rope,
            query_scale=1.0,
            window=variant.window if slides else None,
            qk_norm=True,
            v_norm=True,
            tied_values=variant.tied_values and not slides,
            # The last layer of its kind that has some.
            source=(max(at for at in range(own) if variant.sliding[at] == slides) if index >= own else None),
            media=variant.media and slides,
        )
        return LayerSpec(
            mixer,
            variant.ffw[index],
            "gelu_tanh",
            post_norms=True,
            experts=variant.experts,
            scaled=variant.scaled,
        )

    return frame.model(
        tuple(layer(index) for index in range(count)),
        embed_scale=frame.root,
        final_softcap=variant.final_softcap,
        per_layer=variant.per_layer,
    )
