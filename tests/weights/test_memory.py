"""Loading a checkpoint of 2 GB takes hardly more memory than what it becomes."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Random bf16 numbers, the same few millions over and over."""
    spec = importlib.util.spec_from_file_location("loading", HERE / "loading.py")
    assert spec is not None
    assert spec.loader is not None
    loading = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loading)
    from model.weights.load import _leaves

    shapes = {
        source.name: source.stored or source.shape
        for leaf in _leaves(loading.CONFIG, loading.NAMES)
        for _, source in leaf.sources
    }
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    assert at > 1.9e9
    text = json.dumps(header).encode()
    path = tmp_path_factory.mktemp("checkpoint") / "model.safetensors"
    numbers = np.random.default_rng(0).standard_normal(1 << 22).astype(np.float32).view(np.uint32) >> 16
    block = numbers.astype("<u2").tobytes()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        while at > 0:
            at -= file.write(block[:at])
    yield path
    path.unlink()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("precision", ["packed", "grouped"])
def test_the_peak_is_the_result_and_a_third_and_the_largest_tensor(checkpoint: Path, precision: str) -> None:
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(HERE.parents[1])}
    said = subprocess.run(
        [sys.executable, HERE / "loading.py", checkpoint, precision],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr
    took = json.loads(said.stdout)
    assert took["result"] > 0.9e9
    assert took["peak"] - took["before"] <= 1.3 * took["result"] + took["largest"]
