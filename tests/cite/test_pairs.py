"""Questions about real documents: what is verified stands there.

Six of the forty of ``tests/cited.py``, which asks any model all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cited import PAIRS, ask, place, stands

NEAR = [pair for pair in PAIRS if pair["file"] == "LICENSE"][:6]


@pytest.mark.slow
@pytest.mark.weights
def test_quotes_of_real_answers(
    weights: Callable[[str], Path], material: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gemcli.loading import Loaded

    assert len(PAIRS) == 40
    assert len(NEAR) > 3
    monkeypatch.setenv("GEMCLI_MODELS", str(weights("smollm2-135m").parents[1]))
    loaded, found = Loaded(), 0
    for pair in NEAR:
        path = place(pair["file"], material)
        for each in ask(pair, path, "smollm2-135m", loaded)["citations"]:
            if each["verified"]:
                found += 1
                assert Path(each["source"]).name == path.name
                assert stands(each, path), each
    assert found
