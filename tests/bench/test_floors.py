"""The work that a model cannot do without, counted by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gguf
import pytest
import tiny

from gemcli.bench import floors
from model.card import describe
from model.config import AttentionSpec, LayerSpec, ModelConfig, RopeSpec

MIXER = AttentionSpec(heads=4, kv_heads=2, head_dim=8, rope=RopeSpec(1e4), query_scale=8**-0.5)
LAYER = LayerSpec(MIXER, ffw=64)
CONFIG = ModelConfig("llama", width=32, vocab=100, context=64, layers=(LAYER,) * 2, norm_eps=1e-5)


def test_the_arithmetic_of_a_prompt() -> None:
    """Two operations a weight and token, two products of 8 numbers a visible pair and head, logits once."""
    matrices = 2 * ((4 + 2 * 2) * 8 * 32 + 4 * 8 * 32 + 3 * 64 * 32)
    pairs = 1 + 2 + 3 + 4 + 5
    assert floors.prompt_flops(CONFIG, 5) == 2 * matrices * 5 + 2 * 100 * 32 + 2 * (4 * 2 * 2 * 8 * pairs)


@pytest.mark.parametrize("window", [1, 2, 5, 9])
def test_a_window_hides_pairs(window: int) -> None:
    sliding = replace(CONFIG, layers=(LAYER, replace(LAYER, mixer=replace(MIXER, window=window))))
    hidden = sum(1 for query in range(5) for key in range(query + 1) if query - key >= window)
    assert floors.prompt_flops(CONFIG, 5) - floors.prompt_flops(sliding, 5) == 4 * 2 * 2 * 8 * hidden


def test_a_token_reads_the_weights_and_the_cache() -> None:
    values = 2 * 2 * 2 * 8  # layers, keys and values, heads, numbers
    assert floors.decode_bytes(CONFIG, 1000, 10) == 1000 + 10 * 2 * values


def test_weights_are_read_as_the_file_has_them(tmp_path: Path) -> None:
    path = tiny.write_parrot(tmp_path / "parrot.gguf", [1, 2])
    card = describe(path)
    sizes = {each.name: int(each.n_bytes) for each in gguf.GGUFReader(path).tensors}
    assert not card.config.tied
    assert floors.weights_bytes(path, card.config) == sum(sizes.values()) - sizes["token_embd.weight"]
    assert floors.weights_bytes(path, replace(card.config, tied=True)) == sum(sizes.values())
