"""How much memory is free on this machine, by the standard library alone."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path


def available_bytes() -> int | None:
    """Bytes that a program may take now without swapping, limits of a container included; None if unknown."""
    if sys.platform == "win32":
        return _windows()
    if sys.platform == "darwin":
        return _darwin(_output(["/usr/bin/vm_stat"]))
    return _linux(Path("/"))


def _linux(root: Path) -> int | None:
    """``MemAvailable``, or what the control group (version 2 or 1) leaves, whichever is less."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    limits = [int(found[1]) * 1024] if found else []
    groups = root / "sys/fs/cgroup"
    for limit, used, statistics, cache in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
            "total_inactive_file",
        ),
    ):
        with suppress(ValueError):  # "max", or no such file
            most, now = int(_text(groups / limit)), int(_text(groups / used))
            # Pages of files that were read count as used, yet are given up when room is needed.
            kept = re.search(rf"^{cache} (\d+)$", _text(groups / statistics), re.MULTILINE)
            limits.append(max(0, most - now + (int(kept[1]) if kept else 0)))
    return min(limits, default=None)


def _darwin(vm_stat: str) -> int | None:
    page = re.search(r"page size of (\d+) bytes", vm_stat)
    kinds = ("free", "inactive", "speculative", "purgeable")
    pages = [re.search(rf"^Pages {kind}:\s+(\d+)\.", vm_stat, re.MULTILINE) for kind in kinds]
    counts = [int(each[1]) for each in pages if each]
    return sum(counts) * int(page[1]) if page and counts else None


def _windows() -> int | None:
    import ctypes

    class MemoryStatus(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((f"bytes{index}", ctypes.c_ulonglong) for index in range(7)),
        )

    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - the name exists on Windows only
    return status.bytes1 if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None


def _output(command: list[str]) -> str:
    import subprocess

    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
