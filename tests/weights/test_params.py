"""The tree of parameters: its shapes, its size, and the tensors that make up every place of it."""

from __future__ import annotations

from dataclasses import fields

import jax
import numpy as np
import pytest
import tiny

from model.config import ExpertsSpec, LayerSpec, ModelConfig, RecurrentSpec
from model.weights import names
from model.weights.params import ArrayInfo, LayerParams, Params, abstract, abstract_layer, parts, stacks

GRIFFIN = tiny.llama(
    layers=(
        LayerSpec(RecurrentSpec(width=24, heads=4), ffw=16, mlp_bias=True),
        LayerSpec(tiny.attention_of(tiny.llama().layers[0]), ffw=16, mlp_bias=True),
    )
)
CONFIGS = {
    "llama": tiny.llama(adjacent_pairs=True),
    "qwen": tiny.qwen(),
    "gemma1": tiny.gemma1(),
    "gemma2": tiny.gemma2(),
    "gemma3": tiny.gemma(8),
    "gemma4 E": tiny.gemma4(7, 3, inputs=8),
    "gemma4 A": tiny.gemma4(5, experts=ExpertsSpec(6, 2, 16), tied_values=True),
    "griffin": GRIFFIN,
}
IN_FILES = [name for name in CONFIGS if name != "griffin"]


def infos(config: ModelConfig) -> list[ArrayInfo]:
    return jax.tree.leaves(abstract(config), is_leaf=lambda leaf: isinstance(leaf, ArrayInfo))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_configuration_counts_the_weights_of_the_tree(config: ModelConfig) -> None:
    assert sum(int(np.prod(info.shape)) for info in infos(config)) == config.parameters


def test_active_weights() -> None:
    """Not those of experts that sleep, and of tables that are only looked up."""
    experts = CONFIGS["gemma4 A"]
    assert experts.parameters - experts.active_parameters == 5 * (6 - 2) * 3 * 16 * 32
    inputs = CONFIGS["gemma4 E"]
    assert inputs.parameters - inputs.active_parameters == tiny.VOCAB * 10 * 8
    untied = CONFIGS["qwen"]
    assert untied.parameters - untied.active_parameters == tiny.VOCAB * 32
    assert CONFIGS["gemma3"].active_parameters == CONFIGS["gemma3"].parameters


@pytest.mark.parametrize("name", IN_FILES)
def test_the_tensors_of_a_file_fill_every_place_once(name: str) -> None:
    config = CONFIGS[name]
    found: dict[str, tuple[int, ...]] = {}
    tree = abstract(config)
    for field in fields(Params):
        if field.name != "stacks" and getattr(tree, field.name) is not None:
            source = names.top(config, field.name)
            found[source.name] = source.shape
    for index, spec in enumerate(config.layers):
        layer = abstract_layer(config, spec, 1)
        for field in fields(LayerParams):
            info = getattr(layer, field.name)
            if info is None:
                continue
            filled = 0
            for source in names.in_layer(config, index, field.name):
                assert source.first == filled
                assert source.shape[1:] == info.shape[2:]
                assert source.name not in found
                filled += source.shape[0]
                found[source.name] = source.shape
            assert filled == info.shape[1], field.name
    params = tiny.random_params(config)
    written = {key: weight.shape for key, weight in tiny.tensors_of(config, params).items()}
    assert found == {key: shape for key, shape in written.items() if not names.is_superfluous(config, key)}
    assert all(names.is_superfluous(config, key) == (key == "rope_freqs.weight") for key in written)


def test_only_queries_and_keys_are_reordered() -> None:
    config = CONFIGS["llama"]
    heads = {source.name: source.heads for source in names.in_layer(config, 1, "qkv")}
    assert heads == {"blk.1.attn_q.weight": 4, "blk.1.attn_k.weight": 2, "blk.1.attn_v.weight": 0}
    assert [source.heads for source in names.in_layer(config, 1, "attn_out")] == [0]
    assert [source.heads for source in names.in_layer(CONFIGS["gemma3"], 1, "qkv")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("tensor", "superfluous"),
    [
        ("blk.7.attn_k.weight", True),
        ("blk.9.attn_v.weight", True),
        ("blk.8.attn_k_norm.weight", True),
        ("blk.6.attn_k.weight", False),
        ("blk.10.attn_k.weight", False),
        ("blk.8.attn_q.weight", False),
        ("blk.8.attn_k.bias", False),
        ("anything", False),
    ],
)
def test_layers_that_read_others_may_come_with_keys_of_their_own(tensor: str, superfluous: bool) -> None:
    assert names.is_superfluous(CONFIGS["gemma4 E"], tensor) == superfluous


def test_factors_of_frequencies_belong_to_proportional_rope_alone() -> None:
    assert not names.is_superfluous(CONFIGS["llama"], "rope_freqs.weight")


def test_stacks_part_where_layers_begin_to_read_others() -> None:
    found = [(stack.first, len(stack.specs), stack.repeats) for stack in stacks(CONFIGS["gemma4 E"])]
    assert found == [(0, 3, 2), (6, 1, 1), (7, 3, 1)]
    found = [(stack.first, len(stack.specs), stack.repeats) for stack in stacks(tiny.gemma4(6, 6, inputs=8))]
    assert found == [(0, 3, 2), (6, 3, 2)]


def test_parts_of_a_recurrence() -> None:
    spec = GRIFFIN.layers[0]
    assert parts(spec, "rec_in") == parts(spec, "rec_in_bias") == (24, 24)
    assert parts(spec, "rec_gates") == (4, 4)
    assert parts(spec, "gate_up_bias") == (16, 16)
    assert parts(spec, "rec_out") is None
