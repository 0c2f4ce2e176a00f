"""``--files-from``: names of inputs from a file or stdin, one a line or separated by zero bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gemcli.errors import InputError, UsageError
from gemcli.events import Event
from gemcli.ingest.source import Source, shown
from gemcli.ingest.stdin import read_named


def read_list(source: str, *, nul: bool = False, on_event: Callable[[Event], None]) -> list[str]:
    """The names in a list, in order; empty lines are nothing.

    Args:
        source: a path, or ``-`` for stdin.
        nul: names are separated by zero bytes, as of ``find -print0``, so that they may hold line ends.
        on_event: told when a terminal is waited for.

    Raises:
        InputError: the list cannot be read or names nothing.
        UsageError: it is separated by zero bytes and `nul` is False, or it names stdin, which it came from.
    """
    data = read_named(on_event) if source == "-" else Source(shown(source), Path(source)).read()
    if nul:
        entries = data.split(b"\0")
    elif b"\0" in data:
        raise UsageError(f"{shown(source)}: names are separated by zero bytes", "add -0")
    else:
        entries = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    names = [os.fsdecode(entry) for entry in entries if entry]
    if not names:
        raise InputError(f"{shown(source)} names no file")
    if source == "-" and "-" in names:
        raise UsageError("the list came from stdin, so it cannot name - for stdin too")
    return names
