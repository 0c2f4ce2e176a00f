"""The report as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gemcli.bench.engines import OURS
from gemcli.bench.sizes import size_name

HEADER = (
    "model", "engine", "prompt", "prefill tok/s", "GFLOP/s", "of best", "decode tok/s", "GB/s", "of best",
    "first token", "memory", "load",
)  # fmt: skip

NUMBERS = range(2, len(HEADER))
"""Columns that are aligned to the right."""


def lines(rows: Sequence[Mapping[str, Any]]) -> list[list[str | None]]:
    """The rows of `gemcli.bench.speed.row` under `HEADER`; speeds with half their spread."""
    from gemcli.hub.size import size_text

    return [
        [
            row["model"],
            row["engine"],
            size_name(row["prompt_tokens"]),
            f"{row['prefill_tokens_per_s']:,.1f} ±{row['spread']['prefill']:3.0%}",
            f"{row['prefill_gflops']:,.0f}",
            f"{row['prefill_of_ceiling']:.0%}",
            f"{row['decode_tokens_per_s']:,.1f} ±{row['spread']['decode']:3.0%}",
            f"{row['decode_gb_per_s']:,.1f}",
            f"{row['decode_of_ceiling']:.0%}",
            f"{row['first_token_s']:.2f} s",
            None if row["peak_bytes"] is None else size_text(row["peak_bytes"]),
            f"{row['load_s']:.2f} s",
        ]
        for row in rows
    ]


def summary(report: Mapping[str, Any]) -> Iterator[str]:
    """What stands below the table: the ratios, and what the machine can do at best."""
    for model, against in report["ratios"].items():
        for peer, ratio in against.items():
            peak = ratio["peak_bytes"]
            memory = "" if peak is None else f", with {peak:.2f} times the memory"
            yield (
                f"{model}: {OURS} is {ratio['prefill']:.2f} times as fast as {peer} in prefill, "
                f"{ratio['decode']:.2f} times in decoding{memory}"
            )
    for model, engines in report["growth"].items():
        for engine, each in engines.items():
            yield (
                f"{model}, {engine}: the time of a prompt is its arithmetic at {each['gflops']:,.0f} GFLOP/s "
                f"(R² {each['r2']:.4f})"
            )
    for model, each in report.get("clients", {}).items():
        yield (
            f"{model}: {each['clients']} clients at once get {each['tokens_per_s']:,.1f} tokens a second, "
            f"{each['ratio']:.2f} times what they get one after another; {each['identical']} of "
            f"{each['clients']} answers are the same"
        )
    machine = report["machine"]
    best = ", ".join(f"{speed:,.0f} GFLOP/s in {kind}" for kind, speed in machine["gemm_gflops"].items())
    yield f"at best here, on {machine['cpu']['cores']} cores: {best}; {machine['read_gb_per_s']:,.0f} GB/s"


DRAFTS_HEADER = ("model", "task", "way", "decode tok/s", "to steps", "drafted", "right", "answer")

DRAFTS_NUMBERS = range(3, 7)
"""Columns that are aligned to the right."""


def drafts_lines(drafts: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[list[str | None]]:
    """The rows of `gemcli.bench.speculation.compare` of each model under `DRAFTS_HEADER`."""
    return [
        [
            model,
            row["task"],
            row["way"],
            f"{row['decode_tokens_per_s']:,.1f}",
            None if row["ratio"] is None else f"{row['ratio']:.2f}",
            f"{row['drafted_tokens']:,}",
            f"{row['accepted_tokens']:,}",
            "the same" if row["same"] else "ANOTHER ONE",
        ]
        for model, rows in drafts.items()
        for row in rows
    ]


STARTS_HEADER = ("model", "command", "first byte", "fastest", "end")

STARTS_NUMBERS = range(2, 5)
"""Columns that are aligned to the right."""


def starts_lines(started: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[list[str | None]]:
    """The rows of `gemcli.bench.start.starts` of each model under `STARTS_HEADER`."""
    return [
        [
            model,
            row["command"],
            *(f"{row[name]:.2f} s" for name in ("first_byte_s", "fastest_first_byte_s", "end_s")),
        ]
        for model, rows in started.items()
        for row in rows
    ]


def answer_lines(rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], list[list[str | None]]]:
    """Header and lines of the rows of `gemcli.bench.answers.row`."""
    header = ("", "question", "answer", "read", "first token")
    return header, [
        [
            "right" if row["right"] else "wrong",
            _short(row["question"], 48),
            _short(row["error"]["message"] if row["error"] else row["answer"], 48),
            f"{row['read'].get('tokens_read', 0):,}",
            None if row["first_token_s"] is None else f"{row['first_token_s']:.1f} s",
        ]
        for row in rows
    ]


def answer_summary(report: Mapping[str, Any]) -> Iterator[str]:
    """How many were right, and how long it took."""
    if report["questions"]:
        yield f"{report['correct']} of {report['questions']} right"
    if report["absent_questions"]:
        yield f"{report['absent_correct']} of {report['absent_questions']} absent facts said to be absent"
    yield f"{report['model']}, {report['seconds']:,.0f} s"


def _short(text: str, size: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= size else line[: size - 1] + "…"
