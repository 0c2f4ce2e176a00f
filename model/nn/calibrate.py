"""Which product type is the fast one on this processor, measured once for a machine.

It matters where there is no compiled kernel, for products of many rows by the array library.  Processors with
instructions for bf16 multiply it up to twice as fast as f32, others many times slower; and since it keeps
fewer digits of weights and activations, it has to be clearly faster to be chosen.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp

from model.native import processor

Gemm = Literal["float32", "bfloat16"]

_ROWS, _WIDTH = 512, 1024
_SECONDS = 0.05  # for each type
_WORTH = 1.3  # times as fast as f32
_FILE = "products.json"

Measure = Callable[[Gemm], float]


def gemm_type(folder: Path | None, *, keep: bool = True, measure: Measure | None = None) -> Gemm:
    """The type of the operands of products of many rows.

    Args:
        folder: keeps what was found; None measures anew.
        keep: False uses what was found before, and writes nothing.
        measure: seconds of a product, by type; None: `seconds`.
    """
    file = None if folder is None else folder / _FILE
    machine = _machine()
    if file is not None and (known := _kept(file, machine)) is not None:
        return known
    measure = measure or seconds
    best: Gemm = "bfloat16" if measure("bfloat16") * _WORTH < measure("float32") else "float32"
    if file is not None and keep:
        _keep(file, machine, best)
    return best


def seconds(kind: Gemm) -> float:
    """The least time of a product [512, 1024] x [1024, 1024] with an f32 sum, of as many as go into 50 ms."""
    precision = jax.lax.Precision.HIGHEST if kind == "float32" else None

    @jax.jit
    def product(x: jax.Array, weight: jax.Array) -> jax.Array:
        dimensions = (((1,), (1,)), ((), ()))
        return jax.lax.dot_general(
            x, weight, dimensions, precision=precision, preferred_element_type=jnp.float32
        )

    x, weight = jnp.ones((_ROWS, _WIDTH), kind), jnp.ones((_WIDTH, _WIDTH), kind)
    product(x, weight).block_until_ready()  # compiles
    end, least = time.perf_counter() + _SECONDS, float("inf")
    while least == float("inf") or time.perf_counter() < end:
        began = time.perf_counter()
        product(x, weight).block_until_ready()
        least = min(least, time.perf_counter() - began)
    return least


def _machine() -> str:
    """Changes with the array library, the processor and how much of it is ours."""
    from jaxlib.version import __version__ as version

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return hashlib.sha256(f"{version}\n{processor()}\n{cores}".encode()).hexdigest()[:16]


def _kept(file: Path, machine: str) -> Gemm | None:
    """What was found on this machine; None where nothing was, or the file is damaged."""
    try:
        found = json.loads(file.read_text("utf-8"))[machine]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found in ("float32", "bfloat16") else None


def _keep(file: Path, machine: str, found: Gemm) -> None:
    """Write it down; where that is impossible it is measured again next time."""
    with contextlib.suppress(OSError):
        handle, draft = tempfile.mkstemp(dir=file.parent, prefix=_FILE, suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8") as written:
            json.dump({machine: found}, written)
        Path(draft).replace(file)
