"""What the machine can do at best."""

from __future__ import annotations

import pytest

from gemcli.bench import ceiling
from gemcli.bench.ceiling import Ceiling
from gemcli.errors import GemcliError


def test_it_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SIDE", 64), ("BYTES", 1 << 16), ("TRIES", 2)):
        monkeypatch.setattr(ceiling, name, value)
    found = ceiling.measure("auto")
    assert set(found.gemm_gflops) == {"float32", "bfloat16"}
    assert all(0 < speed < 1e6 for speed in found.gemm_gflops.values())
    assert 0 < found.read_gb_per_s < 1e5


def test_the_faster_type_counts() -> None:
    assert Ceiling({"float32": 2.0, "bfloat16": 3.0}, 1.0).gflops == 3.0


def test_a_device_that_is_not_there_is_told() -> None:
    with pytest.raises(GemcliError, match=r"measuring the machine failed: .*tpu"):
        ceiling.ceiling("tpu")
