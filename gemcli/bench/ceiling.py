"""What this machine can do at best: a matrix product and a read of memory, the two things that bound a model.

Run as ``python -m gemcli.bench.ceiling DEVICE``, it prints one line of JSON (see `Ceiling`); in a process of
its own, so that this one needs no array library.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from gemcli.bench.process import environment, module_command
from gemcli.errors import GemcliError

SIDE = 1536
"""Of the square matrices: 7 GFLOP a product, far more than the caches hold."""

BYTES = 256 << 20
TRIES = 8


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The best of a few tries, in this moment's company.

    Attributes:
        gemm_gflops: of a square matrix product by XLA, by the type of its operands.
        read_gb_per_s: of memory, by whatever reads it fastest here.
    """

    gemm_gflops: dict[str, float]
    read_gb_per_s: float

    @property
    def gflops(self) -> float:
        """Of the faster type."""
        return max(self.gemm_gflops.values())


def ceiling(device: str) -> Ceiling:
    """Measure in a process of its own; takes some seconds.

    Args:
        device: ``auto``, ``cpu``, ``gpu`` or ``tpu``.

    Raises:
        GemcliError: it failed, e.g. for want of the device.
    """
    done = subprocess.run(
        module_command("gemcli.bench.ceiling", device),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment(),
        start_new_session=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise GemcliError(f"measuring the machine failed: {said[-1] if said else done.returncode}")
    return Ceiling(**json.loads(done.stdout.splitlines()[-1]))


def measure(device: str) -> Ceiling:
    """Measure in this process."""
    from model.load import prepare

    prepare(None, device)
    import jax
    import jax.numpy as jnp

    def product(kind: Any) -> float:
        matrix = jnp.ones((SIDE, SIDE), kind)
        times = jax.jit(lambda a, b: jnp.matmul(a, b, preferred_element_type=jnp.float32))
        return 2 * SIDE**3 / _best(lambda: times(matrix, matrix).block_until_ready()) / 1e9

    summed = jax.jit(jnp.sum)
    numbers = jnp.ones(BYTES // 4, jnp.float32)
    seconds = _best(lambda: summed(numbers).block_until_ready())
    if jax.default_backend() == "cpu":
        seconds = min(seconds, _read_by_threads())
    return Ceiling(
        {kind: product(kind) for kind in ("float32", "bfloat16")},
        BYTES / seconds / 1e9,
    )


def _read_by_threads() -> float:
    """Seconds that numpy takes for `BYTES`, a thread a core."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from gemcli.bench.engines import threads

    parts = np.array_split(np.ones(BYTES // 4, np.float32), threads())
    with ThreadPoolExecutor(threads()) as pool:
        return _best(lambda: list(pool.map(np.max, parts)))


def _best(work: Callable[[], object]) -> float:
    """Least seconds of a few tries; the first, which compiles, does not count."""
    work()
    seconds = []
    for _ in range(TRIES):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


if __name__ == "__main__":
    print(json.dumps(asdict(measure(sys.argv[1]))))
