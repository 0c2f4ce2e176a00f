"""The history's one database file: opened by many processes at once, kept aside when it is damaged.

SQLite with a write-ahead log: readers never wait, writers wait for each other.  The folder and what is in it
belong to the user alone.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from gemcli.errors import GemcliError
from gemcli.history.migrations import is_current, migrate
from gemcli.settings import data_dir, make_private

T = TypeVar("T")
Warn = Callable[[str], None]

PATIENCE_S = 5.0
"""How long a writer waits for others, each of which holds the database for some milliseconds."""

DAMAGED = "damaged-"
"""How the names of databases begin that are kept aside."""

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_REFUSED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN)
_TAKEN = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


_NEEDED = 1 << 18  # bytes on the disk for the smallest change, and the files beside the database


def folder() -> Path:
    """Where the history lies; it need not exist."""
    return data_dir() / "history"


def path() -> Path:
    """The database file; it need not exist."""
    return folder() / "history.db"


def work(
    task: Callable[[sqlite3.Connection], T],
    warn: Warn | None,
    *,
    create: bool = False,
    look: bool = False,
    patience: float = PATIENCE_S,
) -> T | None:
    """Do something with the database; None where there is none and none is to be made.

    A damaged database is kept under another name, a new one begun and `warn` told, and the task done again:
    it must bear that.

    Args:
        task: gets a connection in autocommit mode.
        warn: gets one sentence; None where nobody could be told: a damaged database stays where it is then.
        create: make the database where it is missing.
        look: the task writes nothing that matters: a disk that is full or read-only is no reason to fail.
        patience: seconds to wait for other processes.

    Raises:
        GemcliError: the database is locked for too long, cannot be written, is damaged with nobody to tell,
            or a newer gemcli made it.
    """
    for attempt in range(3):
        try:
            if not create and not path().exists():
                return None
            with closing(_open(patience)) as connection:
                return task(connection)
        except _Refused as error:
            if look:
                return _looked(task, error)
            raise
        except sqlite3.Error as error:
            if look and _code(error) in _REFUSED:
                return _looked(task, _told(error))
            if _code(error) not in _DAMAGED or attempt == 2 or warn is None:
                raise _told(error) from error
            _set_aside(warn, certain=attempt == 1)
    raise AssertionError("the last attempt returns or raises")


def transaction(connection: sqlite3.Connection, task: Callable[[], T]) -> T:
    """Do all of a task that writes, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = task()
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return result


class _Refused(GemcliError):
    """The system does not let us write where the history is."""


def _looked(task: Callable[[sqlite3.Connection], T], why: GemcliError) -> T:
    """Do something with a database that cannot be written, nor any file beside it.

    Raises:
        GemcliError: `why`, where it cannot be read so either.
    """
    log = path().with_name(f"{path().name}-wal")
    try:
        if log.exists() and log.stat().st_size:  # the newest is in it, which is read with a file beside it
            raise why
        with closing(sqlite3.connect(f"{path().as_uri()}?immutable=1", uri=True)) as connection:
            if not is_current(connection):
                raise why
            return task(connection)
    except (OSError, sqlite3.Error):
        raise why from None


def _open(patience: float) -> sqlite3.Connection:
    make_private(folder())
    try:
        os.close(os.open(path(), os.O_RDWR | os.O_CREAT, 0o600))  # SQLite's own files take its permissions
    except OSError as error:
        raise _Refused(
            f"cannot open the history {path()}: {error.strerror or error}",
            "Set GEMCLI_HOME to a folder that you may write to, or use --no-log.",
        ) from error
    connection = sqlite3.connect(path(), timeout=patience, isolation_level=None)
    try:
        deadline = time.monotonic() + patience
        while not _ready(connection, last=time.monotonic() > deadline):
            time.sleep(0.02)
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _ready(connection: sqlite3.Connection, *, last: bool) -> bool:
    """Set the connection up; False where another process is just doing that: SQLite does not wait for it."""
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if last or _code(error) not in _TAKEN:
            raise
        return False
    return True


def _set_aside(warn: Warn, *, certain: bool) -> None:
    """Keep a damaged database under a name of its own; one process does, the others find a new one."""
    from gemcli.hub.lock import store_lock

    with store_lock(folder(), "keeping a damaged history aside", lambda holder: None):
        if not certain and _is_sound():
            return
        stamp = time.strftime("%Y%m%d-%H%M%S")
        aside = path().with_name(f"{DAMAGED}{stamp}.db")
        number = 1
        while aside.exists():
            number += 1
            aside = path().with_name(f"{DAMAGED}{stamp}-{number}.db")
        try:
            path().replace(aside)
        except OSError as error:
            raise GemcliError(
                f"the history {path()} is damaged, and cannot be moved away: {error.strerror or error}",
                "Move it away yourself, or use --no-log.",
            ) from error
        for ending in ("-wal", "-shm"):
            with suppress(OSError):
                path().with_name(path().name + ending).replace(aside.with_name(aside.name + ending))
    warn(f"the history was damaged: it is kept as {aside}, and a new one is begun")


def _is_sound() -> bool:
    try:
        with closing(sqlite3.connect(path(), timeout=PATIENCE_S)) as connection:
            return connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    except sqlite3.Error as error:
        return _code(error) not in _DAMAGED


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where it is no error of SQLite's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _told(error: sqlite3.Error) -> GemcliError:
    if _code(error) in _TAKEN:
        return GemcliError(
            f"the history {path()} is locked by another program", "Try again when that has ended."
        )
    if _code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) and _is_full():
        return GemcliError(f"the history {path()} cannot be used: the disk is full", "Free some space.")
    return GemcliError(f"the history {path()} cannot be used: {error}", "Use --no-log to do without it.")


def _is_full() -> bool:
    try:
        return shutil.disk_usage(folder()).free < _NEEDED
    except OSError:
        return False
