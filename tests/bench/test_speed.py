"""Engines in turn, and the figures that come of it, with engines whose times are given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gemcli.bench import speed
from gemcli.bench.ceiling import Ceiling
from gemcli.bench.contender import Timing
from gemcli.bench.speed import Match, Result
from gemcli.errors import GemcliError, UsageError

BEST = Ceiling({"float32": 100.0, "bfloat16": 40.0}, 20.0)
MATCH = Match("m", list(range(100)), 11, 3)
KEYS = {
    "engine", "model", "prompt_tokens", "prefill_tokens_per_s", "decode_tokens_per_s", "first_token_s",
    "peak_bytes",
}  # fmt: skip
"""What the contract promises of a row."""


def timing(first: float, decode: float, peak: int | None = 7, idle: float = 1.0, busy: float = 0.0) -> Timing:
    return Timing(first, decode, idle, busy, peak)


class Fake:
    """A contender that notes what happens to it."""

    def __init__(self, engine: str, log: list[str], fails_at: int | None = None) -> None:
        self.engine = engine
        self.load_s = 0.5
        self._log = log
        self._fails_at = fails_at
        self._runs = 0

    def __enter__(self) -> Fake:
        self._log.append(f"{self.engine} loads")
        return self

    def __exit__(self, *failure: object) -> None:
        self._log.append(f"{self.engine} ends")

    def run(self, ids: list[int], tokens: int) -> Timing:
        assert (ids, tokens) == (MATCH.ids, MATCH.tokens)
        if self._runs == self._fails_at:
            raise GemcliError(f"{self.engine} failed")
        self._runs += 1
        self._log.append(f"{self.engine} runs")
        return timing(float(self._runs), 1.0)


def compare(log: list[str], fails_at: int | None = None) -> list[Result]:
    def start(engine: str) -> Any:
        return Fake(engine, log, fails_at if engine == "llama.cpp" else None)

    return speed.compare(
        MATCH, ["gemcli", "llama.cpp"], start, lambda engine, step: log.append(f"{engine} {step}.")
    )


def test_engines_run_in_turn_and_their_first_run_does_not_count() -> None:
    log: list[str] = []
    results = compare(log)
    turn = [f"{engine} {what}" for engine in ("gemcli", "llama.cpp") for what in ("runs", "run {}.")]
    assert log == [
        *("gemcli loads", "gemcli load.", "gemcli ends"),
        *("llama.cpp loads", "llama.cpp load.", "llama.cpp ends"),
        *("gemcli loads", "llama.cpp loads"),
        *("gemcli runs", "gemcli warm-up.", "llama.cpp runs", "llama.cpp warm-up."),
        *(line.format(number) for number in (1, 2, 3) for line in turn),
        *("llama.cpp ends", "gemcli ends"),
    ]
    assert sum(line.endswith(".") for line in log) == MATCH.steps(2)
    assert [result.engine for result in results] == ["gemcli", "llama.cpp"]
    for result in results:
        assert result.load_s == 0.5
        assert [each.first_token_s for each in result.timings] == [2.0, 3.0, 4.0]


@pytest.mark.parametrize("fails_at", [0, 2])
def test_one_that_fails_ends_all(fails_at: int) -> None:
    log: list[str] = []
    with pytest.raises(GemcliError, match=r"llama\.cpp failed"):
        compare(log, fails_at)
    assert log[-2:] == ["llama.cpp ends", "gemcli ends"]
    assert sum(line.endswith(" loads") for line in log) == sum(line.endswith(" ends") for line in log)


def test_a_row_holds_medians() -> None:
    timings = [timing(1, 2), timing(2, 1), timing(10, 5, 9)]
    row = speed.row(MATCH, Result("gemcli", 0.5, timings), 10**11, 10**9, BEST)
    assert row.keys() >= KEYS
    assert (row["engine"], row["model"], row["prompt_tokens"], row["decoded_tokens"]) == (
        "gemcli",
        "m",
        100,
        11,
    )
    assert row["prefill_tokens_per_s"] == pytest.approx(50)
    assert row["decode_tokens_per_s"] == pytest.approx(5), "ten tokens after the first, in two seconds"
    assert row["first_token_s"] == 2
    assert row["load_s"] == 0.5
    assert row["peak_bytes"] == 9
    assert row["spread"] == {"prefill": pytest.approx(2.25), "decode": pytest.approx(1.0)}
    assert [run["first_token_s"] for run in row["runs"]] == [1, 2, 10]
    assert [run["decode_tokens_per_s"] for run in row["runs"]] == pytest.approx([5, 10, 2])


def test_a_row_says_how_near_it_is_to_what_is_possible() -> None:
    row = speed.row(MATCH, Result("gemcli", 0, [timing(2, 1)]), 10**11, 10**9, BEST)
    assert row["prefill_gflops"] == pytest.approx(50)
    assert row["prefill_of_ceiling"] == pytest.approx(0.5), "of the faster type"
    assert row["decode_gb_per_s"] == pytest.approx(10)
    assert row["decode_of_ceiling"] == pytest.approx(0.5)


def rows(*engines: tuple[str, str, float, float, int | None]) -> list[dict[str, Any]]:
    return [
        speed.row(
            Match(model, MATCH.ids, 11, 1), Result(engine, 0, [timing(first, decode, peak)]), 1, 1, BEST
        )
        for engine, model, first, decode, peak in engines
    ]


def test_ratios_are_ours_over_theirs() -> None:
    found = speed.ratios(
        rows(
            ("gemcli", "m", 1, 2, 300),
            ("llama.cpp", "m", 2, 1, 100),
            ("transformers", "m", 4, 2, None),
            ("gemcli", "n", 3, 3, 1),
            ("llama.cpp", "n", 3, 6, 1),
        )
    )
    assert found == {
        "m": {
            "llama.cpp": pytest.approx({"prefill": 2, "decode": 0.5, "peak_bytes": 3}),
            "transformers": {"prefill": pytest.approx(4), "decode": pytest.approx(1), "peak_bytes": None},
        },
        "n": {"llama.cpp": pytest.approx({"prefill": 1, "decode": 2, "peak_bytes": 1})},
    }
    assert speed.ratios(rows(("gemcli", "m", 1, 2, 3))) == {}


def test_ratios_of_several_lengths_are_of_each() -> None:
    shorter = rows(("gemcli", "m", 1, 2, 1), ("llama.cpp", "m", 2, 2, 1))
    longer = rows(("gemcli", "m", 4, 2, 1), ("llama.cpp", "m", 12, 2, 1))
    for each in longer:
        each["prompt_tokens"] = 4096
    found = speed.ratios(shorter + longer)
    assert {name: of["llama.cpp"]["prefill"] for name, of in found.items()} == {"m, 100": 2, "m, 4K": 3}


def test_growth_is_told_by_arithmetic() -> None:
    def of(*points: tuple[float, float]) -> list[dict[str, Any]]:
        return [
            {"engine": "e", "model": "m", "first_token_s": seconds, "prefill_gflops": work / seconds}
            for work, seconds in points
        ]

    assert speed.growth(of((100, 2), (200, 4), (800, 16))) == {
        "m": {"e": {"gflops": pytest.approx(50), "r2": pytest.approx(1)}}
    }
    slower = speed.growth(of((100, 1), (200, 2), (400, 8)))["m"]["e"]
    assert slower["r2"] < 0.97, "it grows faster than its arithmetic"
    assert speed.growth(of((100, 2), (200, 4))) == {}, "through two points goes any line"


def test_a_long_prompt_is_not_read_twice_to_warm_up() -> None:
    seen: list[int] = []

    class Notes(Fake):
        def run(self, ids: list[int], tokens: int) -> Timing:
            seen.append(len(ids))
            return timing(1, 1)

    match = Match("m", list(range(40_000)), 11, 2)
    speed.compare(match, ["gemcli"], lambda engine: Notes(engine, []), lambda engine, step: None)  # type: ignore[arg-type, return-value]
    assert seen == [speed.WARM_UP, 40_000, 40_000]


def test_an_engine_that_spins_while_it_waits_is_told_of() -> None:
    still = Result("gemcli", 0, [timing(1, 1, idle=10, busy=0.1)] * 3)
    spins = Result("llama.cpp", 0, [timing(1, 1, idle=10, busy=0.1), timing(1, 1, idle=10, busy=9)])
    (doubt,) = speed.doubts(MATCH, [still, spins])
    assert "llama.cpp kept a core busy for 9.1 of the 20.0 s" in doubt
    assert speed.doubts(MATCH, [spins]) == [], "there is no other to disturb"


@pytest.mark.parametrize(
    ("peer", "absent", "command"),
    [("llama.cpp", {"llama_cpp"}, 'pip install "gemcli[peers]"'),
     ("transformers", {"torch", "gguf"}, 'pip install "gemcli[parity]"')],
)  # fmt: skip
def test_a_peer_that_is_not_installed(
    peer: str, absent: set[str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "find_spec", lambda name: None if name in absent else object())
    with pytest.raises(UsageError) as raised:
        speed.require([peer])
    assert command in (raised.value.hint or "")
    assert all(name in raised.value.message for name in absent)
    speed.require(sorted({"llama.cpp", "transformers"} - {peer}))


def test_the_machine_says_what_ran_where() -> None:
    found = speed.machine(["gemcli", "llama.cpp"], BEST, "cpu")
    assert found["cpu"]["cores"] >= 1
    assert found["device"] == "cpu"
    assert found["gemm_gflops"] == BEST.gemm_gflops
    assert found["read_gb_per_s"] == 20.0
    assert found["engines"]["gemcli"]["jax"]
    assert set(found["engines"]) == {"gemcli", "llama.cpp"}


def test_every_peer_of_the_command_line_is_known() -> None:
    from gemcli.bench.engines import ENGINES
    from gemcli.commands.bench_nll import Peer

    known = {peer.value for peer in Peer}
    assert known == set(speed.PACKAGES) == set(speed.EXTRAS) == set(ENGINES) - {"gemcli"}
    assert set(speed.DISTRIBUTIONS) == set(ENGINES)


def test_the_extras_exist() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(speed.EXTRAS.values()) <= set(project["optional-dependencies"])
