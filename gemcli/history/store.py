"""Turns go into the history with all that they showed, and out of it with all that only they hold."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

from gemcli.errors import GemcliError
from gemcli.history import index, media
from gemcli.history.database import Warn, transaction, work
from gemcli.history.documents import pack, unpack
from gemcli.history.media import Draft
from gemcli.history.values import Record, Seen
from gemcli.parts import Audio, Document, Image, Text

_LAST = (
    "SELECT id FROM turns WHERE conversation = ? AND question = ? AND kind = 'asked' "
    "AND ending NOT IN ('error', 'undone') AND trim(answer) != '' ORDER BY id DESC LIMIT 1 OFFSET ?"
)
_COLUMNS = "conversation, at, kind, question, system, model, options, answer, ending, details, sources"


def append(
    turns: Sequence[tuple[Record, Sequence[Seen]]], warn: Warn, *, patience: float | None = None
) -> None:
    """Add turns of one conversation, all or none.

    Raises:
        GemcliError: the database cannot be used.
        InputError: a picture or a sound cannot be decoded any more.
        OSError: the disk refuses a picture or a sound.
    """
    with closing(_Shelf()) as shelf:

        def task(connection: sqlite3.Connection) -> None:
            packed = [[shelf.pack(connection, seen.document) for seen in shown] for _, shown in turns]
            transaction(connection, lambda: _insert(connection, turns, packed, shelf))

        options: dict[str, Any] = {} if patience is None else {"patience": patience}
        work(task, warn, create=True, **options)


def take_back(conversation: str, question: str, warn: Warn, *, behind: int = 0) -> None:
    """Let the conversation not go on from the last turn that asked this; it stays in the history.

    Args:
        conversation: its id.
        question: of the turn.
        warn: gets what there is to say.
        behind: so many newer turns asked the same.

    Raises:
        GemcliError: the database cannot be used.
    """
    # With the examples right before it, which are there for it.
    change = (
        "UPDATE turns SET ending = 'undone' WHERE conversation = ?1 AND id <= ?2 AND id > "
        "(SELECT coalesce(max(id), 0) FROM turns WHERE conversation = ?1 AND kind = 'asked' AND id < ?2)"
    )

    def task(connection: sqlite3.Connection) -> None:
        turn = connection.execute(_LAST, (conversation, _text(question), behind)).fetchone()
        if turn is not None:
            connection.execute(change, (conversation, *turn))

    _change(task, warn)


def leave_out(conversation: str, question: str, warn: Warn, *, behind: int = 0) -> None:
    """Let the conversation go on without what the last turn that asked this was shown.

    Args:
        conversation: its id.
        question: of the turn.
        warn: gets what there is to say.
        behind: so many newer turns asked the same.

    Raises:
        GemcliError: the database cannot be used.
    """
    change = f"UPDATE shown SET dropped = 1 WHERE turn = ({_LAST})"
    values = (conversation, _text(question), behind)
    _change(lambda connection: connection.execute(change, values), warn)


def drop(conversation: str, source: str, warn: Warn) -> None:
    """Let the conversation go on without a document; that it was shown stays in the history.

    Args:
        conversation: its id.
        source: the document's name.
        warn: gets what there is to say.

    Raises:
        GemcliError: the database cannot be used.
    """
    query = (
        "SELECT turn, position, body FROM shown JOIN documents ON hash = document "
        "WHERE turn IN (SELECT id FROM turns WHERE conversation = ?)"
    )
    change = "UPDATE shown SET dropped = 1 WHERE turn = ? AND position = ?"

    def task(connection: sqlite3.Connection) -> None:
        for turn, position, body in connection.execute(query, (conversation,)).fetchall():
            with suppress(ValueError):  # a document that is damaged has no name
                if unpack(body).source == source:
                    connection.execute(change, (turn, position))

    _change(task, warn)


def remove(ids: Sequence[str], warn: Warn) -> list[str]:
    """Remove conversations with all that only they hold; nothing of them stays in the files.

    Returns the ids of those that were there and are gone: none of a history that turns out to be damaged and
    is kept aside.

    Raises:
        GemcliError: the database cannot be used.
    """

    def task(connection: sqlite3.Connection) -> list[str]:
        connection.execute("PRAGMA secure_delete = ON")
        gone = transaction(connection, lambda: _delete(connection, ids))
        with suppress(sqlite3.Error):  # while others read, their log holds what was removed a little longer
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return gone

    return work(task, warn) or []


def _change(task: Callable[[sqlite3.Connection], object], warn: Warn) -> None:
    """Change the history in one transaction, where there is a history."""
    work(lambda connection: transaction(connection, lambda: task(connection)), warn)


def _delete(connection: sqlite3.Connection, ids: Sequence[str]) -> list[str]:
    removed = []
    for id in ids:
        index.forget(connection, id)
        if connection.execute("DELETE FROM conversations WHERE id = ?", (id,)).rowcount:
            removed.append(id)
    connection.execute("DELETE FROM documents WHERE hash NOT IN (SELECT document FROM shown)")
    gone = connection.execute("SELECT file FROM media WHERE file NOT IN (SELECT file FROM held)").fetchall()
    connection.executemany("DELETE FROM media WHERE file = ?", gone)
    media.remove([name for (name,) in gone])
    return removed


def _insert(
    connection: sqlite3.Connection,
    turns: Sequence[tuple[Record, Sequence[Seen]]],
    packed: Sequence[Sequence[tuple[str, bytes, tuple[str, ...]]]],
    shelf: _Shelf,
) -> None:
    shelf.settle(connection)
    for (record, seen), bodies in zip(turns, packed, strict=True):
        connection.execute(
            "INSERT INTO conversations VALUES (?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET last = max(last, excluded.last)",
            (record.conversation, record.at, record.at),
        )
        values = (
            *(record.conversation, record.at, record.kind, _text(record.question)),
            *(None if record.system is None else _text(record.system), record.model, _json(record.options)),
            *(_text(record.answer), record.ending, _json(record.details), _text("\n".join(record.sources))),
        )
        marks = ",".join("?" * len(values))
        turn = connection.execute(f"INSERT INTO turns ({_COLUMNS}) VALUES ({marks})", values).lastrowid
        for position, (one, (hash, body, files)) in enumerate(zip(seen, bodies, strict=True)):
            connection.execute("INSERT OR IGNORE INTO documents VALUES (?, ?)", (hash, body))
            held = [(hash, name) for name in files]
            connection.executemany("INSERT OR IGNORE INTO held VALUES (?, ?)", held)
            path = None if one.path is None else _text(str(one.path))
            connection.execute(
                "INSERT INTO shown (turn, position, document, path, size, changed) VALUES (?, ?, ?, ?, ?, ?)",
                (turn, position, hash, path, one.size, one.changed),
            )


class _Shelf:
    """The pictures and sounds of what is being added: written before the database is held, then put there."""

    def __init__(self) -> None:
        self._drafts: dict[str, Draft] = {}
        self._parts: dict[str, Image | Audio] = {}
        self._keys: dict[str, str] = {}

    def pack(self, connection: sqlite3.Connection, document: Document) -> tuple[str, bytes, tuple[str, ...]]:
        """(hash, bytes, files of its pictures and sounds)."""
        files = {
            id(part): self._name(connection, part) for part in document.parts if not isinstance(part, Text)
        }
        hash, body = pack(document, lambda part: files[id(part)])
        return hash, body, tuple(dict.fromkeys(files.values()))

    def settle(self, connection: sqlite3.Connection) -> None:
        """Every file is where it belongs, also one that was removed while this was prepared."""
        for name, part in self._parts.items():
            draft = self._drafts.get(name)
            if not media.place(name).exists():
                draft = draft or media.write(part)
                if draft.name != name:
                    draft.path.unlink(missing_ok=True)
                    raise GemcliError("a picture or a sound changed while it was kept", "Ask again.")
                draft.settle()
            connection.execute("INSERT OR IGNORE INTO media VALUES (?)", (name,))
        keys = [(key, name) for key, name in self._keys.items()]
        connection.executemany("INSERT OR REPLACE INTO made_from VALUES (?, ?)", keys)

    def close(self) -> None:
        """Remove what did not find a place."""
        for draft in self._drafts.values():
            draft.path.unlink(missing_ok=True)

    def _name(self, connection: sqlite3.Connection, part: Image | Audio) -> str:
        key = media.key_of(part)
        if key:
            row = connection.execute("SELECT file FROM made_from WHERE key = ?", (key,)).fetchone()
            known = self._keys.get(key) or (row[0] if row else None)
            if known and (known in self._drafts or media.place(known).exists()):
                self._parts[known] = part
                return known
        draft = media.write(part)
        if draft.name in self._drafts:
            draft.path.unlink(missing_ok=True)
        else:
            self._drafts[draft.name] = draft
        self._parts[draft.name] = part
        if key:
            self._keys[key] = draft.name
        return draft.name


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, default=str)


def _text(value: str) -> str:
    """Text that UTF-8 can hold: file names may hold bytes that are none."""
    return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
