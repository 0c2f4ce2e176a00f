"""What results depend on beside what is computed: the code, the array library and the machine."""

from __future__ import annotations

import hashlib
import os
import platform
from functools import cache
from pathlib import Path


@cache
def code() -> str:
    """Of the engine room's source: what it computes changes with it."""
    digest = hashlib.blake2b(digest_size=16)
    root = Path(__file__).parent
    for path in sorted(each for end in ("py", "c", "h") for each in root.rglob(f"*.{end}")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def machine() -> tuple[object, ...]:
    """What decides which instructions are used, and so how sums are rounded."""
    import jax
    from jaxlib.version import __version__ as jaxlib

    device = jax.devices()[0]
    settings = sorted(
        (key, value) for key, value in os.environ.items() if key in ("XLA_FLAGS", "JAX_ENABLE_X64")
    )
    return (
        jax.__version__,
        jaxlib,
        jax.default_backend(),
        device.device_kind,
        device.client.platform_version,
        platform.machine(),
        _features(),
        _processors(),
        getattr(jax.config, "jax_default_matmul_precision", None),
        settings,
    )


@cache
def _features() -> str:
    """What the processor can do, as far as the system tells."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() in ("flags", "Features"):
                    return " ".join(sorted(value.split()))
    except OSError:
        pass
    return platform.processor()


def _processors() -> int:
    """How many may be used: sums are divided among them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
