"""``gemcli bench speed`` as people and scripts meet it."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import tiny

from gemcli.bench.speculation import TASKS, WAYS
from tests.bench.conftest import need, run

CHAIN = [*range(256), tiny.START]


def check(row: dict[str, Any], engine: str, model: str, prompt: int) -> None:
    assert (row["engine"], row["model"], row["prompt_tokens"]) == (engine, model, prompt)
    for name in ("prefill_tokens_per_s", "decode_tokens_per_s", "first_token_s", "load_s"):
        assert 0 < row[name] < 1e6
    assert row["first_token_s"] * row["prefill_tokens_per_s"] == pytest.approx(prompt)
    assert row["peak_bytes"] is None or 30_000_000 < row["peak_bytes"] < 8_000_000_000


@pytest.mark.slow
def test_two_models_in_one_report(tmp_path: Path) -> None:
    # A window with room for a document, and for an answer about it.
    parrot = tiny.write_parrot(tmp_path / "parrot.gguf", CHAIN, window=1024)
    other = tmp_path / "other.gguf"
    other.write_bytes(parrot.read_bytes())
    text = tmp_path / "text.txt"
    text.write_text("No stop token ends it. " * 20)
    done = run(
        "speed", "-m", str(parrot), "-m", str(other), "--prompt-tokens", "40", "--tokens", "4",
        "--runs", "2", "--clients", "3", "--text", str(text), "-o", "json", "-v",
        "--draft-model", str(parrot), "--start",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert set(report) == {"machine", "rows", "ratios", "growth", "clients", "speculation", "start"}
    for rows in report["start"].values():
        assert [row["command"] for row in rows] == ["help", "ask", "ask, through a server"]
        assert all(0 < row["first_byte_s"] <= row["end_s"] < 60 and row["runs"] == 2 for row in rows)
    for rows in report["speculation"].values():
        assert [(row["task"], row["way"]) for row in rows] == list(product(TASKS, WAYS))
        assert all(row["same"] for row in rows)
        assert all(row["drafted_tokens"] == 0 for row in rows if row["way"] == "steps")
    assert set(report["clients"]) == {str(parrot), str(other)}
    for each in report["clients"].values():
        assert (each["clients"], each["identical"]) == (3, 3)
    assert report["machine"]["read_gb_per_s"] > 0
    assert report["ratios"] == {}
    for row, path in zip(report["rows"], (parrot, other), strict=True):
        check(row, "gemcli", str(path), 40)
        assert len(row["runs"]) == 2
    assert "measuring" in done.stderr
    assert "9/9 steps" in done.stderr


@pytest.mark.slow
def test_a_table_for_people(parrot: Path) -> None:
    done = run(
        "speed", "--prompt-tokens", "16", "--tokens", "2", "--runs", "1", env={"GEMCLI_MODEL": str(parrot)}
    )
    assert done.returncode == 0, done.stderr
    header, row, blank, best = done.stdout.splitlines()
    assert header.split()[:4] == ["model", "engine", "prompt", "prefill"]
    assert row.split()[:3] == [str(parrot), "gemcli", "16"]
    assert blank == ""
    assert best.startswith("at best here, on ")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--peer", "vllm"], 2, "vllm"),
        (["--tokens", "1"], 2, "--tokens"),
        (["--runs", "0"], 2, "--runs"),
        (["--prompt-tokens", "2M", "--tokens", "3"], 4, "2,097,155 tokens are asked for"),
        (["--prompt-tokens", "4K,long"], 2, "'long' is no number of tokens"),
        (["--text", "none.txt"], 3, "none.txt"),
        (["-m", "none.gguf"], 5, "none.gguf"),
        (["-m", "smollm2-135m", "--offline"], 5, "gemcli pull smollm2-135m"),
    ],
)
def test_what_cannot_be_measured(parrot: Path, arguments: list[str], code: int, said: str) -> None:
    done = run("speed", *(arguments if "-m" in arguments else ["-m", str(parrot), *arguments]))
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_text_too_short(parrot: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("short")
    done = run("speed", "-m", str(parrot), "--prompt-tokens", "50", "--text", str(text))
    assert done.returncode == 2
    assert "the text has 5 tokens, and the prompt is to have 50" in done.stderr


@pytest.mark.weights
@pytest.mark.slow
def test_a_real_model(weights: Callable[[str], Path]) -> None:
    path = str(weights("smollm2-135m"))
    done = run("speed", "-m", path, "--prompt-tokens", "64", "--tokens", "4", "--runs", "1", "-o", "json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    check(row, "gemcli", path, 64)
    assert row["peak_bytes"] is None or row["peak_bytes"] > 100_000_000
    assert row["prefill_gflops"] == pytest.approx(row["prefill_tokens_per_s"] * 2 * 107e6 / 1e9, rel=0.05), (
        "of 107 million weights in its layers"
    )


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("peer", ["llama.cpp", "transformers"])
def test_a_peer(weights: Callable[[str], Path], peer: str) -> None:
    need(peer)
    path = str(weights("smollm2-135m"))
    done = run(
        "speed", "-m", path, "--peer", peer, "--prompt-tokens", "64", "--tokens", "4", "--runs", "1", "--json"
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    for row, engine in zip(report["rows"], ("gemcli", peer), strict=True):
        check(row, engine, path, 64)
    assert set(report["ratios"][path][peer]) == {"prefill", "decode", "peak_bytes"}
    assert report["machine"]["engines"][peer]
