"""A name for all that a model's numbers depend on beside the prompt.

Where anything in it differs nothing that was kept is found: the file of weights, how they are held and
multiplied, the code, the array library and the machine.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_LOOKS = 256  # places of a file that are looked at
_LOOK = 4096  # bytes at each


def namespace(files: Iterable[Path], *ways: object) -> str:
    """The name.

    Args:
        files: what holds the model: files, or folders of safetensors.
        ways: how it is computed; what has the same `repr` is the same.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    for each in files:
        for file in sorted(each.glob("*.safetensors*")) if each.is_dir() else [each]:
            digest.update(_contents(file))
    for way in (*ways, _code(), _machine()):
        digest.update(repr(way).encode() + b"\0")
    return digest.hexdigest()


def _contents(path: Path) -> bytes:
    """What tells a file from others without reading all of it: its size, its time, and what stands at many
    places of it.

    Not its name: one that is moved stays what it is.  Whoever changes a file in a place that is not looked
    at, and sets back its time too, means to deceive.
    """
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb", buffering=0) as file:
        stat = os.fstat(file.fileno())
        digest.update(f"{stat.st_size} {stat.st_mtime_ns}".encode())
        last = max(stat.st_size - _LOOK, 0)
        for number in range(_LOOKS):
            file.seek(last * number // (_LOOKS - 1))
            digest.update(file.read(_LOOK))
    return digest.digest()


@cache
def _code() -> str:
    """Of the engine room's source: what it computes changes with it."""
    digest = hashlib.blake2b(digest_size=16)
    root = Path(__file__).parents[1]
    for path in sorted(each for end in ("py", "c", "h") for each in root.rglob(f"*.{end}")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _machine() -> tuple[object, ...]:
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
        platform.machine(),
        _features(),
        _processors(),
        getattr(jax.config, "jax_default_matmul_precision", None),
        settings,
    )


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
