"""A batch spread over a Ray cluster of two machines equals the one made here."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import whole

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]

HEAD = """
import os, sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GEMCLI_", "RAY_"))}
    return kept | {
        "GEMCLI_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
    }


@pytest.fixture(scope="module")
def cluster(environment: dict[str, str]) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HEAD],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    yield address
    process.communicate()


def batch(folder: Path, environment: dict[str, str], out: str, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [
            sys.executable, "-m", "gemcli", "batch", "Which?", "in", "-m", str(folder / "model"),
            "--max-tokens", "8", "--temperature", "1", "--out", out, *words,
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    return done.returncode, done.stderr


def records(path: Path) -> list[dict[str, Any]]:
    found = sorted(map(json.loads, path.read_text().splitlines()), key=lambda each: each["source"])
    for each in found:
        if each["usage"]:
            del each["usage"]["cached_tokens"]  # how much was at hand is chance
    return found


def test_two_machines_answer_as_one_does(tmp_path: Path, environment: dict[str, str], cluster: str) -> None:
    whole.write(tmp_path / "model", "gemma3")
    (tmp_path / "in").mkdir()
    for number in range(24):
        (tmp_path / "in" / f"{number:02}.txt").write_text(f"Number {number}.")
    (tmp_path / "in" / "cut.pdf").write_bytes(b"%PDF-1.4 cut short")
    assert batch(tmp_path, environment, "here.jsonl")[0] == 3
    code, said = batch(tmp_path, environment, "there.jsonl", "--ray", cluster)
    assert code == 3, said
    expected = records(tmp_path / "here.jsonl")
    assert len(expected) == 25
    for each in expected:
        assert each["sha256"] == hashlib.sha256((tmp_path / each["source"]).read_bytes()).hexdigest()
    assert records(tmp_path / "there.jsonl") == expected
    code, said = batch(tmp_path, environment, "there.jsonl", "--ray", cluster)
    assert "24 were done before" in said or "25 were done before" in said


def test_no_cluster_there(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("a")
    whole.write(tmp_path / "model", "gemma3")
    code, said = batch(tmp_path, environment, "o.jsonl", "--ray", "127.0.0.1:1")
    assert code == 2
    assert "no Ray cluster at 127.0.0.1:1" in said
    assert "Traceback" not in said
