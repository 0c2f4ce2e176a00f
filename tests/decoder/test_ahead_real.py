"""On real weights, with the compiled kernels, tokens verified together are those of steps to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny

from model.attention import compiled
from model.nn import packed
from tests.decoder.test_ahead import several, stepped

ROOT = Path(__file__).parents[2]


@pytest.mark.weights
@pytest.mark.parametrize("name", ["smollm2-135m", "gemma-3-270m", "qwen2.5-coder-0.5b"])
def test_to_the_bit(weights: Callable[[str], Path], name: str) -> None:
    from model.load import describe, load

    for kernel in (compiled.KERNEL, packed.KERNEL):
        tiny.needs_kernel(kernel)
    card = describe(weights(name))
    engine = load(card, context=1024).engine
    ids = card.tokenizer.encode((ROOT / "LICENSE").read_text("utf-8")[:4000])[:608]  # beyond Gemma's window
    _, state = engine.prefill(ids[:600], engine.new_state(700))
    alone = stepped(engine, state, ids[600:])
    tokens = np.asarray(ids[600:], np.int32)
    for size in (2, 4, 8):
        logits, _ = several(engine.decoder, engine.params, engine.ropes, state, tokens[:size], np.int32(size))
        for row, (want, _) in zip(np.asarray(logits), alone, strict=False):
            np.testing.assert_array_equal(row, want)
