"""The database bears many processes, and its own damage."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gemcli.errors import GemcliError
from gemcli.history import database, migrations

ROOT = Path(__file__).parents[2]
WRITER = """
import sys, time
sys.path.insert(0, {root!r})
from gemcli.history.store import append
from gemcli.history.look import headings
from gemcli.history.values import Record, Seen
from gemcli.parts import Anchor, Document, Text
me = sys.argv[1]
document = Document("a.md", "text/plain", "0" * 64, (Text("the same text\\n" * 500),))
for number in range(20):
    shared = number % 2
    id = "shared" if shared else "own" + me
    append([(Record(id, time.time(), f"{{me}}/{{number}}", "yes", "m"), [Seen(document)])], print)
    if number % 7 == 0:
        headings(print)
"""


def add(connection):
    connection.execute("INSERT INTO conversations VALUES ('c', 1, 1)")


def count(connection):
    return connection.execute("SELECT count(*) FROM conversations").fetchone()[0]


def test_many_processes_lose_nothing(home):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER.format(root=str(ROOT)), str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(16)
    ]
    said = [writer.communicate(timeout=120) for writer in writers]
    assert said == [("", "")] * 16
    with sqlite3.connect(database.path()) as connection:
        rows = connection.execute("SELECT question, conversation FROM turns").fetchall()
        shown = connection.execute("SELECT count(*) FROM shown").fetchone()
        kept = connection.execute("SELECT count(*) FROM documents").fetchone()
    connection.close()
    assert Counter(question for question, _ in rows) == Counter(
        f"{i}/{j}" for i in range(16) for j in range(20)
    )
    assert Counter(id for _, id in rows)["shared"] == 160
    assert (shown, kept) == ((320,), (1,)), "each turn shows the document, which is kept once"


def test_nothing_is_made_for_a_look(home, told):
    assert database.work(count, told) is None
    assert not database.folder().exists()
    assert told == []


@pytest.mark.skipif(os.name != "posix", reason="permissions of this kind are POSIX's")
def test_it_belongs_to_the_user_alone(home, told):
    before = os.umask(0)
    try:
        database.work(add, told, create=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE(database.folder().stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in database.folder().glob("history.db*")} == {0o600}


@pytest.mark.parametrize("damage", ["garbage", "empty", "torn", "page"])
def test_a_damaged_one_is_kept_aside(home, told, damage):
    database.work(add, told, create=True)
    path = database.path()
    data = path.read_bytes()
    damaged = {
        "garbage": b"not a database at all\n" * 400,
        "empty": b"",
        "torn": data[: len(data) // 2],
        "page": data[:4096] + b"\xff" * 8192 + data[12288:],
    }[damage]
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    path.write_bytes(damaged)
    found = database.work(lambda connection: (add(connection), count(connection))[1], told, create=True)
    assert found == 1
    aside = list(path.parent.glob("damaged-*.db"))
    if damage == "empty":  # an empty file is a database without tables
        assert (aside, told) == ([], [])
        return
    (kept,) = aside
    assert kept.read_bytes()[:100] == damaged[:100]
    assert told == [f"the history was damaged: it is kept as {kept}, and a new one is begun"]
    assert database.work(count, told) == 1
    assert len(told) == 1, "said once"


def test_a_look_at_a_damaged_one_says_so(home, told):
    database.folder().mkdir(parents=True)
    database.path().write_bytes(b"x" * 5000)
    assert database.work(count, told) is None
    assert len(told) == 1


def test_a_damaged_one_stays_where_nobody_could_be_told(home):
    from gemcli.history import look

    database.folder().mkdir(parents=True)
    database.path().write_bytes(b"x" * 5000)
    with pytest.raises(GemcliError, match="cannot be used: file is not a database"):
        look.headings(None)
    assert database.path().read_bytes() == b"x" * 5000


def test_one_process_alone_keeps_a_damaged_one_aside(home):
    database.folder().mkdir(parents=True)
    database.path().write_bytes(b"x" * 5000)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER.format(root=str(ROOT)), str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    said = [writer.communicate(timeout=120) for writer in writers]
    assert [err for _, err in said] == [""] * 4
    assert sum("was damaged" in out for out, _ in said) == 1
    assert len(list(database.folder().glob("damaged-*.db"))) == 1
    with sqlite3.connect(database.path()) as connection:
        assert connection.execute("SELECT count(*) FROM turns").fetchone() == (80,)
    connection.close()


def test_a_locked_one_is_waited_for_then_told(home, told):
    database.work(add, told, create=True)
    other = sqlite3.connect(database.path(), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(GemcliError, match="is locked by another program"):
            database.work(
                lambda connection: database.transaction(connection, lambda: add(connection)),
                told,
                patience=0.1,
            )
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert database.work(count, told) == 1
    assert told == []


def test_a_newer_one_is_left_alone(home, told):
    database.work(add, told, create=True)
    with sqlite3.connect(database.path()) as connection:
        connection.execute(f"PRAGMA user_version = {len(migrations.STEPS) + 1}")
    connection.close()
    with pytest.raises(GemcliError, match="newer gemcli"):
        database.work(count, told)
    assert list(database.folder().glob("damaged-*")) == []


def test_what_cannot_be_opened_says_so(home, told):
    database.path().mkdir(parents=True)
    with pytest.raises(GemcliError, match=r"cannot open the history .*history\.db"):
        database.work(count, told)


def test_a_transaction_is_whole_or_nothing(home, told):
    def task(connection):
        with pytest.raises(ZeroDivisionError):
            database.transaction(connection, lambda: (add(connection), 1 // 0))
        return count(connection)

    assert database.work(task, told, create=True) == 0


def test_every_statement_of_a_script_is_run():
    script = "CREATE TABLE a (x);\n-- a; comment\nCREATE TABLE b (\n  y\n);\n"
    assert [each.strip().splitlines()[-1] for each in migrations.statements(script)] == [
        "CREATE TABLE a (x);",
        ");",
    ]


@pytest.mark.parametrize("refused", ["the file", "the files beside it"])
def test_a_look_needs_no_disk_that_can_be_written(home, told, monkeypatch, refused):
    database.work(add, told, create=True)
    if refused == "the file":

        def fail(*_):
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr(database.os, "open", fail)
    else:

        def full(*_, **__):
            raise sqlite_error(sqlite3.SQLITE_IOERR, "disk I/O error")

        monkeypatch.setattr(database, "_ready", full)
    assert database.work(count, told, look=True) == 1
    with pytest.raises(GemcliError, match=r"Read-only file system|disk I/O error"):
        database.work(add, told)
    with pytest.raises(GemcliError, match=r"Read-only file system|disk I/O error"):
        database.work(add, told, look=True)
    log = database.path().with_name("history.db-wal")
    log.write_bytes(b"newer")
    with pytest.raises(GemcliError, match=r"Read-only file system|disk I/O error"):
        database.work(count, told, look=True)
    assert told == []


def test_a_full_disk_is_told(home, told, monkeypatch):
    database.work(add, told, create=True)
    monkeypatch.setattr(database.shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(9, 9, 0))

    def full(connection):
        raise sqlite_error(sqlite3.SQLITE_FULL, "database or disk is full")

    with pytest.raises(GemcliError, match=r"history\.db cannot be used: the disk is full"):
        database.work(full, told)


def sqlite_error(code, text):
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error
