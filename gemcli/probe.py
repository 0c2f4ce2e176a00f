"""What JAX finds and whether the compiled kernels work, asked by ``gemcli doctor`` in a process of its own.

A broken driver may crash or hang that process, and so may a kernel: each answer is a line of JSON, printed as
soon as it is known.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


def main(compiled: Path) -> None:
    """Print two lines: `arrays`, then `kernels` with the folder where they are kept."""
    print(json.dumps(arrays()), flush=True)
    print(json.dumps(kernels(compiled)), flush=True)


def arrays() -> dict[str, Any]:
    """backend, devices (id, kind, memory_bytes), import_s, start_s."""
    began = time.perf_counter()
    import jax

    imported = time.perf_counter() - began
    devices = [
        {
            "id": device.id,
            "kind": device.device_kind,
            "memory_bytes": (device.memory_stats() or {}).get("bytes_limit"),
        }
        for device in jax.devices()
    ]
    return {
        "backend": jax.default_backend(),
        "devices": devices,
        "import_s": round(imported, 3),
        "start_s": round(time.perf_counter() - began, 3),
    }


def kernels(compiled: Path) -> dict[str, dict[str, Any]]:
    """For products and attention: by what they are computed, whether that was tried, and why not faster.

    Nothing is compiled but into a folder that is there already, where the next question would do it.
    """
    import model.attention.compiled
    import model.nn.packed
    from model import native

    known = {"products": model.nn.packed.KERNEL, "attention": model.attention.compiled.KERNEL}
    found = {}
    for name, kernel in known.items():
        tried = compiled.is_dir()
        why = native.enable(kernel, compiled) if tried else native.obstacle()
        found[name] = {
            "by": "compiled kernel" if why is None else "array library",
            "tried": tried,
            "why": why,
        }
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
