"""Speed of this engine beside others: same file, same prompt, same threads, in turn; medians and ratios.

Machines are shared and their speed drifts, so the engines run one after the other in every round, each in a
process of its own that waits meanwhile.  The ratio of two medians is then worth more than either of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from gemcli.bench.ceiling import Ceiling
from gemcli.bench.contender import Timing
from gemcli.bench.engines import OURS
from gemcli.bench.process import Contender, module_command
from gemcli.bench.sizes import size_name
from gemcli.errors import UsageError

PACKAGES = {"llama.cpp": ("llama_cpp",), "transformers": ("torch", "transformers", "gguf")}
"""What each peer needs, as it is imported."""

EXTRAS = {"llama.cpp": "peers", "transformers": "parity"}

DISTRIBUTIONS = {
    OURS: ("gemcli", "jax", "jaxlib"),
    "llama.cpp": ("llama-cpp-python",),
    "transformers": ("transformers", "torch"),
}

SPINNING = 0.05
"""Part of its waiting time that an engine may keep a core busy before the others' figures are in doubt."""

WARM_UP = 32_768
"""Tokens of a prompt that are read before anything counts: what is longer is not read twice."""

Start = Callable[[str], Contender]
Report = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Match:
    """What is measured.

    Attributes:
        model: its name.
        ids: the prompt.
        tokens: to be written after it, the first one included; at least two.
        runs: of each engine.
    """

    model: str
    ids: Sequence[int]
    tokens: int
    runs: int

    @property
    def context(self) -> int:
        """Tokens that every engine makes room for."""
        return len(self.ids) + self.tokens

    def steps(self, engines: int) -> int:
        """How often `compare` reports."""
        return engines * (2 + self.runs)


@dataclass(frozen=True, slots=True)
class Result:
    """One engine's part in a match.

    Attributes:
        engine: its name.
        load_s: to load the model, all files being in memory already.
        timings: of its runs.
    """

    engine: str
    load_s: float
    timings: Sequence[Timing]


def require(peers: Sequence[str]) -> None:
    """Raise UsageError for a peer that is not installed."""
    for peer in peers:
        missing = [package for package in PACKAGES[peer] if find_spec(package) is None]
        if missing:
            extra = EXTRAS[peer]
            raise UsageError(
                f"--peer {peer} needs {' and '.join(missing)}, which is not installed",
                f'Run: pip install "gemcli[{extra}]", or in a checkout: pip install ".[{extra}]"',
            )


def starter(path: Path, context: int, device: str, attention: str = "auto") -> Start:
    """What starts an engine, by its name, with a model."""
    arguments = (str(path), str(context), device, attention)
    return lambda engine: Contender(engine, module_command("gemcli.bench.contender", engine, *arguments))


def compare(match: Match, engines: Sequence[str], start: Start, report: Report) -> list[Result]:
    """Let engines run in turn.

    Args:
        match: what they do.
        engines: their names.
        start: starts one.
        report: told, after each step, the engine and what it did.

    Raises:
        GemcliError: an engine failed.
    """
    timings: dict[str, list[Timing]] = {engine: [] for engine in engines}
    for engine in engines:
        with start(engine):  # reads the file and lays out what the engine keeps on disk; not counted
            report(engine, "load")
    with ExitStack() as stack:
        running = {engine: stack.enter_context(start(engine)) for engine in engines}
        for engine, contender in running.items():
            contender.run(match.ids[:WARM_UP], match.tokens)  # compiles, touches every weight; not counted
            report(engine, "warm-up")
        for number in range(1, match.runs + 1):
            for engine, contender in running.items():
                timings[engine].append(contender.run(match.ids, match.tokens))
                report(engine, f"run {number}")
        return [Result(engine, running[engine].load_s, timings[engine]) for engine in engines]


def row(match: Match, result: Result, flops: int, read: int, ceiling: Ceiling) -> dict[str, Any]:
    """One row of the contract, all of its speeds being medians, and how near they come to what is possible.

    Args:
        match: what was measured.
        result: one engine's part in it.
        flops: of the prompt, see `gemcli.bench.floors.prompt_flops`.
        read: bytes for a token, see `gemcli.bench.floors.decode_bytes`.
        ceiling: what the machine can do.
    """
    firsts = [timing.first_token_s for timing in result.timings]
    steps = [timing.decode_s / (match.tokens - 1) for timing in result.timings]
    peaks = [timing.peak_bytes for timing in result.timings if timing.peak_bytes is not None]
    gflops, gbytes = flops / median(firsts) / 1e9, read / median(steps) / 1e9
    return {
        "engine": result.engine,
        "model": match.model,
        "prompt_tokens": len(match.ids),
        "decoded_tokens": match.tokens,
        "prefill_tokens_per_s": len(match.ids) / median(firsts),
        "decode_tokens_per_s": 1 / median(steps),
        "first_token_s": median(firsts),
        "load_s": result.load_s,
        "peak_bytes": max(peaks, default=None),
        "prefill_gflops": gflops,
        "prefill_of_ceiling": gflops / ceiling.gflops,
        "decode_gb_per_s": gbytes,
        "decode_of_ceiling": gbytes / ceiling.read_gb_per_s,
        "spread": {"prefill": _spread(firsts), "decode": _spread(steps)},
        "runs": [
            {"first_token_s": first, "decode_tokens_per_s": 1 / step}
            for first, step in zip(firsts, steps, strict=True)
        ],
    }


def ratios(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Ours over each peer's: ``{MODEL: {PEER: {"prefill", "decode", "peak_bytes"}}}``.

    Of the speeds more is better, of the memory less.  With prompts of several lengths it is
    ``MODEL, LENGTH`` in the place of the model.
    """
    several = len({each["prompt_tokens"] for each in rows}) > 1
    ours = {(each["model"], each["prompt_tokens"]): each for each in rows if each["engine"] == OURS}
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for theirs in rows:
        if theirs["engine"] == OURS:
            continue
        mine = ours[theirs["model"], theirs["prompt_tokens"]]
        known = mine["peak_bytes"] and theirs["peak_bytes"]
        name = f"{theirs['model']}, {size_name(theirs['prompt_tokens'])}" if several else theirs["model"]
        found.setdefault(name, {})[theirs["engine"]] = {
            "prefill": mine["prefill_tokens_per_s"] / theirs["prefill_tokens_per_s"],
            "decode": mine["decode_tokens_per_s"] / theirs["decode_tokens_per_s"],
            "peak_bytes": mine["peak_bytes"] / theirs["peak_bytes"] if known else None,
        }
    return found


def growth(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """How far the time of a prompt grows as its arithmetic does: ``{MODEL: {ENGINE: {"gflops", "r2"}}}``.

    What is fitted is seconds = operations / speed, by least squares, to prompts of three lengths or more.
    """
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for each in rows:
        work = each["prefill_gflops"] * each["first_token_s"]
        points.setdefault((each["model"], each["engine"]), []).append((work, each["first_token_s"]))
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (model, engine), each in points.items():
        if len(each) < 3:
            continue
        slope = sum(work * seconds for work, seconds in each) / sum(work**2 for work, _ in each)
        middle = sum(seconds for _, seconds in each) / len(each)
        missed = sum((seconds - slope * work) ** 2 for work, seconds in each)
        spread = sum((seconds - middle) ** 2 for _, seconds in each)
        found.setdefault(model, {})[engine] = {"gflops": 1 / slope, "r2": 1 - missed / spread}
    return found


def doubts(match: Match, results: Sequence[Result]) -> list[str]:
    """What speaks against the figures: engines that kept the processor busy while another one ran."""
    found = []
    for result in results if len(results) > 1 else ():
        waited = sum(timing.idle_s for timing in result.timings)
        busy = sum(timing.idle_cpu_s for timing in result.timings)
        if busy > SPINNING * waited:
            found.append(
                f"{match.model}: {result.engine} kept a core busy for {busy:.1f} of the {waited:.1f} s "
                "that it waited for its turns, so the others' figures are too low"
            )
    return found


def machine(engines: Sequence[str], ceiling: Ceiling, device: str) -> dict[str, Any]:
    """What the figures were measured on, and with which versions."""
    import platform

    from gemcli.checkup import cpu, memory

    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu(),
        "memory": memory(),
        "device": device,
        "engines": {engine: {name: _version(name) for name in DISTRIBUTIONS[engine]} for engine in engines},
        "gemm_gflops": ceiling.gemm_gflops,
        "read_gb_per_s": ceiling.read_gb_per_s,
    }


def _spread(values: Sequence[float]) -> float:
    """Half of what lies between the least and the most, over the median."""
    return (max(values) - min(values)) / 2 / median(values)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
