"""Damaged entries of the compile cache go, whole ones stay."""

from __future__ import annotations

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
    assert [entry.name for entry in tmp_path.iterdir()] == ["good-cache"]


def test_entries_of_another_kind_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "zstd-cache").write_bytes(b"\x28\xb5\x2f\xfd rest")
    (tmp_path / "notes.txt").write_bytes(b"")
    remove_damaged(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_missing_folder_is_no_trouble(tmp_path: Path) -> None:
    remove_damaged(tmp_path / "none")
