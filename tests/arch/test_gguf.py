"""Metadata become the architecture they describe; damaged or foreign ones are refused by name."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import tiny

from model.arch.gguf import check_rope_factors, config_from_gguf
from model.config import ExpertsSpec, ModelConfig, RopeSpec
from model.errors import FormatError, UnsupportedModelError


class Shape:
    """As much of a tensor as the architecture looks at."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape


def described(config: ModelConfig, **changes: Any) -> tuple[dict[str, Any], dict[str, Shape]]:
    """Metadata and tensors of a configuration; changes by the key's last words, None to leave it out."""
    metadata = tiny.metadata_of(config)
    for name, value in changes.items():
        key = f"{config.architecture}.{name.replace('__', '.')}"
        metadata[key] = value
        if value is None:
            del metadata[key]
    return metadata, dict(tensors_of(config))


@cache
def tensors_of(config: ModelConfig) -> dict[str, Shape]:
    written = tiny.tensors_of(config, tiny.random_params(config))
    return {name: Shape(*weight.shape) for name, weight in written.items()}


LLAMA = tiny.llama(adjacent_pairs=True)
GEMMA4_E = tiny.gemma4(7, 3, inputs=8)


@pytest.mark.parametrize(
    "config",
    [
        LLAMA,
        tiny.qwen(),
        tiny.gemma(7),
        tiny.gemma(8, tied=False),
        tiny.gemma1(),
        tiny.gemma2(),
        GEMMA4_E,
        tiny.gemma4(6, experts=ExpertsSpec(6, 2, 16), tied_values=True),
    ],
    ids=["llama", "qwen2", "gemma3", "untied", "gemma", "gemma2", "gemma4 E", "gemma4 A"],
)
def test_a_configuration_survives_its_own_metadata(config: ModelConfig) -> None:
    assert config_from_gguf(*described(config)) == config


def test_llama_defaults() -> None:
    changes = dict.fromkeys(["attention__key_length", "attention__head_count_kv", "rope__freq_base"])
    (spec, *_) = config_from_gguf(*described(LLAMA, **changes)).layers
    mixer = tiny.attention_of(spec)
    assert mixer.head_dim == LLAMA.width // mixer.heads
    assert mixer.kv_heads == mixer.heads
    assert mixer.rope == RopeSpec(10_000.0)


def test_linear_scaling_divides_positions() -> None:
    scaled = {"rope__scaling__type": "linear", "rope__scaling__factor": 4.0}
    (spec, *_) = config_from_gguf(*described(LLAMA, **scaled)).layers
    assert tiny.attention_of(spec).rope.factor == 4.0
    gemma = config_from_gguf(*described(tiny.gemma(6), **scaled))
    assert [tiny.attention_of(layer).rope.factor for layer in gemma.layers] == [1, 1, 1, 1, 1, 4], (
        "sliding layers are never scaled"
    )


def test_a_factor_without_a_kind_of_scaling_is_ignored() -> None:
    (spec, *_) = config_from_gguf(*described(LLAMA, rope__scaling__factor=4.0)).layers
    assert tiny.attention_of(spec).rope.factor == 1.0


def test_gemma_sliding_base_may_be_given() -> None:
    config = config_from_gguf(*described(tiny.gemma(6), rope__freq_base_swa=50_000.0))
    assert tiny.attention_of(config.layers[0]).rope.theta == 50_000.0
    assert tiny.attention_of(config.layers[5]).rope.theta == 1_000_000.0


@pytest.mark.parametrize("name", ["mamba", "gemma3n", None, 7, ["llama"]])
def test_an_unknown_architecture_is_named_and_the_known_ones_listed(name: Any) -> None:
    metadata, tensors = described(LLAMA)
    with pytest.raises(UnsupportedModelError, match="gemma, gemma2, gemma3, gemma4, llama, qwen2") as caught:
        config_from_gguf(metadata | {"general.architecture": name}, tensors)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    "config", [LLAMA, tiny.qwen(), tiny.gemma(7)], ids=lambda config: config.architecture
)
@pytest.mark.parametrize(
    "key",
    ["block_count", "context_length", "embedding_length", "feed_forward_length", "attention__head_count",
     "attention__layer_norm_rms_epsilon"],
)  # fmt: skip
@pytest.mark.parametrize("value", [None, 0, -1, "8", 1.5, True, float("nan"), float("inf")], ids=repr)
def test_damaged_keys(config: ModelConfig, key: str, value: Any) -> None:
    if key.endswith("epsilon") and value == 1.5:
        value = "1e-6"
    with pytest.raises(FormatError, match=key.rpartition("__")[2]):
        config_from_gguf(*described(config, **{key: value}))


@pytest.mark.parametrize(
    "key", ["attention__sliding_window", "attention__key_length", "attention__head_count_kv"]
)
def test_gemma_needs_more(key: str) -> None:
    with pytest.raises(FormatError, match=key.rpartition("__")[2]):
        config_from_gguf(*described(tiny.gemma(6), **{key: None}))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"attention__head_count_kv": 3}, "head_count_kv"),
        ({"attention__head_count_kv": 8}, "head_count_kv"),
        ({"attention__key_length": 7}, "key_length"),
        ({"block_count": 4_000_000_000}, "block_count"),
    ],
    ids=str,
)
@pytest.mark.parametrize("config", [LLAMA, tiny.gemma(3)], ids=lambda config: config.architecture)
def test_numbers_that_do_not_fit_together(config: ModelConfig, changes: dict[str, int], named: str) -> None:
    with pytest.raises(FormatError, match=named):
        config_from_gguf(*described(config, **changes))


@pytest.mark.parametrize("config", [LLAMA, tiny.gemma(6)], ids=lambda config: config.architecture)
@pytest.mark.parametrize("kind", ["yarn", "longrope"])
def test_other_rope_scaling_is_not_supported(config: ModelConfig, kind: str) -> None:
    with pytest.raises(UnsupportedModelError, match=kind):
        config_from_gguf(*described(config, rope__scaling__type=kind))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"attention__sliding_window_pattern": None}, "sliding_window_pattern"),
        ({"attention__sliding_window_pattern": [True] * 3}, "sliding_window_pattern"),
        ({"attention__sliding_window_pattern": [True] * 9 + [False]}, "both kinds"),
        ({"attention__sliding_window_pattern": "yes"}, "sliding_window_pattern"),
        ({"attention__shared_kv_layers": 10}, "10 of 10 layers"),
        ({"attention__shared_kv_layers": 9}, "9 of 10 layers"),
        ({"attention__shared_kv_layers": -1}, "shared_kv_layers"),
        ({"attention__head_count_kv": [2] * 9}, "head_count_kv"),
        ({"attention__head_count_kv": [2, 0] * 5}, "head_count_kv"),
        ({"attention__head_count_kv": 3}, "head_count_kv"),
        ({"attention__key_length": 15}, "15: RoPE"),
        ({"attention__key_length_swa": None}, "key_length_swa"),
        ({"embedding_length_per_layer_input": "8"}, "per_layer_input"),
        ({"expert_count": 4}, "expert_used_count"),
    ],
    ids=str,
)
def test_damaged_gemma_4(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(FormatError, match=named):
        config_from_gguf(*described(GEMMA4_E, **changes))


def test_gemma_4_may_state_one_number_for_all_layers() -> None:
    config = tiny.gemma4()
    same = {"attention__head_count_kv": 2, "feed_forward_length": 32}
    assert config_from_gguf(*described(config, **same)) == config


@pytest.mark.parametrize("key", ["attention__head_count", "feed_forward_length", "attention__head_count_kv"])
def test_values_for_every_layer_are_not_supported(key: str) -> None:
    with pytest.raises(UnsupportedModelError, match="layer to layer"):
        config_from_gguf(*described(LLAMA, **{key: [4, 4, 4]}))


def test_partial_rotation_is_not_supported() -> None:
    with pytest.raises(UnsupportedModelError, match="dimension_count"):
        config_from_gguf(*described(LLAMA, rope__dimension_count=4))
    assert config_from_gguf(*described(LLAMA, rope__dimension_count=8)) == LLAMA


@pytest.mark.parametrize("tensor", ["rope_freqs.weight", "blk.0.ffn_gate_inp.weight"])
def test_variants_of_llama_that_would_be_wrong_silently(tensor: str) -> None:
    metadata, tensors = described(LLAMA)
    with pytest.raises(UnsupportedModelError):
        config_from_gguf(metadata, tensors | {tensor: Shape(4)})


def test_a_file_without_an_embedding() -> None:
    metadata, _ = described(LLAMA)
    with pytest.raises(FormatError, match=r"token_embd\.weight"):
        config_from_gguf(metadata, {"blk.0.attn_q.weight": Shape(1), "a": Shape(1), "b": Shape(1)})


def test_the_factors_that_a_file_may_hold() -> None:
    right = np.array([1.0] * 2 + [1e30] * 6, np.float32)
    check_rope_factors(GEMMA4_E, right)
    check_rope_factors(LLAMA, right)
    for wrong in (right[::-1], right[1:], np.ones(8, np.float32), right * 2, right[:4]):
        with pytest.raises(UnsupportedModelError, match="2 times 1 and 6 times 1e30"):
            check_rope_factors(GEMMA4_E, wrong)
