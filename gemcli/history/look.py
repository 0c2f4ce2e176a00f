"""What is asked of the history: conversations by their ids and ages, turns by their words."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gemcli.errors import GemcliError, UsageError
from gemcli.history import index
from gemcli.history.database import Warn, work
from gemcli.history.documents import unpack
from gemcli.history.values import Heading, Record, Seen

_COLUMNS = "id, conversation, at, kind, question, system, model, options, answer, ending, details, sources"
_work = partial(work, look=True)
_MANY = 500  # values in one statement


def newest(warn: Warn) -> str | None:
    """The conversation that was last answered; None where there is none."""
    query = (
        "SELECT conversation FROM turns WHERE kind = 'asked' AND ending NOT IN ('error', 'undone') "
        "AND trim(answer) != '' "
        "ORDER BY at DESC, id DESC LIMIT 1"
    )
    row = _work(lambda connection: connection.execute(query).fetchone(), warn)
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
        rows = _work(lambda connection, each=pattern: connection.execute(query, (each,)).fetchall(), warn)
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
    rows = _work(lambda connection: connection.execute(query, (conversation,)).fetchall(), warn)
    return [_record(row) for row in rows or ()]


def shown(turns: Iterable[Record], warn: Warn) -> dict[int, tuple[Seen, ...]]:
    """The documents of turns, by the turns' ids.

    Raises:
        GemcliError: what was kept of them is damaged.
    """
    ids = [record.id for record in turns]
    query = (
        "SELECT body, path, size, changed, dropped FROM shown JOIN documents ON hash = document "
        "WHERE turn = ? ORDER BY position"
    )

    def task(connection: sqlite3.Connection) -> dict[int, tuple[Seen, ...]]:
        found = {}
        for id in ids:
            rows = connection.execute(query, (id,)).fetchall()
            found[id] = tuple(
                Seen(unpack(body), None if path is None else Path(path), size, changed, bool(dropped))
                for body, path, size, changed, dropped in rows
            )
        return found

    try:
        return _work(task, warn) or {}
    except ValueError as error:
        raise GemcliError(
            "what the history kept of a document is damaged", "Ask in a new conversation."
        ) from error


def headings(warn: Warn | None, *, most: int | None = None) -> list[Heading]:
    """Conversations, the newest first.

    Args:
        warn: gets what there is to say; None where nobody could be told.
        most: how many at most; None for all.
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
    limit = -1 if most is None else most
    rows = _work(lambda connection: connection.execute(query, (limit,)).fetchall(), warn) or []
    return [
        Heading(id, begun, last, turns, question or "", model or "", _names(sources or ""), ending or "")
        for id, begun, last, turns, question, model, sources, ending in rows
    ]


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

    return _work(task, warn) or []


def _record(row: Sequence[Any]) -> Record:
    id, conversation, at, kind, question, system, model, options, answer, ending, details, sources = row
    return Record(
        conversation, at, question, answer, model, system, kind, ending,
        _mapping(options), _mapping(details), _names(sources), id,
    )  # fmt: skip


def _mapping(text: str) -> dict[str, Any]:
    """A JSON object; an empty one where it is damaged: the question and the answer are worth more than it."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _names(lines: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for line in lines.split("\n") if line))
