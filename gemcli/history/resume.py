"""A conversation of the history goes on: what was asked, shown and answered, and what it was made with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gemcli.errors import UsageError
from gemcli.history import look
from gemcli.history.database import Warn
from gemcli.history.values import Seen
from gemcli.turns import Turn

CARRIED = ("attention", "context", "image_tokens", "kv_bits")
"""Settings of the last turn that hold for the next one: they shape what the model remembers."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """A conversation so far.

    Attributes:
        id: its id.
        turns: what was asked and answered; without what failed.
        model: that answered last, as ``--model`` takes it.
        system: the instruction then; None for the default.
        options: those of `CARRIED` that were set.
        notices: what the person should know, a sentence each.
    """

    id: str
    turns: tuple[Turn, ...]
    model: str
    system: str | None
    options: Mapping[str, Any]
    notices: tuple[str, ...]


def resume(word: str | None, warn: Warn) -> Resumed:
    """The conversation whose id begins with `word`; None for the newest.

    Raises:
        UsageError: there is none, or nothing in it was answered.
        GemcliError: the history cannot be read.
    """
    id = look.newest(warn) if word is None else look.find(word, warn)
    if id is None:
        raise UsageError("there is no conversation to continue", "Ask without -c to begin one.")
    records = [record for record in look.records(id, warn) if record.goes_on]
    if not records:
        raise UsageError(
            f"nothing in the conversation {id} was answered", f"`gemcli history show {id}` shows it."
        )
    seen = {
        id: [one for one in shown if not one.is_dropped] for id, shown in look.shown(records, warn).items()
    }
    turns = tuple(
        Turn(record.question, record.answer, tuple(one.document for one in seen.get(record.id, ())))
        for record in records
    )
    last = records[-1]
    options = {name: value for name, value in last.options.items() if name in CARRIED}
    names = dict.fromkeys(
        one.document.source for shown in seen.values() for one in shown if _has_changed(one)
    )
    notices = tuple(
        f"{name} has changed since this conversation read it, and goes on with what it was then"
        for name in names
    )
    return Resumed(id, turns, last.options.get("model", last.model), last.system, options, notices)


def _has_changed(one: Seen) -> bool:
    """Whether the file of a document is still there but says something else."""
    if one.path is None:
        return False
    try:
        stat = one.path.stat()
        if (stat.st_size, stat.st_mtime_ns) == (one.size, one.changed):
            return False
        with one.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() != one.document.sha256
    except OSError:
        return False
