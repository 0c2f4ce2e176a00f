"""The laid-out copy on disk: found again when it is whole and ours, never a reason to fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from model.weights import arena
from model.weights.arena import Slot, new_arena, open_arena, source_of

SLOTS = [
    Slot("a", (2, 3), "<f4"),
    Slot("b", (5000,), "|i1"),
    Slot("none", (0, 4), "<f4"),
    Slot("c", (), "<f4"),
]
IDENTITY = "model.gguf\n123\nversion"


def contents() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {slot.name: (rng.standard_normal(slot.shape) * 50).astype(slot.dtype) for slot in SLOTS}


def build(path: Path | None) -> dict[str, np.ndarray]:
    with new_arena(path, SLOTS, IDENTITY) as arrays:
        for name, value in contents().items():
            arrays[name][...] = value
    return dict(arrays)


def assert_whole(arrays: dict[str, np.ndarray] | None) -> None:
    assert arrays is not None
    assert list(arrays) == [slot.name for slot in SLOTS]
    for slot in SLOTS:
        assert arrays[slot.name].dtype == np.dtype(slot.dtype)
        np.testing.assert_array_equal(arrays[slot.name], contents()[slot.name])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "model.weights"


def test_what_is_written_is_found_again(path: Path) -> None:
    assert open_arena(path, SLOTS, IDENTITY) is None
    assert_whole(build(path))
    assert_whole(open_arena(path, SLOTS, IDENTITY))
    assert source_of(path) == IDENTITY
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_arrays_lie_on_pages_and_cannot_be_changed(path: Path) -> None:
    build(path)
    arrays = open_arena(path, SLOTS, IDENTITY)
    assert arrays is not None
    for array in arrays.values():
        assert array.ctypes.data % 4096 == 0
        assert not array.flags.writeable


def test_only_its_owner_may_read_it(path: Path) -> None:
    build(path)
    assert path.parent.stat().st_mode & 0o077 == 0
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda path: os.truncate(path, path.stat().st_size - 1),
        lambda path: os.truncate(path, 10),
        lambda path: os.truncate(path, 0),
        lambda path: os.truncate(path, path.stat().st_size + 1),
        lambda path: path.write_bytes(b"x" * path.stat().st_size),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["one byte short", "cut in the header", "empty", "longer", "foreign", "a folder"],
)
def test_a_damaged_file_is_no_copy(path: Path, change: Callable[[Path], object]) -> None:
    build(path)
    change(path)
    assert open_arena(path, SLOTS, IDENTITY) is None


def test_another_layout_or_source_is_no_copy(path: Path) -> None:
    build(path)
    assert open_arena(path, SLOTS, IDENTITY + "2") is None
    assert open_arena(path, SLOTS[:-1], IDENTITY) is None
    assert open_arena(path, [Slot("a", (3, 2), "<f4"), *SLOTS[1:]], IDENTITY) is None
    assert open_arena(path, [Slot("a", (2, 3), "<i4"), *SLOTS[1:]], IDENTITY) is None
    assert_whole(open_arena(path, SLOTS, IDENTITY))


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"gemcli-weights-1",
        b"gemcli-weights-1\xff\xff\xff\xff",
        b"gemcli-weights-1\x02\0\0\0{}",
        b"\0" * 99,
    ],
)
def test_the_source_of_junk_is_unknown(path: Path, junk: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(junk)
    assert source_of(path) is None
    assert source_of(path.parent) is None
    assert source_of(path.with_name("missing")) is None


def test_memory_alone(tmp_path: Path) -> None:
    assert_whole(build(None))
    assert not list(tmp_path.iterdir())


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_disk_without_room_to_spare(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 1 << 40, 1 << 30))
    assert_whole(build(path))
    assert not list(path.parent.iterdir())


def test_a_disk_that_fills_up_meanwhile_keeps_no_litter(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, offset: int, size: int) -> None:
        os.write(handle, b"some of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    assert_whole(build(path))
    assert not list(path.parent.iterdir())


def test_an_unwritable_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    assert_whole(build(path))
    assert not list(path.parent.iterdir())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert_whole(build(tmp_path / "file" / "model.weights"))
    assert (tmp_path / "file").read_text() == "in the way"


def fail(path: Path, kind: type[BaseException]) -> None:
    with new_arena(path, SLOTS, IDENTITY) as arrays:
        arrays["a"][...] = 1
        raise kind


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_a_failure_while_filling_leaves_nothing(path: Path, kind: type[BaseException]) -> None:
    with pytest.raises(kind):
        fail(path, kind)
    assert not list(path.parent.iterdir())


def test_a_failure_leaves_the_old_copy(path: Path) -> None:
    build(path)
    with pytest.raises(RuntimeError):
        fail(path, RuntimeError)
    assert_whole(open_arena(path, SLOTS, IDENTITY))


def test_a_copy_that_cannot_be_put_in_place_is_done_without(path: Path) -> None:
    (path / "in the way").mkdir(parents=True)
    assert_whole(build(path))
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_an_open_copy_outlives_its_replacement(path: Path) -> None:
    build(path)
    old = open_arena(path, SLOTS, IDENTITY)
    with new_arena(path, SLOTS, IDENTITY) as arrays:
        for array in arrays.values():
            array[...] = 0
    assert_whole(old)


BUILDER = """
import sys, time
from pathlib import Path
from model.weights.arena import Slot, new_arena, open_arena
path, slots = Path(sys.argv[1]), [Slot("a", (1 << 20,), "<f4")]
for round in range(20):
    with new_arena(path, slots, "x") as arrays:
        for start in range(0, 1 << 20, 1 << 18):
            arrays["a"][start : start + (1 << 18)] = 7
    found = open_arena(path, slots, "x")
    assert found is not None and (found["a"] == 7).all()
assert "jax" not in sys.modules
"""


def test_two_processes_at_once(path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", BUILDER, str(path)]) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_killed_process_leaves_a_draft_that_the_next_ones_remove(path: Path) -> None:
    code = "import os\n" + BUILDER.replace('arrays["a"][start', 'os._exit(9); arrays["a"][start')
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9
    (draft,) = path.parent.iterdir()
    build(path)
    assert draft.exists(), "it may be a process at work"
    os.utime(draft, (time.time() - 7200,) * 2)
    build(path)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert arena.source_of(path) == IDENTITY


def test_a_file_that_was_written_to_since_is_not_used(path: Path) -> None:
    """Damage in the middle of the arrays: the header is whole, but the time of change tells."""
    with new_arena(path, SLOTS, IDENTITY):
        pass
    assert open_arena(path, SLOTS, IDENTITY) is not None
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"!")
    assert open_arena(path, SLOTS, IDENTITY) is None
