"""Devices and their memory, without the array library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gemcli.hub import devices
from gemcli.hub.devices import Device, gpus

CARDS = "NVIDIA H100 80GB HBM3, 81559, 81000\nOdd, name, 24564, 1000\nBroken, [N/A], [N/A]\n"


def test_gpus_and_what_may_be_taken_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XLA_PYTHON_CLIENT_MEM_FRACTION", raising=False)
    found = gpus(lambda command: CARDS)
    assert found == [
        Device("gpu", "NVIDIA H100 80GB HBM3", int(81559 * 0.75 * (1 << 20))),
        Device("gpu", "Odd, name", 1000 << 20),
    ]
    monkeypatch.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.5")
    assert gpus(lambda command: CARDS)[0].memory == int(81559 * 0.5 * (1 << 20))
    monkeypatch.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", "much")
    assert gpus(lambda command: CARDS)[0].memory == int(81559 * 0.75 * (1 << 20))


def test_no_answer_is_no_gpu() -> None:
    assert gpus(lambda command: "") == []
    assert gpus(lambda command: "NVIDIA-SMI has failed because it couldn't communicate\n") == []


@pytest.mark.parametrize(
    ("platforms", "plugins", "kinds"),
    [
        ("", {"jax_cuda12_plugin"}, ["gpu"]),
        ("", set(), []),
        ("cpu", {"jax_cuda12_plugin", "libtpu"}, []),
        ("cuda,cpu", {"jax_cuda13_plugin", "libtpu"}, ["gpu"]),
        ("", {"libtpu"}, ["tpu"]),
    ],
)
def test_an_accelerator_counts_where_it_can_be_used(
    monkeypatch: pytest.MonkeyPatch, platforms: str, plugins: set[str], kinds: list[str]
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("JAX_PLATFORMS", platforms)
    monkeypatch.setattr(devices, "_is_here", lambda module: module in plugins)
    monkeypatch.setattr(devices, "_output", lambda command: CARDS.splitlines()[0])
    monkeypatch.setattr(devices, "_tpu_nodes", lambda folder: True)
    devices.accelerators.cache_clear()
    try:
        assert [each.kind for each in devices.accelerators()] == kinds
    finally:
        devices.accelerators.cache_clear()


def test_the_processor_is_always_there() -> None:
    *_, last = devices.devices()
    assert last.kind == "cpu"
    assert last.memory is None or last.memory > 0


def test_asking_needs_no_array_library() -> None:
    code = (
        "import sys, gemcli.hub.devices as d; d.devices(); print(sorted({'jax', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "[]"
