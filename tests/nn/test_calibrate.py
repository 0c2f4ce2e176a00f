"""The product type is measured once for a machine, and what was found is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.nn.calibrate import Gemm, gemm_type, seconds

SPEEDS: dict[str, dict[Gemm, float]] = {
    "without bf16": {"float32": 1.0, "bfloat16": 4.0},
    "with bf16": {"float32": 1.0, "bfloat16": 0.5},
    "hardly faster": {"float32": 1.0, "bfloat16": 0.9},
}


@pytest.mark.parametrize(
    ("machine", "want"),
    [("without bf16", "float32"), ("with bf16", "bfloat16"), ("hardly faster", "float32")],
)
def test_the_faster_one_is_chosen_once(tmp_path: Path, machine: str, want: str) -> None:
    measured: list[Gemm] = []

    def measure(kind: Gemm) -> float:
        measured.append(kind)
        return SPEEDS[machine][kind]

    assert gemm_type(tmp_path, measure=measure) == want
    assert sorted(measured) == ["bfloat16", "float32"]
    assert gemm_type(tmp_path, measure=measure) == want
    assert len(measured) == 2, "what was found is kept"
    assert [each.name for each in tmp_path.iterdir()] == ["products.json"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"x": 1}', b"\xff", b"null"])
def test_a_damaged_file_is_measured_again(tmp_path: Path, damage: bytes) -> None:
    fast = SPEEDS["with bf16"].__getitem__
    (tmp_path / "products.json").write_bytes(damage)
    assert gemm_type(tmp_path, measure=fast) == "bfloat16"
    assert gemm_type(tmp_path, measure=SPEEDS["without bf16"].__getitem__) == "bfloat16", "kept by then"


def test_nothing_is_written_where_nothing_is_kept(tmp_path: Path) -> None:
    gemm_type(tmp_path, keep=False, measure=SPEEDS["with bf16"].__getitem__)
    gemm_type(None, measure=SPEEDS["with bf16"].__getitem__)
    assert gemm_type(tmp_path / "nowhere", measure=SPEEDS["with bf16"].__getitem__) == "bfloat16"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_a_real_product_takes_a_real_time(kind: Gemm) -> None:
    assert 1e-5 < seconds(kind) < 10
