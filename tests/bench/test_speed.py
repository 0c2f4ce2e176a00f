"""The arithmetic of the speed bench, its checks, and one real run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gemcli.bench import speed
from gemcli.bench.contender import Timing
from gemcli.errors import GemcliError, UsageError
from model.config import LayerSpec, ModelConfig, RopeSpec

LAYER = LayerSpec(heads=4, kv_heads=2, head_dim=8, ffw=64, rope=RopeSpec(1e4), query_scale=8**-0.5)
CONFIG = ModelConfig("llama", width=32, vocab=100, context=64, layers=(LAYER,) * 2, norm_eps=1e-5)


def timing(prefill: float, decode: float, peak: int | None = 7) -> Timing:
    return Timing(
        prefill_s=prefill, first_token_s=prefill + 0.1, decode_s=decode, decoded=10, peak_bytes=peak
    )


def test_a_row_holds_medians() -> None:
    row = speed.row("gemcli", "m", 100, [timing(1, 2), timing(2, 1), timing(10, 5, 9)])
    assert row["prefill_tokens_per_s"] == pytest.approx(50)
    assert row["decode_tokens_per_s"] == pytest.approx(5)
    assert row["first_token_s"] == pytest.approx(2.1)
    assert row["peak_bytes"] == 9
    assert speed.row("gemcli", "m", 100, [timing(1, 2, None)])["peak_bytes"] is None


def test_ratios_are_ours_over_theirs() -> None:
    rows = [
        speed.row("gemcli", "m", 100, [timing(1, 2)]),
        speed.row("llama.cpp", "m", 100, [timing(2, 1)]),
        speed.row("gemcli", "n", 100, [timing(3, 3)]),
        speed.row("llama.cpp", "n", 100, [timing(3, 6)]),
    ]
    assert speed.ratios(rows) == {
        "m": {"llama.cpp": pytest.approx({"prefill": 2.0, "decode": 0.5})},
        "n": {"llama.cpp": pytest.approx({"prefill": 1.0, "decode": 2.0})},
    }


def test_the_arithmetic_of_a_prompt() -> None:
    """By hand: two operations a weight and token, two products of 8 numbers a visible pair and head."""
    matrices = 2 * ((4 + 2 * 2) * 8 * 32 + 4 * 8 * 32 + 3 * 64 * 32)
    norms = 2 * 2 * 32 + 32
    pairs = 5 * 6 // 2
    assert speed.prompt_flops(CONFIG, 5) == (
        2 * (matrices + norms) * 5 + 2 * 100 * 32 + 2 * (4 * 4 * 8 * pairs)
    )
    sliding = replace(CONFIG, layers=(replace(LAYER, window=2),) * 2)
    assert speed.prompt_flops(CONFIG, 5) - speed.prompt_flops(sliding, 5) == 2 * 4 * 4 * 8 * (pairs - 9)


def test_a_token_reads_the_weights_and_the_cache() -> None:
    assert speed.decode_bytes(CONFIG, 1000, 10) == 1000 + CONFIG.kv_bytes(10)


def test_peers_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs the package llama_cpp"):
        speed.require(["llama.cpp"])
    with pytest.raises(UsageError, match="unknown"):
        speed.require(["vllm"])


def test_an_engine_that_dies_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF")
    with (
        pytest.raises(GemcliError, match=r"gemcli failed: .*broken\.gguf"),
        speed.Contender("gemcli", broken, 64),
    ):
        pass


@pytest.mark.weights
def test_a_real_run(weights: Callable[[str], Path], home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gemcli", "bench", "speed", "-m", str(weights("smollm2-135m")), "-o", "json",
         "--prompt-tokens", "40", "--tokens", "4", "--runs", "1"],
        env=os.environ | {"GEMCLI_HOME": str(home)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    (row,) = report["rows"]
    assert report["machine"]["cores"] >= 1
    assert report["ratios"] == {}
    assert row["engine"] == "gemcli"
    assert row["prompt_tokens"] == 40
    assert row["prefill_tokens_per_s"] > 0
    assert row["decode_tokens_per_s"] > 0
    assert row["peak_bytes"] is None or row["peak_bytes"] > 50_000_000
