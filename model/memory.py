"""How much memory the accelerator that computes has left."""

from __future__ import annotations

import sys


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
