"""The pattern that a stack of layers repeats, and the stacks that the decoder scans over."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from model.config import ModelConfig, period
from model.weights.params import stacks

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
