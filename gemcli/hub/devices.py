"""What this machine can compute on, and how much memory each has; asked without the array library.

An accelerator counts only where the array library can use it: its plugin is installed, and the variable
``JAX_PLATFORMS`` does not forbid it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from gemcli.hub.memory import available_bytes

Kind = Literal["cpu", "gpu", "tpu"]

CUDA_PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin")
INSTALL_CUDA = "Install the CUDA plugin: pip install 'gemcli[gpu]'"
_ASK_NVIDIA = (
    "nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits",
)  # fmt: skip
_PATIENCE_S = 10.0

SHARE = 0.75
"""The part of an accelerator's memory that the array library takes, unless the person says otherwise."""


@dataclass(frozen=True, slots=True)
class Device:
    """Something to compute on.

    Attributes:
        kind: as ``--device`` takes it.
        name: its maker's name for it.
        memory: bytes that a model may take there; None where that is not known.
    """

    kind: Kind
    name: str
    memory: int | None


def devices() -> tuple[Device, ...]:
    """What can be used, the accelerators first; the processor is always there."""
    return (*accelerators(), Device("cpu", "CPU", available_bytes()))


@cache
def accelerators() -> tuple[Device, ...]:
    """The accelerators that can be used."""
    wanted = {each.strip() for each in os.environ.get("JAX_PLATFORMS", "").lower().split(",") if each.strip()}
    found: list[Device] = []
    if (not wanted or wanted & {"cuda", "gpu"}) and any(map(_is_here, CUDA_PLUGINS)):
        found += gpus(_output)
    if (not wanted or "tpu" in wanted) and _is_here("libtpu") and _tpu_nodes(Path("/dev")):
        found.append(Device("tpu", "TPU", None))
    return tuple(found)


def nvidia_driver(root: Path = Path("/")) -> str | None:
    """The version of the NVIDIA kernel driver, or None where there is none."""
    try:
        said = (root / "proc/driver/nvidia/version").read_text("utf-8", "replace")
    except OSError:
        return None
    found = re.search(r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)", said)
    return found[1] if found else None


def nvidia_sign() -> str | None:
    """What tells that there is an NVIDIA GPU: its driver's version, or the place of its tool."""
    return nvidia_driver() or shutil.which(_ASK_NVIDIA[0])


def lacks_cuda() -> bool:
    """Whether there is an NVIDIA GPU, but not what the array library needs to use it."""
    return nvidia_sign() is not None and not any(map(_is_here, CUDA_PLUGINS))


def gpus(ask: Callable[[tuple[str, ...]], str]) -> list[Device]:
    """NVIDIA's GPUs, by what `ask` answers: one line each, name, MiB in all and MiB free."""
    share = _share()
    found = []
    for line in ask(_ASK_NVIDIA).splitlines():
        name, _, rest = line.rpartition(",")
        name, _, total = name.rpartition(",")
        try:
            most = min(float(total) * share, float(rest))
        except ValueError:  # a GPU that does not tell
            continue
        found.append(Device("gpu", name.strip(), int(most * (1 << 20))))
    return found


def _share() -> float:
    try:
        return min(max(float(os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"]), 0.0), 1.0)
    except (KeyError, ValueError):
        return SHARE


def _is_here(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _tpu_nodes(folder: Path) -> bool:
    return any(folder.glob("accel[0-9]*")) or any(folder.glob("vfio/[0-9]*"))


def _output(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout if done.returncode == 0 else ""
