"""The tables of the history, as the steps that made them: they bring a database of any age up to date.

A step that was released is never edited; what changes is a new step.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from gemcli.errors import GemcliError

STEPS = (
    """
    CREATE TABLE conversations (
        id TEXT PRIMARY KEY,
        begun REAL NOT NULL,
        last REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX conversations_by_time ON conversations (last);

    -- `kind`: asked, or example (shown to the model as if it had been asked).  `ending`: stop, length,
    -- interrupt, error.  `options` and `details` are JSON; `sources` are the names of the documents, a line
    -- each.
    CREATE TABLE turns (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        at REAL NOT NULL,
        kind TEXT NOT NULL,
        question TEXT NOT NULL,
        system TEXT,
        model TEXT NOT NULL,
        options TEXT NOT NULL,
        answer TEXT NOT NULL,
        ending TEXT NOT NULL,
        details TEXT NOT NULL,
        sources TEXT NOT NULL
    );
    CREATE INDEX turns_of_conversation ON turns (conversation);

    -- Documents as they were sent: compressed JSON under the hash of it.
    CREATE TABLE documents (
        hash TEXT PRIMARY KEY,
        body BLOB NOT NULL
    ) WITHOUT ROWID;

    -- Which documents a turn showed; where the file lay, and its size and time then.
    CREATE TABLE shown (
        turn INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        document TEXT NOT NULL REFERENCES documents (hash),
        path TEXT,
        size INTEGER,
        changed INTEGER,
        PRIMARY KEY (turn, position)
    ) WITHOUT ROWID;
    CREATE INDEX shown_document ON shown (document);

    -- The pictures and sounds of documents: files by their hash, found again by what they were made from.
    CREATE TABLE media (
        file TEXT PRIMARY KEY
    ) WITHOUT ROWID;
    CREATE TABLE made_from (
        key TEXT PRIMARY KEY,
        file TEXT NOT NULL REFERENCES media (file) ON DELETE CASCADE
    ) WITHOUT ROWID;
    CREATE INDEX made_from_file ON made_from (file);
    CREATE TABLE held (
        document TEXT NOT NULL REFERENCES documents (hash) ON DELETE CASCADE,
        file TEXT NOT NULL REFERENCES media (file),
        PRIMARY KEY (document, file)
    ) WITHOUT ROWID;
    CREATE INDEX held_file ON held (file);
    """,
    # Whether the conversation goes on without it.
    "ALTER TABLE shown ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;",
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables up to date; several processes may try at once.

    Raises:
        GemcliError: a newer gemcli made them.
    """
    if is_current(connection):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version > len(STEPS):
            raise GemcliError(
                "the history was written by a newer gemcli, and this one cannot read it",
                "Update gemcli, or use --no-log.",
            )
        for step in STEPS[version:]:
            for statement in statements(step):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(STEPS)}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether the tables are those that this gemcli works with."""
    return _version(connection) == len(STEPS)


def statements(script: str) -> list[str]:
    """The statements of a script, one by one: `executescript` would end the transaction."""
    found: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]
