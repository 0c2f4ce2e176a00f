"""The pattern that a stack of layers repeats, and the stacks that the decoder scans over."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from model.config import ExpertsSpec, LayerSpec, ModelConfig, RecurrentSpec, period
from model.weights.params import ArrayInfo, abstract, stacks

SPECS = [replace(tiny.llama().layers[0], ffw=ffw) for ffw in (32, 64, 96)]


def config(pattern: list[int]) -> ModelConfig:
    return replace(tiny.llama(), layers=tuple(SPECS[kind] for kind in pattern))


@given(st.lists(st.integers(0, 2), min_size=1, max_size=14))
def test_the_period_is_the_shortest_that_repeats(pattern: list[int]) -> None:
    found = period(config(pattern).layers)
    repeats = [pattern == (pattern[:p] * len(pattern))[: len(pattern)] for p in range(1, len(pattern) + 1)]
    assert found == repeats.index(True) + 1


@given(st.lists(st.integers(0, 2), min_size=1, max_size=14))
def test_stacks_hold_every_layer_once_in_order(pattern: list[int]) -> None:
    model = config(pattern)
    order = []
    for stack in stacks(model):
        for repeat in range(stack.repeats):
            for place, spec in enumerate(stack.specs):
                order.append(stack.layer(repeat, place))
                assert model.layers[order[-1]] == spec
    assert order == list(range(len(pattern)))


@pytest.mark.parametrize(
    ("layers", "groups"),
    [
        (18, [(0, 6, 3)]),
        (26, [(0, 6, 4), (24, 2, 1)]),
        (34, [(0, 6, 5), (30, 4, 1)]),
        (7, [(0, 6, 1), (6, 1, 1)]),
    ],
)
def test_gemma_stacks(layers: int, groups: list[tuple[int, int, int]]) -> None:
    found = [(stack.first, len(stack.specs), stack.repeats) for stack in stacks(tiny.gemma(layers))]
    assert found == groups


GRIFFIN = tiny.llama(layers=(LayerSpec(RecurrentSpec(width=24, heads=4), ffw=16, mlp_bias=True),) * 2)


@pytest.mark.parametrize(
    "model",
    [tiny.llama(), tiny.gemma(7), tiny.gemma4(7, 3), tiny.gemma4(5, tied_values=True)],
    ids=["llama", "gemma", "E", "31"],
)
def test_products_are_with_the_layers_matrices(model: ModelConfig) -> None:
    infos = jax.tree.leaves(abstract(model).stacks, is_leaf=lambda leaf: isinstance(leaf, ArrayInfo))
    matrices = sum(int(np.prod(info.shape)) for info in infos if info.kind == "matrix")
    assert sum(spec.products(model.width) for spec in model.layers) == matrices


def test_products_with_experts_are_those_of_the_active_ones() -> None:
    plain, mixed = tiny.gemma4(5).layers[0], tiny.gemma4(5, experts=ExpertsSpec(6, 2, 16)).layers[0]
    assert mixed.products(32) - plain.products(32) == 6 * 32 + 2 * 3 * 16 * 32


def test_products_of_a_recurrence() -> None:
    """Three projections, and two gates of four blocks of 6 by 6."""
    assert GRIFFIN.layers[0].products(32) == 3 * 24 * 32 + 2 * 4 * 6 * 6 + 3 * 16 * 32


def test_a_recurrence_takes_the_same_memory_for_any_text() -> None:
    assert GRIFFIN.kv_bytes(1) == GRIFFIN.kv_bytes(1 << 20) == 2 * 4 * (24 + 3 * 24)


def test_layers_that_read_others_take_none() -> None:
    assert tiny.gemma4(6, 6, inputs=8).kv_bytes(100) == tiny.gemma4(6).kv_bytes(100) != 0
    assert tiny.gemma4(7).reach == tiny.WINDOW
    assert tiny.llama().reach == 0
