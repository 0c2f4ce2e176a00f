"""What is asked of the history: take a turn in, give a conversation back, list, find, remove."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gemcli.errors import GemcliError, UsageError
from gemcli.history import index, media
from gemcli.history.database import Warn, transaction, work
from gemcli.history.documents import pack, unpack
from gemcli.history.media import Draft
from gemcli.parts import Audio, Document, Image, Text

_COLUMNS = "id, conversation, at, kind, question, system, model, options, answer, ending, details, sources"
_MANY = 500  # values in one statement


@dataclass(frozen=True, slots=True)
class Seen:
    """A document that a turn showed.

    Attributes:
        document: as it was sent.
        path: the file that it came from, absolute; None where it was none.
        size, changed: that file's bytes and time of last change (ns) when it was read; None where it changed
            meanwhile.
    """

    document: Document
    path: Path | None = None
    size: int | None = None
    changed: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One turn of the history.

    Attributes:
        conversation: its id.
        at: when it was asked: seconds since 1970.
        question, system, model, answer: as they were; `system` None for the default.
        kind: ``asked``, or ``example``: shown to the model as if it had been.
        ending: ``stop``, ``length``, ``interrupt`` or ``error``.
        options: the settings that were not the defaults; JSON values.
        details: the rest of the contract's answer object.
        sources: names of its documents.
        id: its number; 0 before it is stored.
    """

    conversation: str
    at: float
    question: str
    answer: str
    model: str
    system: str | None = None
    kind: str = "asked"
    ending: str = "stop"
    options: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    id: int = 0

    @property
    def goes_on(self) -> bool:
        """Whether a conversation can go on from it: there is an answer, if only its beginning."""
        return self.ending != "error" and bool(self.answer.strip())


@dataclass(frozen=True, slots=True)
class Heading:
    """A conversation in a list.

    Attributes:
        id: its id.
        begun, last: seconds since 1970 of its first and last question.
        turns: how many questions.
        question: the first.
        model: that answered last.
        sources: names of all its documents.
        ending: of the last turn.
    """

    id: str
    begun: float
    last: float
    turns: int
    question: str
    model: str
    sources: tuple[str, ...]
    ending: str


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

        options = {} if patience is None else {"patience": patience}
        work(task, warn, create=True, **options)


def newest(warn: Warn) -> str | None:
    """The conversation that was last answered; None where there is none."""
    query = (
        "SELECT conversation FROM turns WHERE kind = 'asked' AND ending != 'error' AND trim(answer) != '' "
        "ORDER BY at DESC, id DESC LIMIT 1"
    )
    row = work(lambda connection: connection.execute(query).fetchone(), warn)
    return row[0] if row else None


def find(word: str, warn: Warn) -> str:
    """The id of the conversation that begins, or ends, with `word`, which fits no other.

    Raises:
        UsageError: none does, or several.
    """
    wanted = word.strip().lower()
    if not wanted.isalnum():
        raise UsageError(f"{word!r} is no conversation's id", "`gemcli history list` shows the ids.")
    query = "SELECT id FROM conversations WHERE id GLOB ? ORDER BY length(id), last DESC LIMIT 4"
    for pattern in (f"{wanted}*", f"*{wanted}"):
        rows = work(lambda connection, each=pattern: connection.execute(query, (each,)).fetchall(), warn)
        if rows and (wanted,) in rows:
            return wanted
        if rows and len(rows) > 1:
            names = ", ".join(row[0] for row in rows[:3]) + (" …" if len(rows) > 3 else "")
            raise UsageError(f"several conversations are meant by {word!r}: {names}", "Write more of the id.")
        if rows:
            return rows[0][0]
    raise UsageError(f"there is no conversation {word!r}", "`gemcli history list` shows the ids.")


def records(conversation: str, warn: Warn) -> list[Record]:
    """Every turn of a conversation, in order."""
    query = f"SELECT {_COLUMNS} FROM turns WHERE conversation = ? ORDER BY id"
    rows = work(lambda connection: connection.execute(query, (conversation,)).fetchall(), warn)
    return [_record(row) for row in rows or ()]


def shown(turns: Iterable[Record], warn: Warn) -> dict[int, tuple[Seen, ...]]:
    """The documents of turns, by the turns' ids.

    Raises:
        GemcliError: what was kept of them is damaged.
    """
    ids = [record.id for record in turns]
    query = (
        "SELECT document, path, size, changed, body FROM shown JOIN documents ON hash = document "
        "WHERE turn = ? ORDER BY position"
    )

    def task(connection: sqlite3.Connection) -> dict[int, tuple[Seen, ...]]:
        found = {}
        for id in ids:
            rows = connection.execute(query, (id,)).fetchall()
            found[id] = tuple(
                Seen(unpack(body), None if path is None else Path(path), size, changed)
                for _, path, size, changed, body in rows
            )
        return found

    try:
        return work(task, warn) or {}
    except ValueError as error:
        raise GemcliError(
            "what the history kept of a document is damaged", "Ask in a new conversation."
        ) from error


def headings(warn: Warn, *, most: int | None = None, ids: Sequence[str] | None = None) -> list[Heading]:
    """Conversations, the newest first.

    Args:
        warn: gets what there is to say.
        most: how many at most; None for all.
        ids: only these.
    """
    query = (
        "SELECT c.id, c.begun, c.last, "
        "(SELECT count(*) FROM turns WHERE conversation = c.id AND kind = 'asked'), "
        "(SELECT question FROM turns WHERE conversation = c.id AND kind = 'asked' ORDER BY id LIMIT 1), "
        "(SELECT model FROM turns WHERE conversation = c.id ORDER BY id DESC LIMIT 1), "
        "(SELECT group_concat(sources, char(10)) FROM turns WHERE conversation = c.id AND sources != ''), "
        "(SELECT ending FROM turns WHERE conversation = c.id ORDER BY id DESC LIMIT 1) "
        "FROM conversations c ORDER BY c.last DESC, c.id DESC LIMIT ?"
    )
    limit = -1 if most is None or ids is not None else most
    rows = work(lambda connection: connection.execute(query, (limit,)).fetchall(), warn) or []
    found = [
        Heading(id, begun, last, turns, question or "", model or "", _names(sources or ""), ending or "")
        for id, begun, last, turns, question, model, sources, ending in rows
    ]
    return found if ids is None else [each for each in found if each.id in set(ids)]


def search(words: str, warn: Warn, *, most: int | None = None) -> list[Record]:
    """Turns whose question, answer or file names hold all the words, the best first."""

    def task(connection: sqlite3.Connection) -> list[Record]:
        ids = index.search(connection, words, -1 if most is None else most)
        found = {}
        for start in range(0, len(ids), _MANY):
            some = ids[start : start + _MANY]
            marks = ",".join("?" * len(some))
            rows = connection.execute(f"SELECT {_COLUMNS} FROM turns WHERE id IN ({marks})", some)
            found |= {row[0]: _record(row) for row in rows}
        return [found[id] for id in ids]

    return work(task, warn) or []


def remove(ids: Sequence[str], warn: Warn) -> None:
    """Remove conversations with all that only they hold; nothing of them stays in the files."""

    def task(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA secure_delete = ON")
        transaction(connection, lambda: _delete(connection, ids))
        with suppress(sqlite3.Error):  # while others read, their log holds what was removed a little longer
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    work(task, warn)


def _delete(connection: sqlite3.Connection, ids: Sequence[str]) -> None:
    for id in ids:
        index.forget(connection, id)
        connection.execute("DELETE FROM conversations WHERE id = ?", (id,))
    connection.execute("DELETE FROM documents WHERE hash NOT IN (SELECT document FROM shown)")
    gone = connection.execute("SELECT file FROM media WHERE file NOT IN (SELECT file FROM held)").fetchall()
    connection.executemany("DELETE FROM media WHERE file = ?", gone)
    media.remove([name for (name,) in gone])


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
        turn = connection.execute(
            f"INSERT INTO turns ({_COLUMNS.removeprefix('id, ')}) VALUES ({marks})", values
        ).lastrowid
        for position, (one, (hash, body, files)) in enumerate(zip(seen, bodies, strict=True)):
            connection.execute("INSERT OR IGNORE INTO documents VALUES (?, ?)", (hash, body))
            held = [(hash, name) for name in files]
            connection.executemany("INSERT OR IGNORE INTO held VALUES (?, ?)", held)
            path = None if one.path is None else _text(str(one.path))
            connection.execute(
                "INSERT INTO shown VALUES (?, ?, ?, ?, ?, ?)",
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


def _record(row: Sequence[Any]) -> Record:
    id, conversation, at, kind, question, system, model, options, answer, ending, details, sources = row
    return Record(
        conversation, at, question, answer, model, system, kind, ending,
        json.loads(options), json.loads(details), _names(sources), id,
    )  # fmt: skip


def _names(lines: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for line in lines.split("\n") if line))


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, default=str)


def _text(value: str) -> str:
    """Text that UTF-8 can hold: file names may hold bytes that are none."""
    return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
