"""The report as lines for people."""

from __future__ import annotations

from typing import Any

from gemcli.bench import table

ROW: dict[str, Any] = {
    "engine": "gemcli", "model": "m", "prompt_tokens": 2048, "prefill_tokens_per_s": 1234.56,
    "decode_tokens_per_s": 7.89, "first_token_s": 1.5, "load_s": 0.25, "peak_bytes": 1_500_000_000,
    "prefill_gflops": 99.6, "prefill_of_ceiling": 0.5, "decode_gb_per_s": 8.04, "decode_of_ceiling": 0.333,
    "spread": {"prefill": 0.021, "decode": 0.1},
}  # fmt: skip


def test_a_line_has_every_column() -> None:
    (line,) = table.lines([ROW])
    assert line == [
        "m", "gemcli", "2K", "1,234.6 ± 2%", "100", "50%", "7.9 ±10%", "8.0", "33%", "1.50 s", "1.50 GB",
        "0.25 s",
    ]  # fmt: skip
    assert len(line) == len(table.HEADER)
    assert set(table.NUMBERS) == set(range(2, len(table.HEADER)))


def test_a_peak_that_is_not_known() -> None:
    assert table.lines([ROW | {"peak_bytes": None}])[0][10] is None


def test_the_summary() -> None:
    ratios = {
        "m": {
            "llama.cpp": {"prefill": 1.25, "decode": 0.5, "peak_bytes": 3.0},
            "transformers": {"prefill": 2.0, "decode": 4.0, "peak_bytes": None},
        }
    }
    machine = {
        "cpu": {"cores": 2},
        "gemm_gflops": {"float32": 105.2, "bfloat16": 54.0},
        "read_gb_per_s": 20.9,
    }
    growth = {"m": {"gemcli": {"gflops": 95.4, "r2": 0.99912}}}
    assert list(table.summary({"ratios": ratios, "growth": growth, "machine": machine})) == [
        "m: gemcli is 1.25 times as fast as llama.cpp in prefill, 0.50 times in decoding, "
        "with 3.00 times the memory",
        "m: gemcli is 2.00 times as fast as transformers in prefill, 4.00 times in decoding",
        "m, gemcli: the time of a prompt is its arithmetic at 95 GFLOP/s (R² 0.9991)",
        "at best here, on 2 cores: 105 GFLOP/s in float32, 54 GFLOP/s in bfloat16; 21 GB/s",
    ]
