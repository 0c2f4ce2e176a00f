"""What this machine has for running models, gathered for ``gemcli doctor``."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from gemcli import __version__
from gemcli.hub.devices import INSTALL_CUDA, lacks_cuda, nvidia_sign

LIBRARIES = ("jax", "jaxlib", "numpy", "tokenizers", "sentencepiece", "pypdfium2", "jinja2", "rich", "typer")
FEATURES = (
    "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8",
    "amx_bf16", "asimd", "asimddp", "i8mm", "bf16", "sve",
)  # fmt: skip
PROBE_TIMEOUT_S = 60


def checkup() -> dict[str, Any]:
    """The whole report, ready for JSON; ``problems`` holds a message and a hint for each thing amiss."""
    known = models()
    arrays, kernels, layers = probe(model=known["default"])
    problems = [*array_problems(arrays), *_disk_problems()]
    if "error" not in arrays:
        problems += kernel_problems(kernels)
    return {
        "schema_version": 1,
        "gemcli": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libraries": {name: _version(name) for name in LIBRARIES},
        "cpu": cpu(),
        "memory": memory(),
        "arrays": arrays,
        "kernels": kernels,
        "layers": layers,
        "folders": folders(),
        "models": known,
        "settings": settings_in_force(),
        "problems": problems,
    }


def probe(
    python: str = sys.executable, model: str = ""
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What JAX finds, which kernels compute, and what each kind of a model's layers, asked in a process of
    its own (`gemcli.probe`).

    Returns:
        Its three answers; each is ``error`` alone where the process ended before it.
    """
    from gemcli.settings import cache_dir

    try:
        done = subprocess.run(
            [python, "-P", "-m", "gemcli.probe", str(cache_dir() / "compiled"), model],
            capture_output=True,
            timeout=PROBE_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said, why = error.stdout, f"no answer within {PROBE_TIMEOUT_S} seconds"
    except OSError as error:
        said, why = b"", f"{python} cannot be run: {error.strerror}"
    else:
        said, why = done.stdout, _ending(done)
    answers = [json.loads(line) for line in (said or b"").splitlines() if line.startswith(b"{")]
    answers += [{"error": why}] * (3 - len(answers))
    return answers[0], answers[1], answers[2]


def _ending(done: subprocess.CompletedProcess[bytes]) -> str:
    """How a process ended, in a line: its own last word, where it had time for one."""
    if done.returncode < 0:
        return f"ended by signal {-done.returncode}"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"


def cpu() -> dict[str, Any]:
    """The processor's name, the cores that we may use, and its instructions that matter for speed."""
    said = _text(Path("/proc/cpuinfo"))
    name = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", said, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", said, re.MULTILINE)
    have = set(flags[1].split()) if flags else set()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "name": name[1].strip() if name else platform.processor() or platform.machine(),
        "cores": usable,
        "features": [each for each in FEATURES if each in have],
    }


def memory() -> dict[str, int | None]:
    """Bytes of memory that are free now, and in all where the system tells."""
    from gemcli.hub.memory import available_bytes

    total = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"available_bytes": available_bytes(), "total_bytes": total}


def folders() -> dict[str, dict[str, Any]]:
    """Where things are kept, how much they take, and how much room is left there."""
    from gemcli import settings

    places = {
        "config": settings.config_dir(),
        "data": settings.data_dir(),
        "models": settings.models_dir(),
        "cache": settings.cache_dir(),
        "compiled programs": settings.cache_dir() / "compiled",
        "unpacked weights": settings.cache_dir() / "weights",
    }
    return {
        name: {"path": str(place), "used_bytes": used_bytes(place), "free_bytes": _free(place)}
        for name, place in places.items()
    }


def models() -> dict[str, Any]:
    """The default model and why, what it can sense, and what is installed."""
    from gemcli.hub import store
    from gemcli.hub.default import default_name

    name, why = default_name()
    if chosen := os.environ.get("GEMCLI_MODEL"):
        name, why = chosen, "set by the variable GEMCLI_MODEL"
    return {
        "default": name,
        "why": why,
        "senses": _senses(name),
        "installed": [
            {"name": each.name, "path": str(each.path), "bytes": each.size, "state": each.state}
            for each in store.installed()
        ],
    }


def _senses(name: str) -> list[str]:
    """What a model takes, as far as its name tells it."""
    from gemcli.errors import UsageError
    from gemcli.hub import aliases, catalog

    if alias := aliases.find(name):
        return list(alias.senses)
    try:
        return list(catalog.find(name).senses)
    except UsageError:  # a path, or a name on a hub
        return ["text"]


def settings_in_force() -> dict[str, Any]:
    """The configuration file's keys and the ``GEMCLI_*`` variables that are set."""
    from gemcli.settings import config_path, load_config

    return {
        "file": str(config_path()),
        "keys": load_config(),
        "variables": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith("GEMCLI_")
        },
    }


def array_problems(arrays: Mapping[str, Any]) -> list[dict[str, str]]:
    """What keeps the best device from being used."""
    problems = []
    if "error" in arrays:
        problems.append(
            {
                "message": f"JAX does not start: {arrays['error']}",
                "hint": "Install it again: pip install -U jax",
            }
        )
    driver = nvidia_sign()
    if arrays.get("backend") not in ("gpu", "cuda", "rocm") and driver:
        problems.append(
            {
                "message": f"there is an NVIDIA driver ({driver}), but JAX does not use the GPU",
                "hint": INSTALL_CUDA
                if lacks_cuda()
                else "The CUDA plugin is installed: `gemcli ask --device gpu` says why it is not used.",
            }
        )
    if arrays.get("backend") != "tpu" and any(Path("/dev").glob("accel[0-9]*")):
        problems.append(
            {
                "message": "there is a TPU, but JAX does not use it",
                "hint": "Install the TPU plugin: pip install 'gemcli[tpu]'",
            }
        )
    return problems


def kernel_problems(kernels: Mapping[str, Any]) -> list[dict[str, str]]:
    """What keeps the compiled kernels from being used, where something can be done about it."""
    from model.native import NO_COMPILER

    if "error" in kernels:
        return [
            {
                "message": f"the compiled kernels cannot be tried: {kernels['error']}",
                "hint": "Set the variable CC=false: answers then come without them, slower.",
            }
        ]
    if any(kernel["why"] == NO_COMPILER for kernel in kernels.values()):
        return [
            {
                "message": "there is no C compiler, so answers are slower than this machine could give them",
                "hint": "Install gcc or clang; the next question then compiles what it needs, once.",
            }
        ]
    return []


def _disk_problems() -> list[dict[str, str]]:
    from gemcli.settings import cache_dir

    free = _free(cache_dir())
    if free is not None and free < 1 << 30:
        return [
            {
                "message": f"only {free / 1e6:,.0f} MB are free in {cache_dir()}: programs cannot be kept",
                "hint": "Free some space, or set GEMCLI_HOME to a folder on a larger disk.",
            }
        ]
    return []


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def used_bytes(folder: Path) -> int:
    """Bytes of the files in a folder; what vanishes meanwhile does not count."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(Path(base, name)).st_size
            except OSError:
                continue
    return total


def _free(folder: Path) -> int | None:
    """Bytes free where a folder is, or would be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
