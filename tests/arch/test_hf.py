"""config.json becomes the architecture that it describes, in new and old words; the foreign is named."""

from __future__ import annotations

from typing import Any

import pytest
import tiny

from model.arch.frame import rounded
from model.arch.hf import config_from_hf
from model.config import AttentionSpec, ExpertsSpec, ModelConfig, PerLayerSpec, RopeSpec
from model.errors import FormatError, UnsupportedModelError


class Tensor:
    """As much of a tensor as the architecture looks at."""

    def __init__(self, *shape: int, dtype: str = "BF16") -> None:
        self.shape = shape
        self.dtype = dtype


def tensors(dtype: str = "BF16", prefix: str = "model.") -> dict[str, Tensor]:
    found = {f"{prefix}layers.{index}.input_layernorm.weight": Tensor(32) for index in range(24)}
    return found | {f"{prefix}embed_tokens.weight": Tensor(tiny.VOCAB, 32, dtype=dtype)}


TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 7,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
}
GEMMA3 = TEXT | {"model_type": "gemma3_text", "query_pre_attn_scalar": 16, "sliding_window": tiny.WINDOW}
GEMMA4 = {
    **TEXT,
    "model_type": "gemma4_text",
    "head_dim": 8,
    "intermediate_size": 32,
    "global_head_dim": 16,
    "sliding_window": tiny.WINDOW,
    "layer_types": ["sliding_attention", "sliding_attention", "full_attention"] * 2,
    "num_hidden_layers": 6,
    "hidden_size_per_layer_input": 0,
    "final_logit_softcapping": 3.0,
}
SCALE = rounded(32**0.5, "BF16")


def config(described: dict[str, Any], **changes: Any) -> ModelConfig:
    return config_from_hf(described | changes, tensors())


def mixers(found: ModelConfig) -> list[AttentionSpec]:
    return [tiny.attention_of(spec) for spec in found.layers]


def test_llama() -> None:
    llama = TEXT | {"model_type": "llama", "num_hidden_layers": 3, "head_dim": 8, "intermediate_size": 64}
    want = tiny.llama(tied=False)
    assert config(llama, rms_norm_eps=1e-5) == want
    assert config(llama, rms_norm_eps=1e-5, head_dim=None) == want
    assert config(llama, rms_norm_eps=1e-5, tie_word_embeddings=True) == tiny.llama()
    assert {mixer.kv_heads for mixer in mixers(config(llama, num_key_value_heads=None))} == {4}


def test_qwen2() -> None:
    qwen = TEXT | {"model_type": "qwen2", "num_hidden_layers": 2, "intermediate_size": 64, "head_dim": None}
    assert config(qwen, rope_theta=1e6) == tiny.qwen()
    assert config(qwen, rope_parameters={"rope_type": "default", "rope_theta": 1e6}) == tiny.qwen()


def test_gemma_1() -> None:
    gemma = TEXT | {"model_type": "gemma", "head_dim": 8, "intermediate_size": 64}
    gemma |= {"num_hidden_layers": 2, "num_key_value_heads": 1}
    for act in ({"hidden_act": "gelu"}, {"hidden_act": "gelu_pytorch_tanh"}, {"hidden_activation": None}):
        assert config(gemma | act) == tiny.gemma1(embed_scale=SCALE)


def test_gemma_2() -> None:
    gemma = TEXT | {"model_type": "gemma2", "num_hidden_layers": 3, "query_pre_attn_scalar": 16}
    gemma |= {"sliding_window": tiny.WINDOW, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3}
    assert config(gemma) == tiny.gemma2(embed_scale=SCALE)
    without = config(gemma, attn_logit_softcapping=None, final_logit_softcapping=None)
    assert without.final_softcap is None
    assert {mixer.softcap for mixer in mixers(without)} == {None}
    given = [key for key in gemma if "softcapping" not in key]
    default = config({key: gemma[key] for key in given})
    assert default.final_softcap == 30
    assert {mixer.softcap for mixer in mixers(default)} == {50}


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_scaling": {"rope_type": "linear", "factor": 8.0}},
        {"rope_scaling": {"type": "linear", "factor": 8.0}, "rope_theta": 1e6, "rope_local_base_freq": 1e4},
        {
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                "sliding_attention": {"rope_type": "default", "rope_theta": 10_000},
            }
        },
    ],
    ids=["as released", "old", "new"],
)
def test_gemma_3(rope: dict[str, Any]) -> None:
    want = tiny.gemma(7, embed_scale=SCALE)
    assert config(GEMMA3 | rope) == want
    wrapped = {"model_type": "gemma3", "text_config": GEMMA3 | rope, "vision_config": {}}
    assert config_from_hf(wrapped, tensors(prefix="language_model.model.")) == want


def test_gemma_3_pattern() -> None:
    found = mixers(config(GEMMA3, sliding_window_pattern=3))
    assert [mixer.window is None for mixer in found] == [False, False, True, False, False, True, False]
    kinds = ["full_attention"] * 2 + ["sliding_attention"] * 5
    found = mixers(config(GEMMA3, layer_types=kinds))
    assert [mixer.window is None for mixer in found] == [True, True, *[False] * 5]


def test_gemma_3_as_released_says_little() -> None:
    """The 4B's text configuration has these values and no more."""
    said = {"hidden_size": 2560, "intermediate_size": 10_240, "num_hidden_layers": 34, "sliding_window": 1024}
    said |= {"model_type": "gemma3_text", "rope_scaling": {"factor": 8.0, "rope_type": "linear"}}
    names = {f"layers.{index}": Tensor(1) for index in range(34)}
    names["language_model.model.embed_tokens.weight"] = Tensor(262_208, 2560)
    found = config_from_hf({"model_type": "gemma3", "text_config": said}, names)
    mixer = mixers(found)[5]
    assert (mixer.heads, mixer.kv_heads, mixer.head_dim, mixer.query_scale) == (8, 4, 256, 1 / 16)
    assert mixer.rope == RopeSpec(1e6, 8.0)
    assert (found.vocab, found.context, found.tied, found.embed_scale) == (262_208, 131_072, True, 50.5)


def test_gemma_4() -> None:
    assert config(GEMMA4, use_bidirectional_attention="vision") == tiny.gemma4(embed_scale=SCALE)
    blind = config(GEMMA4)
    assert not any(mixer.media for mixer in mixers(blind))
    rope = {
        "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
    assert config(GEMMA4, rope_parameters=rope) == blind
    assert config_from_hf({"model_type": "gemma4", "text_config": GEMMA4}, tensors()) == blind


def test_gemma_4_of_large_models() -> None:
    large = {"attention_k_eq_v": True, "enable_moe_block": True, "num_experts": 6, "top_k_experts": 2}
    large |= {"moe_intermediate_size": 16, "use_bidirectional_attention": "vision"}
    want = tiny.gemma4(experts=ExpertsSpec(6, 2, 16), tied_values=True, embed_scale=SCALE)
    assert config(GEMMA4 | large, num_global_key_value_heads=1) == want
    by_layer = {str(index): {"head_dim": 16, "num_key_value_heads": 1} for index in (2, 5)}
    saved = {key: value for key, value in GEMMA4.items() if key != "global_head_dim"}
    assert config(saved | large, per_layer_config=by_layer) == want


def test_heads_of_global_layers_are_fewer_only_with_tied_values() -> None:
    """configuration_gemma4.py: `attention_k_eq_v` decides whether the number is looked at."""
    assert {mixer.kv_heads for mixer in mixers(config(GEMMA4, num_global_key_value_heads=1))} == {2}


def test_gemma_4_of_small_models() -> None:
    small = GEMMA4 | {"num_kv_shared_layers": 6, "use_double_wide_mlp": True, "num_hidden_layers": 12}
    small |= {"hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": tiny.VOCAB}
    small["layer_types"] = ["sliding_attention", "sliding_attention", "full_attention"] * 4
    assert config(small) == tiny.gemma4(6, 6, inputs=8, embed_scale=SCALE)
    default = {key: value for key, value in small.items() if "per_layer" not in key}
    assert config(default).per_layer == PerLayerSpec(256, 262_144)


def test_gemma_4_unified_has_no_inputs_of_layers_and_sees() -> None:
    unified = {key: value for key, value in GEMMA4.items() if "per_layer" not in key}
    found = config(unified, model_type="gemma4_unified_text")
    assert found.per_layer is None
    assert [mixer.media for mixer in mixers(found)] == [True, True, False] * 2


def test_the_last_layer_of_gemma_4_is_global_whatever_is_written() -> None:
    assert (
        mixers(config(GEMMA4, layer_types=["full_attention"] * 3 + ["sliding_attention"] * 3))[5].window
        is None
    )


@pytest.mark.parametrize(
    ("dtype", "scale"), [("BF16", 5.65625), ("F16", 5.65625), ("F32", 32**0.5), ("F64", 32**0.5)]
)
def test_the_embeddings_scale_is_rounded_to_its_type(dtype: str, scale: float) -> None:
    assert config_from_hf(GEMMA3, tensors(dtype)).embed_scale == scale


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (1.0, 1.0),
        (25.298221281347036, 25.25),
        (50.59644256269407, 50.5),
        (1.00390625, 1.0),
        (1.01171875, 1.015625),
    ],
)
def test_bf16_rounds_to_even(value: float, result: float) -> None:
    assert rounded(value, "BF16") == result


@pytest.mark.parametrize("name", ["mamba", "gemma3n", None, 7, ["llama"]])
def test_an_unknown_type_is_named_and_the_known_ones_listed(name: Any) -> None:
    with pytest.raises(UnsupportedModelError, match=r"gemma, gemma2, gemma3, .* llama, qwen2") as caught:
        config(TEXT, model_type=name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    ("described", "changes", "named"),
    [
        (GEMMA3, {"attention_bias": True}, "attention_bias"),
        (GEMMA3, {"use_bidirectional_attention": True}, "bidirectional"),
        (GEMMA3, {"hidden_activation": "silu"}, "hidden_activation"),
        (GEMMA3, {"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}, "yarn"),
        (GEMMA3, {"layer_types": ["linear_attention"] * 7}, "layer_types"),
        (GEMMA3, {"layer_types": ["full_attention"] * 3}, "layer_types"),
        (GEMMA4, {"use_bidirectional_attention": "all"}, "bidirectional"),
        (GEMMA4, {"per_layer_config": {"0": {"head_dim": 4}}}, "per_layer_config"),
        (GEMMA4, {"per_layer_config": {"2": {"head_dim": 16}}}, "per_layer_config"),
        (GEMMA4, {"per_layer_config": {"2": {"skip": 1}, "5": {}}}, "per_layer_config"),
        (TEXT | {"model_type": "llama"}, {"mlp_bias": True}, "mlp_bias"),
        (TEXT | {"model_type": "llama"}, {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "llama3"),
        (TEXT | {"model_type": "qwen2"}, {"use_sliding_window": True}, "use_sliding_window"),
    ],
    ids=str,
)
def test_variants_that_we_do_not_run(described: dict[str, Any], changes: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedModelError, match=named):
        config(described, **changes)


@pytest.mark.parametrize(
    ("described", "changes", "named"),
    [
        (GEMMA3, {"hidden_size": "32"}, "hidden_size"),
        (GEMMA3, {"num_attention_heads": 0}, "num_attention_heads"),
        (GEMMA3, {"num_key_value_heads": 3}, "do not divide"),
        (GEMMA3, {"head_dim": 7}, "head_dim"),
        (GEMMA3, {"num_hidden_layers": 4_000_000_000}, "num_hidden_layers"),
        (GEMMA3, {"rms_norm_eps": float("nan")}, "rms_norm_eps"),
        (GEMMA3, {"layer_types": "full"}, "layer_types"),
        (GEMMA3, {"rope_parameters": [1]}, "rope_parameters"),
        (GEMMA4, {"global_head_dim": 15}, "15: RoPE"),
        (GEMMA4, {"num_kv_shared_layers": 6}, "6 of 6 layers"),
        (GEMMA4, {"num_kv_shared_layers": 4}, "both kinds"),
        (GEMMA4, {"num_kv_shared_layers": -1}, "num_kv_shared_layers"),
        (GEMMA4, {"enable_moe_block": True}, "num_experts"),
        (GEMMA4, {"per_layer_config": {"x": {}}}, "per_layer_config"),
        (GEMMA4, {"per_layer_config": {"2": 1}}, "per_layer_config"),
    ],
    ids=str,
)
def test_damaged(described: dict[str, Any], changes: dict[str, Any], named: str) -> None:
    with pytest.raises(FormatError, match=named):
        config(described, **changes)


def test_a_checkpoint_without_an_embedding() -> None:
    with pytest.raises(FormatError, match=r"embed_tokens\.weight"):
        config_from_hf(GEMMA3, {str(index): Tensor(1) for index in range(20)})


def test_weights_that_another_program_quantized_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="quantized by 'zorp'"):
        config(GEMMA4, model_type="gemma4_text", quantization_config={"quant_method": "zorp"})
