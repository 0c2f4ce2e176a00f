"""How much memory what computes has left."""

from __future__ import annotations

import sys
from pathlib import Path


def accelerator_bytes() -> int | None:
    """Bytes that may still be taken on the first device; None on a CPU, or where it does not tell.

    Asked once the array library is there; this alone never brings it in.
    """
    if "jax" not in sys.modules:
        return None
    import jax

    device = jax.devices()[0]
    if device.platform == "cpu":
        return None
    told = device.memory_stats() or {}
    limit = told.get("bytes_limit")
    return None if limit is None else limit - told.get("bytes_in_use", 0)


def available_bytes() -> int | None:
    """Bytes that may still be taken where states lie: on the accelerator, or in the machine's memory.

    None where neither tells.
    """
    left = accelerator_bytes()
    if left is not None:
        return left
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None
