"""Free memory as each system tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemcli.hub import memory


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = "MemTotal:       24000000 kB\nMemFree:         1000000 kB\nMemAvailable:   22000000 kB\n"


@pytest.mark.parametrize(
    ("files", "available"),
    [
        ({"proc/meminfo": MEMINFO}, 22_000_000 * 1024),
        ({}, None),
        ({"proc/meminfo": MEMINFO, "sys/fs/cgroup/memory.max": "max\n"}, 22_000_000 * 1024),
        (
            {
                "proc/meminfo": MEMINFO,
                "sys/fs/cgroup/memory.max": "4000000000\n",
                "sys/fs/cgroup/memory.current": "3500000000\n",
                "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 1000000000\n",
            },
            1_500_000_000,
        ),
        (
            {
                "proc/meminfo": MEMINFO,
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "2000000000",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "2100000000",
            },
            0,
        ),
    ],
)
def test_linux(tmp_path: Path, files: dict[str, str], available: int | None) -> None:
    assert memory._linux(tree(tmp_path, files)) == available


def test_macos() -> None:
    said = (
        "Mach Virtual Memory Statistics: (page size of 16384 bytes)\n"
        "Pages free:                               10000.\n"
        "Pages active:                            400000.\n"
        "Pages inactive:                           20000.\n"
        "Pages speculative:                         3000.\n"
        "Pages purgeable:                            400.\n"
    )
    assert memory._darwin(said) == 33_400 * 16384
    assert memory._darwin("") is None


def test_this_machine_has_some() -> None:
    available = memory.available_bytes()
    assert available is not None
    assert available > 0
