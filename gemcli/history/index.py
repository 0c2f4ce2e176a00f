"""Finding turns by their words: SQLite's full-text index where it has one, a plain search elsewhere.

The index is brought up to date when something is searched for, so that an answer never waits for it and a
Python whose SQLite has no such index can write to the same history.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import suppress

from gemcli.history.database import transaction

_NAME = "turns_index"
_MAKE = (
    f"CREATE VIRTUAL TABLE IF NOT EXISTS {_NAME} "
    "USING fts5(question, answer, sources, tokenize = 'unicode61 remove_diacritics 2')"
)


def search(connection: sqlite3.Connection, words: str, most: int) -> list[int]:
    """Ids of the turns that hold all words, or their beginnings, the best first; -1 for all.

    Where whole words find nothing, any stretch of text does: languages without spaces, parts of names.
    """
    terms = words.split()
    if not terms:
        return []
    found = _indexed(connection, terms, most)
    return found or _plain(connection, terms, most)


def forget(connection: sqlite3.Connection, conversation: str) -> None:
    """Remove a conversation's turns from the index, within the transaction that removes them."""
    if not _exists(connection):
        return
    try:
        with suppress(
            sqlite3.OperationalError
        ):  # older SQLites keep the words until the index is next merged
            connection.execute(f"INSERT INTO {_NAME} ({_NAME}, rank) VALUES ('secure-delete', 1)")
        connection.execute(
            f"DELETE FROM {_NAME} WHERE rowid IN (SELECT id FROM turns WHERE conversation = ?)",
            (conversation,),
        )
        connection.execute(f"INSERT INTO {_NAME} ({_NAME}) VALUES ('optimize')")
    except sqlite3.OperationalError as error:
        if "no such module" not in str(error):
            raise
    except sqlite3.DatabaseError:
        connection.execute(f"DROP TABLE {_NAME}")  # damaged: made anew with the next search


def _indexed(connection: sqlite3.Connection, terms: list[str], most: int) -> list[int]:
    # Each word in quotation marks, so that nothing in it is an operator, and as a beginning.
    query = " ".join('"' + term.replace('"', '""') + '"*' for term in terms if re.search(r"\w", term))
    if not query:
        return []
    try:
        transaction(connection, lambda: _update(connection))
        rows = connection.execute(
            f"SELECT rowid FROM {_NAME} WHERE {_NAME} MATCH ? ORDER BY bm25({_NAME}), rowid DESC LIMIT ?",
            (query, most),
        )
        return [row[0] for row in rows]
    except sqlite3.OperationalError:  # no full-text index in this SQLite, or nothing may be written
        return []
    except sqlite3.DatabaseError:
        with suppress(sqlite3.Error):
            connection.execute(f"DROP TABLE {_NAME}")  # damaged: made anew with the next search
        return []


def _update(connection: sqlite3.Connection) -> None:
    connection.execute(_MAKE)
    last = connection.execute(f"SELECT coalesce(max(rowid), 0) FROM {_NAME}").fetchone()[0]
    connection.execute(
        f"INSERT INTO {_NAME} (rowid, question, answer, sources) "
        "SELECT id, question, answer, sources FROM turns WHERE id > ? AND kind = 'asked'",
        (last,),
    )


def _plain(connection: sqlite3.Connection, terms: list[str], most: int) -> list[int]:
    held = "instr(lower(question || char(10) || answer || char(10) || sources), lower(?)) > 0"
    rows = connection.execute(
        f"SELECT id FROM turns WHERE kind = 'asked' AND {' AND '.join([held] * len(terms))} "
        "ORDER BY at DESC, id DESC LIMIT ?",
        (*terms, most),
    )
    return [row[0] for row in rows]


def _exists(connection: sqlite3.Connection) -> bool:
    row = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_NAME,)).fetchone()
    return row is not None
