"""Damaged entries of the compile cache go, whole ones stay."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from model.compiled import remove_damaged

WHOLE = zlib.compress(b"a program" * 100)


@pytest.mark.parametrize(
    "damaged", [b"", b"\0" * 64, WHOLE[:-1], WHOLE[: len(WHOLE) // 2], WHOLE[:9] + b"!" + WHOLE[10:]]
)
def test_damaged_entries_are_removed(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "good-cache").write_bytes(WHOLE)
    (tmp_path / "bad-cache").write_bytes(damaged)
    remove_damaged(tmp_path)
    assert [entry.name for entry in tmp_path.glob("*-cache")] == ["good-cache"]


def test_entries_of_another_kind_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "zstd-cache").write_bytes(b"\x28\xb5\x2f\xfd rest")
    (tmp_path / "notes.txt").write_bytes(b"")
    remove_damaged(tmp_path)
    assert (tmp_path / "zstd-cache").exists()
    assert (tmp_path / "notes.txt").exists()


def test_a_missing_folder_is_no_trouble(tmp_path: Path) -> None:
    remove_damaged(tmp_path / "none")


def test_what_was_whole_long_after_it_was_written_is_not_read_again(tmp_path, monkeypatch) -> None:
    (tmp_path / "old-cache").write_bytes(WHOLE)
    monkeypatch.setattr("model.compiled._SETTLES", 0.0)
    remove_damaged(tmp_path)
    later = (tmp_path / "old-cache").stat().st_ctime + 1
    os.utime(tmp_path / ".looked-through", (later, later))
    (tmp_path / "new-cache").write_bytes(WHOLE)
    read: list[str] = []
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.name) or whole(path))
    remove_damaged(tmp_path)
    assert read == []
    monkeypatch.setattr("model.compiled._SETTLES", 60.0)
    (tmp_path / "new-cache").write_bytes(WHOLE[:-1])
    remove_damaged(tmp_path)
    assert sorted(read) == ["new-cache", "old-cache"]
    assert not (tmp_path / "new-cache").exists()
    assert (tmp_path / "old-cache").exists()
