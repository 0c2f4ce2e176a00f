"""Standard input by the contract's rule: read with no file given or ``-`` named, and never hang over it.

What cannot hold a document - a terminal, ``/dev/null``, a closed descriptor - is told apart without
reading.  A pipe is read to its end; when nothing comes for a while, the person is told what is waited for.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from gemcli.errors import InputError
from gemcli.events import Event, Note
from gemcli.ingest.source import read_bounded, unreadable

#: Seconds without a byte after which the person is told.
PATIENCE = 3.0

Kind = Literal["closed", "terminal", "null", "device", "file", "stream", "python"]


def kind() -> Kind:
    """What standard input is, found without reading from it.

    ``python``: `sys.stdin` was replaced by an object without a descriptor.
    """
    if sys.stdin is None:
        return "closed"
    try:
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError):
        return "closed" if sys.stdin.closed else "python"
    try:
        status = os.fstat(descriptor)
    except OSError:
        return "closed"
    if stat.S_ISCHR(status.st_mode):
        if os.isatty(descriptor):
            return "terminal"
        return "null" if _is_null(status) else "device"
    return "file" if stat.S_ISREG(status.st_mode) else "stream"


def read_implied(on_event: Callable[[Event], None]) -> bytes | None:
    """Standard input when no file was given; None where there is none or it is empty.

    Raises:
        InputError: it breaks off, or is a device that may never end.
    """
    found = kind()
    if found in ("closed", "terminal", "null"):
        return None
    return _read(found, on_event) or None


def read_named(on_event: Callable[[Event], None]) -> bytes:
    """Standard input when ``-`` was named.  A terminal is read to its end mark, as ``cat -`` does.

    Raises:
        InputError: it is closed, empty, or breaks off.
    """
    found = kind()
    if found == "closed":
        raise InputError("- names stdin, but stdin is closed", "pipe something in, or name a file")
    if found == "terminal":
        end = "Ctrl-Z and Enter" if os.name == "nt" else "Ctrl-D"
        on_event(Note(f"reading stdin from the terminal; end it with {end}"))
    data = b"" if found == "null" else _read(found, on_event)
    if not data:
        raise InputError("- names stdin, but stdin is empty", "pipe something in, or name a file")
    return data


def _read(found: Kind, on_event: Callable[[Event], None]) -> bytes:
    if found == "device":
        raise InputError("stdin is a device: it may never end", "pipe in what is to be read")
    try:
        if found == "python":
            return _read_object()
        descriptor = sys.stdin.fileno()
        if found == "stream":
            _wait(descriptor, on_event)
        return read_bounded(lambda size: os.read(descriptor, size), "stdin")
    except OSError as error:
        if error.errno == errno.EIO and found == "terminal":
            return b""  # a background job may not read its terminal
        raise unreadable("stdin", error) from error


def _read_object() -> bytes:
    buffer = getattr(sys.stdin, "buffer", None)
    if buffer is None:
        return sys.stdin.read().encode("utf-8", "surrogateescape")
    return read_bounded(buffer.read, "stdin")


def _wait(descriptor: int, on_event: Callable[[Event], None]) -> None:
    """Wait for the first byte or the end; say so when neither comes soon."""
    if os.name != "posix":
        return  # select takes only sockets there
    ready, _, _ = select.select([descriptor], [], [], PATIENCE)
    if not ready:
        on_event(Note("reading stdin… (nothing has come yet; </dev/null skips it)"))


def _is_null(status: os.stat_result) -> bool:
    if os.name == "nt":
        return True  # the only character device there that is no terminal
    try:
        return Path(os.devnull).stat().st_rdev == status.st_rdev
    except OSError:
        return False
