"""The file of records: whole lines only, whatever happened to it, and nobody else's file is touched."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.batch import journal as journals
from gemcli.batch.journal import Journal
from gemcli.errors import GemcliError, UsageError
from gemcli.json_lines import encode


def record(source: str, key: str = "k", status: str = "ok", answer: str = "yes") -> dict[str, Any]:
    return {"source": source, "status": status, "answer": answer, "key": key}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_what_was_written_is_known_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with Journal(path) as journal:
        assert journal.done == {}
        journal.append(record("a", "1"))
        journal.append(record("é\n", "2", answer="\ud800"))  # half a pair cannot be written as it is
    with Journal(path) as journal:
        assert not journal.torn
        assert set(journal.done) == {"1", "2"}
        assert set(journal.done["2"]) == {"é\n"}


@given(st.lists(st.text(max_size=20), min_size=1, max_size=6, unique=True), st.data())
@settings(deadline=None)
def test_a_kill_at_any_byte_loses_the_last_record_at_most(names: list[str], data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.jsonl"
        whole = [encode(record(name, str(number))) for number, name in enumerate(names)]
        cut = data.draw(st.integers(0, sum(map(len, whole))))
        path.write_bytes(b"".join(whole)[:cut])
        kept = 0
        while kept < len(whole) and sum(map(len, whole[: kept + 1])) <= cut:
            kept += 1
        with Journal(path) as journal:
            assert set(journal.done) == {str(number) for number in range(kept)}
            for number in range(kept, len(names)):
                journal.append(record(names[number], str(number)))
        assert path.read_bytes() == b"".join(whole)


@pytest.mark.parametrize(
    "content",
    [b"my notes\n", b"my notes", b'{"a": 1}\n', b"[1]\n", b'{"source": 1, "status": "ok"}\n', b"\xff\xfe"],
)
def test_another_file_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="something else"):
        Journal(path)
    assert path.read_bytes() == content


def test_zeros_behind_the_last_record_are_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(encode(record("a")) + b"\0" * 100)
    with Journal(path) as journal:
        assert journal.torn
        journal.append(record("b"))
    assert [each["source"] for each in lines(path)] == ["a", "b"]


def test_only_one_batch_writes_a_file(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with Journal(path), pytest.raises(GemcliError, match="another batch"):
        Journal(path)
    Journal(path).__exit__(None, None, None)


def test_what_failed_is_dropped_where_it_is_to_be_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with Journal(path) as journal:
        for name, status in [("a", "ok"), ("b", "error"), ("c", "ok")]:
            journal.append(record(name, name, status))
    with Journal(path, again=True) as journal:
        assert set(journal.done) == {"a", "c"}
        with pytest.raises(GemcliError, match="another batch"):  # the new file is locked as the old one was
            Journal(path)
        journal.append(record("b", "b"))
    assert [each["source"] for each in lines(path)] == ["a", "c", "b"]
    assert not [*tmp_path.glob("*.part")]


@pytest.mark.skipif(os.name == "nt", reason="there are no such modes and links")
def test_what_is_dropped_changes_neither_who_may_read_nor_where_it_is(tmp_path: Path) -> None:
    path, link = tmp_path / "elsewhere" / "o.jsonl", tmp_path / "o.jsonl"
    path.parent.mkdir()
    link.symlink_to(path)
    with Journal(link) as journal:
        journal.append(record("a", "k1"))
        journal.append(record("b", "k2", status="error"))
    path.chmod(0o600)
    with Journal(link, again=True) as journal:
        assert set(journal.done) == {"k1"}
        journal.append(record("b", "k2"))
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each["source"] for each in lines(path)] == ["a", "b"]
    assert [each.name for each in path.parent.iterdir()] == ["o.jsonl"]


@pytest.mark.skipif(os.name == "nt", reason="an open file keeps its name there")
def test_a_file_that_was_replaced_while_it_was_opened_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another batch with --retry ends between our opening of the file and our lock on it."""
    path, lock = tmp_path / "o.jsonl", journals._lock
    path.write_bytes(encode(record("a", "k1")))
    others = [encode(record("a", "k1")) + encode(record("b", "k2"))]

    def late(file: Any, there: Path) -> None:
        if others:
            (tmp_path / "new").write_bytes(others.pop())
            (tmp_path / "new").replace(path)
        lock(file, there)

    monkeypatch.setattr(journals, "_lock", late)
    with Journal(path) as journal:
        assert set(journal.done) == {"k1", "k2"}
        journal.append(record("c", "k3"))
    assert [each["source"] for each in lines(path)] == ["a", "b", "c"]


def test_a_folder_is_no_file_to_write_to(tmp_path: Path) -> None:
    with pytest.raises(GemcliError, match="cannot write"):
        Journal(tmp_path)
