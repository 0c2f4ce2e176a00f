"""Pictures of reports, and what is refused before anything is measured."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from gemcli.bench import plot
from gemcli.errors import GemcliError, UsageError

REPORTS: dict[str, dict[str, Any]] = {
    "speed": {
        "rows": [
            {"model": f"/models/{model}.gguf", "engine": engine, "prefill_tokens_per_s": 91.5,
             "decode_tokens_per_s": 12.25, "prompt_tokens": tokens}
            for model, tokens in (("m", 2048), ("n", 2048), ("n", 4096)) for engine in ("gemcli", "llama.cpp")
        ]
    },
    "answers": {"model": "m", "correct": 17, "questions": 20, "absent_correct": 3, "absent_questions": 5},
    "needle": {
        "model": "m",
        "kind": "single",
        "attention": "dense",
        "cells": [
            {"length": length, "depth": depth, "trials": 4, "correct": right}
            for length, depth, right in ((4096, 0.1, 4), (4096, 0.9, 0), (31744, 0.1, 2))
        ],
    },
    "nll": {
        "model": "m",
        "points": [{"position": 64 * 2**step, "cumulative_nll": 3 - 0.1 * step} for step in range(10)],
        "fit": {"alpha": 3.0, "beta": -0.2, "gamma": 1.5, "r2": 0.991},
    },
}  # fmt: skip


def colours(path: Path) -> dict[tuple[int, ...], int]:
    with PIL.Image.open(path) as picture:
        found = picture.convert("RGB").getcolors(1 << 24)
    assert found is not None
    return {tuple(colour): count for count, colour in found if isinstance(colour, tuple)}


@pytest.mark.parametrize("kind", sorted(REPORTS))
def test_a_picture_shows_something(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"{kind}.png"
    plot.DRAW[kind](REPORTS[kind], path)
    found = colours(path)
    assert found[255, 255, 255] > 0
    assert sum(found.values()) > 100_000
    assert any(max(colour) - min(colour) > 60 and count > 50 for colour, count in found.items()), "a colour"


def test_the_heat_map_is_green_where_all_was_found_and_red_where_nothing_was(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "map.png"
    plot.draw_needle(REPORTS["needle"], path)
    found = [colour for colour, count in colours(path).items() if count > 2000]
    assert any(green > red + 60 for red, green, _ in found)
    assert any(red > green + 60 for red, green, _ in found)


def test_a_curve_without_a_fit(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "curve.svg"
    plot.draw_nll(REPORTS["nll"] | {"fit": None}, path)
    assert "<svg" in path.read_text()


def test_what_could_not_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plot.check_plot(None)
    plot.check_plot(tmp_path / "a.png")
    with pytest.raises(UsageError, match="no name of a picture"):
        plot.check_plot(tmp_path / "a.txt")
    with pytest.raises(GemcliError, match="there is no folder"):
        plot.check_plot(tmp_path / "none" / "a.png")
    monkeypatch.setattr(plot, "find_spec", lambda name: None if name == "matplotlib" else find_spec(name))
    with pytest.raises(UsageError, match="--plot needs matplotlib") as raised:
        plot.check_plot(tmp_path / "a.png")
    assert 'pip install "gemcli[plot]"' in (raised.value.hint or "")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "a.png").mkdir()
    with pytest.raises(GemcliError, match="cannot write"):
        plot.draw_nll(REPORTS["nll"], tmp_path / "a.png")
