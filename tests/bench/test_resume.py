"""Rows of a file survive whatever ends a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemcli.bench.resume import Rows
from gemcli.errors import GemcliError, InputError


def test_what_was_written_is_there_again_for_the_same_run_only(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    first, other = Rows(path, "a"), Rows(path, "b")
    first.add({"x": 1})
    other.add({"x": 2})
    first.add({"x": 3})
    assert first.rows == Rows(path, "a").rows == [{"x": 1}, {"x": 3}]
    assert Rows(path, "b").rows == [{"x": 2}]
    assert Rows(path, "c").rows == []


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_a_torn_line_is_dropped(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "rows.jsonl"
    rows = Rows(path, "a")
    rows.add({"x": 1})
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:cut])
    rows = Rows(path, "a")
    assert rows.rows == [{"x": 1}]
    assert path.read_bytes() == whole + whole[:cut], "nothing is changed before there is something to add"
    rows.add({"x": 2})
    assert path.read_bytes().startswith(whole + b'{"run"')
    assert Rows(path, "a").rows == [{"x": 1}, {"x": 2}]


@pytest.mark.parametrize("line", ["notes\n", '{"x": 1}\n', "[]\n"])
def test_another_file_is_left_alone(tmp_path: Path, line: str) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(line)
    with pytest.raises(InputError, match="line 1, is no row"):
        Rows(path, "a")
    assert path.read_text() == line


def test_a_row_without_what_every_row_has_is_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    Rows(path, "a").add({"length": 4})
    assert Rows(path, "a", ("length",)).rows == [{"length": 4}]
    with pytest.raises(InputError, match="line 1, is no row"):
        Rows(path, "a", ("length", "depth"))


def test_what_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        Rows(tmp_path, "a")
    with pytest.raises(GemcliError, match=r"cannot write .*No such file"):
        Rows(tmp_path / "none" / "rows.jsonl", "a")
    rows = Rows(tmp_path / "rows.jsonl", "a")
    (tmp_path / "rows.jsonl").mkdir()
    with pytest.raises(GemcliError, match=r"cannot write .*directory"):
        rows.add({})


def test_a_place_that_may_not_be_written_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # nothing is closed to root
    with pytest.raises(GemcliError, match=r"cannot write .*denied"):
        Rows(tmp_path / "rows.jsonl", "a")
