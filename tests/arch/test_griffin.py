"""RecurrentGemma's config.json → the architecture: the released sizes, both ways to write it, bad ones."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import jax
import pytest

from model.arch.griffin import recurrent_gemma
from model.arch.section import Section
from model.cache.state import init_state
from model.config import AttentionSpec, ModelConfig, RecurrentSpec, RopeSpec
from model.errors import FormatError, UnsupportedModelError
from model.weights.params import ArrayInfo, abstract

SMALL: dict[str, Any] = {
    "model_type": "recurrent_gemma",
    "attention_bias": False,
    "attention_window_size": 2048,
    "block_types": ["recurrent", "recurrent", "attention"],
    "conv1d_width": 4,
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "hidden_size": 2560,
    "intermediate_size": 15360,
    "logits_soft_cap": 30.0,
    "lru_width": 2560,
    "num_attention_heads": 10,
    "num_hidden_layers": 26,
    "num_key_value_heads": 1,
    "partial_rotary_factor": 0.5,
    "rms_norm_eps": 1e-06,
    "rope_theta": 10000.0,
    "vocab_size": 256000,
}
"""Of recurrentgemma-2b."""
LARGE = SMALL | {
    "hidden_size": 4096,
    "intermediate_size": 24576,
    "lru_width": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 38,
}


class Tensor(NamedTuple):
    shape: tuple[int, ...]
    dtype: str = "BF16"


def read(described: dict[str, Any], dtype: str = "BF16") -> ModelConfig:
    tensors: dict[str, Tensor] = {f"model.{number}": Tensor((1,)) for number in range(500)}
    tensors["model.embed_tokens.weight"] = Tensor((256000, described["hidden_size"]), dtype)
    return recurrent_gemma(Section(described), tensors)


def leaves(config: ModelConfig) -> list[ArrayInfo]:
    return jax.tree.leaves(abstract(config), is_leaf=lambda leaf: isinstance(leaf, ArrayInfo))


@pytest.mark.parametrize(
    ("described", "recurrent", "parameters"), [(SMALL, 18, 2.683e9), (LARGE, 26, 8.58e9)], ids=["2B", "9B"]
)
def test_released_sizes(described: dict[str, Any], recurrent: int, parameters: float) -> None:
    config = read(described)
    kinds = [isinstance(spec.mixer, RecurrentSpec) for spec in config.layers]
    assert kinds == [index % 3 != 2 for index in range(described["num_hidden_layers"])]
    assert sum(kinds) == recurrent
    assert config.parameters == pytest.approx(parameters, rel=0.001)
    assert sum(prod(leaf.shape) for leaf in leaves(config)) == config.parameters
    assert config.final_softcap == 30
    assert all(spec.mlp_bias and spec.ffw == described["intermediate_size"] // 2 for spec in config.layers)


def test_attention_turns_half_of_every_head() -> None:
    mixer = read(SMALL).layers[2].mixer
    assert mixer == AttentionSpec(
        heads=10,
        kv_heads=1,
        head_dim=256,
        rope=RopeSpec(10_000.0, rotated=0.5),
        query_scale=1 / 16,
        window=2048,
        out_bias=True,
    )


def test_the_new_way_to_write_the_rotation_says_the_same() -> None:
    old = {key: value for key, value in SMALL.items() if key not in ("rope_theta", "partial_rotary_factor")}
    new = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
    assert read(old | {"rope_parameters": new}) == read(SMALL) == read(old)


@pytest.mark.parametrize("dtype", ["BF16", "F32"])
def test_the_embeddings_factor_is_rounded_whatever_the_weights_are(dtype: str) -> None:
    assert read(SMALL, dtype).embed_scale == 50.5
    assert read(LARGE, dtype).embed_scale == 64


def test_its_memory_is_the_same_at_any_length_beyond_the_window() -> None:
    config = read(SMALL)
    # 18 states of 2560 and three inputs in f32; 8 rings of 2048 keys and values of 256 in f16
    assert config.kv_bytes(2048) == config.kv_bytes(1 << 20) == 18 * 4 * 2560 * 4 + 8 * 2048 * 2 * 256 * 2
    state = jax.eval_shape(lambda: init_state(config, 1 << 20))
    held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state.caches))
    # and the positions in the rings, which they share, and four lengths: of two places and the remainder's
    assert held == config.kv_bytes(1 << 20) + 4 * 2048 + 4 * 4
    assert state.room is None


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"block_types": ["recurrent", "mamba"]}, FormatError, "mamba"),
        ({"block_types": "recurrent"}, FormatError, "block_types"),
        ({"lru_width": 2561}, FormatError, "lru_width 2561"),
        ({"intermediate_size": 7}, FormatError, "intermediate_size 7"),
        ({"hidden_activation": "relu"}, UnsupportedModelError, "relu"),
        ({"rope_parameters": {"rope_type": "linear", "factor": 2.0}}, UnsupportedModelError, "linear"),
        ({"attention_window_size": 0}, FormatError, "attention_window_size"),
        ({"conv1d_width": -1}, FormatError, "conv1d_width"),
        ({"num_key_value_heads": 3}, FormatError, "3 key and value heads"),
    ],
)
def test_bad_ones(change: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        read(SMALL | change)
