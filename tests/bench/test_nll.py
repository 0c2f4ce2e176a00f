"""Losses against position: readings that even out the text, the report, the command, and peers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gemcli.bench import nll as bench
from tests.bench.conftest import need, run


@pytest.mark.parametrize(("tokens", "count"), [(12, 4), (100, 7), (5, 5), (9, 1)])
def test_every_piece_stands_at_every_position_once(tokens: int, count: int) -> None:
    read = bench.readings(range(tokens), count, [99])
    assert len(read) == count
    assert all(each[0] == 99 and sorted(each[1:]) == list(range(tokens)) for each in read)
    if tokens % count == 0:
        size = tokens // count
        for first in range(1, tokens, size):
            assert sorted(each[first] // size for each in read) == list(range(count))


def test_points_are_evenly_spaced_in_logarithm() -> None:
    places = bench.positions(32_768)
    assert places[:6] == [64, 76, 91, 108, 128, 152]
    assert places[-1] == 32_768
    assert {64 * 2**step for step in range(10)} <= set(places)
    assert len(places) == len(set(places)) == 37
    assert bench.positions(50) == [50]
    assert bench.positions(64) == [64]


def test_the_report_is_of_running_averages() -> None:
    one = np.linspace(4, 1, 1000, dtype=np.float32)
    said = bench.report(np.stack([one, one + 2]), model="m", text="t")
    assert (said["model"], said["tokens"], said["windows"], said["falls"]) == ("m", 1000, 2, True)
    assert said["nll_per_token"] == pytest.approx(3.5)
    for point in said["points"]:
        assert point["cumulative_nll"] == pytest.approx(one[: point["position"]].mean() + 1, abs=1e-5)
    assert set(said["fit"]) == {"alpha", "beta", "gamma", "r2"}
    rising = bench.report(one[None, ::-1], model="m", text="t")
    assert not rising["falls"]
    short = bench.report(one[None, :10], model="m", text="t")
    assert short["fit"] is None
    assert bench.lines(short) == [["10", f"{one[:10].mean():.4f}", "-"]]
    assert len(bench.summary(short)) == 1


def test_beside_a_peer() -> None:
    found = bench.beside(np.full(4, 2.02, np.float32), np.full(4, 2.0, np.float32))
    assert found == {"nll_per_token": pytest.approx(2.0), "difference": pytest.approx(0.01)}


@pytest.mark.slow
def test_the_command(parrot: Path, tmp_path: Path) -> None:
    """Its bytes rise but for two places, so that the parrot is wrong there alone."""
    text, plot = tmp_path / "text.txt", tmp_path / "curve.png"
    text.write_text("".join(map(chr, range(32, 127))) * 4)
    done = run("nll", str(text), "-m", str(parrot), "--windows", "2", "--plot", str(plot), "-o", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {"model", "tokens", "nll_per_token", "points", "fit"} <= set(report)
    assert report["tokens"] == 379, "the first of 380 is given"
    assert report["windows"] == 2
    assert report["points"][-1] == {"position": 379, "cumulative_nll": pytest.approx(report["nll_per_token"])}
    # 3 of 379 steps go from the last byte to the first, at the cost of a parrot's surprise.
    assert 0 < report["nll_per_token"] < 0.5
    assert plot.read_bytes().startswith(b"\x89PNG")

    table = run("nll", "-m", str(parrot), "--tokens", "200")
    assert table.returncode == 0, table.stderr
    lines = table.stdout.splitlines()
    assert lines[0].split() == ["position", "cumulative", "nll", "fit"]
    assert lines[1].split()[0] == "64"
    assert "nats a token over 199 tokens of the text of Python's help" in table.stdout
    assert "R² = " in lines[-1]
    assert "does not fall everywhere" in table.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--tokens", "2M"], 4, "2,097,151 tokens are asked for"),
        (["--tokens", "few"], 2, "'few' is no number of tokens"),
        (["--windows", "0"], 2, "--windows"),
        (["--peer", "vllm"], 2, "vllm"),
        (["none.txt"], 3, "none.txt"),
        (["short.txt", "--tokens", "100"], 2, "short.txt has 5 tokens, and 100 are wanted"),
        (["short.txt", "--windows", "9"], 2, "too short"),
        (["empty.txt"], 3, "empty"),
        (["--plot", "curve"], 2, "is no name of a picture"),
    ],
)
def test_what_cannot_be_measured(
    parrot: Path,
    arguments: list[str],
    code: int,
    said: str,
    refuses: Callable[[list[str], int, str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.txt").write_text("words")
    (tmp_path / "empty.txt").write_text("")
    refuses(["nll", "-m", str(parrot), *arguments], code, said)


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("peer", ["llama.cpp", "transformers"])
def test_the_loss_is_that_of_a_peer(weights: Callable[[str], Path], peer: str) -> None:
    need(peer)
    done = run("nll", "-m", str(weights("gemma-3-270m")), "--tokens", "2K", "--peer", peer, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert abs(report["peers"][peer]["difference"]) < 0.005
    assert report["tokens"] == 2048
