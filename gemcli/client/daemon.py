"""The server that this user keeps running on this machine: found by its socket, it spares loading a model.

Found only where it can be trusted and gives the very same answer: the socket is this user's alone, behind it
is the same version with the same model and settings, and it answers at once.  Otherwise `ask` goes on alone.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemcli import __version__
from gemcli.described import Stamp, stamp
from gemcli.settings import cache_dir

if TYPE_CHECKING:
    from gemcli.request import Request

WITHIN_S = 0.1
"""Seconds in which it must take the connection, and again in which it must say who it is."""

_SHARED = ("device", "kv_bits", "attention")


def socket_path() -> Path:
    """Where the socket of this user's server is, whether or not there is one."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.environ.get("GEMCLI_HOME") or not Path(runtime).is_absolute():
        return cache_dir() / "run" / "gemcli.sock"
    return Path(runtime) / "gemcli" / "gemcli.sock"


def find(request: Request) -> str | None:
    """The address of a server that would answer this request just as this process would; None for none."""
    path = socket_path()
    if request.private or request.draft_model is not None or not _is_ours(path):
        return None
    from gemcli.client.address import parse
    from gemcli.client.link import Link
    from gemcli.errors import GemcliError

    address = f"unix:{path}"
    try:
        with Link(parse(address), connect_s=WITHIN_S, silent_s=WITHIN_S) as link:
            said = link.get("/gemcli/v1")
    except (GemcliError, ValueError):
        return None
    return address if _is_the_same(said, request) else None


def about(request: Request, path: Path, files: Stamp) -> dict[str, Any]:
    """What a server says of itself to this user's own processes.

    Args:
        request: the settings that all its answers share.
        path: the model's file.
        files: it and those beside it, as they are, or were when it was loaded.
    """
    shared = {name: getattr(request, name) for name in (*_SHARED, "context")}
    known = hashlib.sha256(repr(files).encode()).hexdigest()
    return {"path": str(path.resolve()), "files": known, **shared}


def _is_ours(path: Path) -> bool:
    """Whether there is a socket that nobody else can have made or can speak through."""
    try:
        folder, found = path.parent.lstat(), path.lstat()
    except OSError:
        return False
    if not stat.S_ISSOCK(found.st_mode) or not hasattr(os, "getuid"):
        return False
    closed = not (folder.st_mode & 0o022 or found.st_mode & 0o077)
    return closed and found.st_uid == folder.st_uid == os.getuid()


def _is_the_same(said: Mapping[str, Any], request: Request) -> bool:
    from gemcli.errors import GemcliError
    from gemcli.hub.resolve import resolve
    from gemcli.wire import PROTOCOL

    if said.get("gemcli") != __version__ or said.get("protocol") != PROTOCOL:
        return False
    most = said.get("max_tokens")  # of one answer that it gives
    if most is not None and (request.max_tokens is None or request.max_tokens > most):
        return False
    try:
        model = resolve(request.model, offline=True, on_event=lambda event: None, may_pull=False)
        own = about(request, model.path, stamp(model.path))
    except (GemcliError, OSError):
        return False
    return all(said.get(name, "?") == value for name, value in own.items())
