"""What JAX finds and whether the compiled kernels work, asked by ``gemcli doctor`` in a process of its own.

A broken driver may crash or hang that process, and so may a kernel: each answer is a line of JSON, printed as
soon as it is known.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model.config import ModelConfig


def main(compiled: Path, model: str) -> None:
    """Print three lines: `arrays`, `kernels` with the folder where they are kept, `layers` of a model."""
    found = arrays()
    print(json.dumps(found), flush=True)
    known = kernels(compiled)
    print(json.dumps(known), flush=True)
    print(json.dumps(layers(model, found["backend"], known)), flush=True)


def arrays() -> dict[str, Any]:
    """backend, devices (id, kind, memory_bytes), import_s, start_s."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
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

    Nothing is compiled but into a folder that is there already, where the next question would do it.  On a
    GPU attention has no kernel of its own for all layers: see `layers`.
    """
    import jax

    import model.attention.compiled
    import model.nn.packed
    from model import native

    if jax.default_backend() == "gpu":
        from model.mesh import default_mesh
        from model.nn.linear import few_rows

        rows, why = few_rows("gpu", plain=default_mesh() is not None)
        by = "GPU kernel" if rows else "array library"
        return {"products": {"by": by, "tried": True, "why": "; ".join(why) or None}}
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


def layers(model: str, backend: str, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What computes the attention of each kind of layer of a model.

    Args:
        model: its name, or its file; what can be known of neither has no kinds.
        backend: as JAX names it.
        known: from `kernels`.

    Returns:
        ``model``; ``kinds``, each with ``layers`` in words, their ``count``, and the names of what computes
        ``chunks`` of a prompt and single ``tokens``; ``passed``: why others were passed over.
    """
    from model.attention.kinds import FEW, Kind, implementation_of
    from model.mesh import default_mesh

    config = _config(model)
    specs = [spec.attention for spec in config.layers if spec.attention] if config else []
    passed: list[str] = []
    if config is None or backend == "cpu":
        # As `model.attention.choice` has it, but nothing is compiled to find out.
        chosen = "compiled" if backend == "cpu" and known["attention"]["why"] is None else "blocked"
    else:
        from model.attention.choice import choose

        chosen, passed = choose(config.layers, backend, 16, plain=default_mesh() is not None)
    kinds: dict[str, dict[str, Any]] = {}
    for spec in specs:
        named = Kind.of(spec, 1).layers()
        by = {
            "chunks": implementation_of(chosen, spec, FEW + 1),
            "tokens": implementation_of(chosen, spec, 1),
        }
        kinds.setdefault(named, {"layers": named, "count": 0, **by})["count"] += 1
    return {"model": model, "kinds": list(kinds.values()), "passed": passed}


def _config(model: str) -> ModelConfig | None:
    """The architecture of a model that is here, or was released; None where it is neither."""
    from gemcli.hub.store import find_installed
    from model.arch.released import names, released
    from model.errors import ModelError
    from model.load import describe

    found = find_installed(model) if "/" not in model else None
    path = found.path if found else Path(model)
    try:
        if path.exists():
            return describe(path).config
    except (ModelError, OSError):
        return None
    return released(model).config if model in names() else None


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
