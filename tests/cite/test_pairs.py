"""Forty questions about real documents: what is verified stands there, and most answers have a quote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cited import PAIRS, ask, place, stands

ENOUGH = 0.8  # of the answers carry a verified quote


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("model", ["smollm2-135m", "qwen2.5-coder-1.5b"])
def test_quotes_of_real_answers(
    weights: Callable[[str], Path],
    material: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    model: str,
) -> None:
    from gemcli.loading import Loaded

    monkeypatch.setenv("GEMCLI_MODELS", str(weights(model).parents[1]))
    loaded, carried = Loaded(), 0
    assert len(PAIRS) == 40
    for pair in PAIRS:
        path = place(pair["file"], material)
        verified = [each for each in ask(pair, path, model, loaded)["citations"] if each["verified"]]
        carried += bool(verified)
        for each in verified:
            assert Path(each["source"]).name == path.name
            assert stands(each, path), each
    assert carried >= ENOUGH * len(PAIRS)
