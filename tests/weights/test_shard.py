"""A model divided over eight devices computes what one device does, and no cache or weight ever moves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from model.attention.mask import EMPTY
from model.cache.layer import empty
from model.config import ModelConfig
from model.weights.params import ArrayInfo, abstract
from model.weights.shard import Division, dealt, division

TESTS = Path(__file__).parents[1]
PLAIN = ("dense by heads", "one head", "experts")
OTHERS = (
    "dense with rings by heads",
    "biases, grouped heads, an output of its own",
    "one head and rings",
    "two heads, eight devices",
    "layers that borrow",
    "layers that borrow, dealt",
    "nothing divides",
    "recurrence",
    "Q8_0",
    "Q4_1",
)


@cache
def found(case: str) -> dict[str, Any]:
    """What a process with eight devices says of a case."""
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]),
    }
    said = subprocess.run(
        [sys.executable, TESTS / "sharded.py", case], env=environment, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)[case]


CASES = [*PLAIN, *(pytest.param(case, marks=pytest.mark.slow) for case in OTHERS)]


@pytest.mark.parametrize("case", CASES)
def test_logits_of_chunks_and_of_single_tokens_are_those_of_one_device(case: str) -> None:
    assert found(case)["logits"] > 1
    # Sums of other order: 1e-5 in truth, here of the largest logit, since processors differ.
    assert found(case)["difference"] <= 1e-5 * found(case)["logits"]


@pytest.mark.parametrize("case", CASES)
def test_every_device_holds_its_part_and_no_more(case: str) -> None:
    said = found(case)
    if case == "nothing divides":
        return
    for what in ("of matrices", "of tables", "of full caches"):
        assert said[what] in (0, 1 / said["devices"]), what


@pytest.mark.parametrize("case", CASES)
def test_devices_send_activations_and_nothing_else(case: str) -> None:
    """A step sends less than any matrix of a layer holds, and no program anything like a layer's cache."""
    said = found(case)
    assert 0 < said["sent by a step"] < said["matrix"] / 2
    if said["cache"]:
        assert said["sent by a chunk"] < said["cache"] / said["devices"]


def test_a_file_is_loaded_onto_the_devices_and_answers() -> None:
    said = found("answer")
    assert said["answer"] == "ABCDEFGHIJ"
    assert said["devices"] == 8
    assert said["grown"] == [[-1, 0, 1, 2, 3, 4]] * 2
    assert said["slots"][1] > 4000 > said["slots"][0]
    assert said["parts"] == 1 / 8


def test_dealt_slots_keep_their_device_when_a_cache_grows() -> None:
    cache = empty(1, 1, 10, 2, 32, ring=False, devices=4)
    assert cache.slots == 12, "the same for every device"
    cache = cache.claim(jnp.array([0, 1, 2, 3, 4, EMPTY]))
    grown = cache.grow(19).claim(jnp.arange(5, 18))
    held = np.asarray(grown.positions).reshape(4, 5)
    for device, positions in enumerate(held.tolist()):
        assert positions == [at if at < 18 else EMPTY for at in range(device, 20, 4)]
    assert np.asarray(grown.trim(3).positions).max() == 2


def _division(config: ModelConfig, name: str, devices: int, group: int = 1) -> Division:
    *stack, place = name.split(".")
    tree = abstract(config)
    info = getattr(tree.stacks[int(stack[1])][int(stack[2])] if stack else tree, place)
    assert isinstance(info, ArrayInfo)
    return division(config, name, info, devices, group)


def test_whole_heads_are_dealt_and_where_they_cannot_be_rows_are_divided_in_order() -> None:
    config = tiny.llama()
    assert _division(config, "stacks.0.0.qkv", 2) == Division(1, (32, 16, 16))
    assert dealt(config.layers[0], "qkv", 2) == 2
    assert _division(config, "stacks.0.0.qkv", 4) == Division(1)
    assert dealt(config.layers[0], "qkv", 4) == 1


def test_columns_are_divided_between_groups_and_else_rows_are() -> None:
    config = tiny.llama()
    assert _division(config, "stacks.0.0.down", 2, group=32) == Division(2)
    assert _division(config, "stacks.0.0.down", 4, group=32) == Division(1)
    assert _division(config, "stacks.0.0.down", 4) == Division(2)


def test_vectors_and_what_does_not_divide_are_everywhere_whole() -> None:
    config = tiny.llama()
    assert _division(config, "stacks.0.0.attn_norm", 2) == Division(None)
    assert _division(config, "stacks.0.0.gate_up", 7) == Division(None)
    assert _division(config, "embed", 2) == Division(1), "97 tokens do not divide, their width does"
