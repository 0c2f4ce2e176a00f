"""What rounding to 8 and 4 bits costs a real model, in likelihood of a real text.

    pytest -m slow -s tests/parity/test_rounding.py

The weights are those of Gemma 3 270M, widened and written as a checkpoint of floats, which is then loaded as
any other is.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model.card import ModelCard, describe
from model.decoder.decoder import Decoder
from model.engine.engine import Engine
from model.formats.ggml import Blocks
from model.formats.gguf import open_gguf
from model.formats.safetensors import SafetensorsFolder, open_safetensors
from model.nn.linear import Numerics
from model.weights import names as gguf_names
from model.weights.hf_names import HFNames
from model.weights.load import _leaves, load_params

pytestmark = pytest.mark.slow

NAMES = HFNames("model.", "lm_head.weight", norms_from_one=True)
TOKENS = 1024
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def card(weights: Callable[[str], Path]) -> ModelCard:
    return describe(weights("gemma-3-270m"))


@pytest.fixture(scope="module")
def folder(card: ModelCard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as safetensors of F32, named as Hugging Face does."""
    pairs = zip(_leaves(card.config, gguf_names), _leaves(card.config, NAMES), strict=True)
    path = tmp_path_factory.mktemp("floats") / "model.safetensors"
    with open_gguf(card.path) as file:
        found = [
            (mine.name, theirs)
            for left, right in pairs
            for (_, mine), (_, theirs) in zip(left.sources, right.sources, strict=True)
        ]
        header, at = {}, 0
        for _, place in found:
            size = 4 * int(np.prod(place.shape))
            header[place.name] = {"dtype": "F32", "shape": list(place.shape), "data_offsets": [at, at + size]}
            at += size
        text = json.dumps(header).encode()
        with path.open("wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            for name, place in found:
                read = file.read(name)
                wide = read.dequantize() if isinstance(read, Blocks) else read
                out.write((wide - np.float32(place.plus)).tobytes())
    return path.parent


class PlainlyRounded:
    """The checkpoint with matrices rounded to 4 bits in groups of 32 without a minimum or a search."""

    def __init__(self, file: SafetensorsFolder) -> None:
        self._file = file
        self.path, self.tensors = file.path, file.tensors

    def read(self, name: str, rows: slice | None = None) -> np.ndarray:
        exact = self._file.read(name, rows)
        if exact.ndim < 2 or "embed" in name:
            return exact
        groups = exact.reshape(len(exact), -1, 32)
        step = np.abs(groups).max(-1, keepdims=True) / 7
        step = np.where(step > 0, step, 1)
        return (np.clip(np.round(groups / step), -8, 7) * step).reshape(exact.shape).astype(np.float32)


def test_what_8_and_4_bits_cost(card: ModelCard, folder: Path) -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    ids = [card.tokenizer.bos_id or 0, *card.tokenizer.encode(text)][:TOKENS]
    exact = Decoder(card.config, Numerics(integer_rows=0))

    def nll(params, decoder: Decoder = exact, bits: int = 32) -> float:
        logits = Engine(decoder, params, window=TOKENS, cache_bits=bits).score(ids)
        total = 0.0
        for row, following in zip(logits, ids[1:], strict=False):
            wide = row.astype(np.float64)
            total += float(np.log(np.exp(wide - wide.max()).sum()) + wide.max() - wide[following])
        return total / (len(ids) - 1)

    with open_safetensors(folder) as file:
        base = nll(load_params(file, card.config, NAMES, precision="float32"))
        eight, four = (
            nll(load_params(file, card.config, NAMES, precision="grouped", bits=bits)) / base - 1
            for bits in (8, 4)
        )
        plain = nll(load_params(PlainlyRounded(file), card.config, NAMES, precision="float32")) / base - 1
    print(f"\nNLL {base:.4f}; 8 bits {eight:+.2%}; 4 bits {four:+.2%}; 4 bits rounded plainly {plain:+.2%}")
    assert abs(eight) <= 0.005
    assert four <= plain / 2
    assert plain > 0.05, "there is something to gain"
