"""Where gemcli keeps things on this machine, and the one configuration file people may edit.

``GEMCLI_HOME`` puts everything under one folder; otherwise the platform's own places are used
(the XDG variables hold everywhere, also on macOS and Windows).
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

from gemcli.errors import GemcliError, UsageError

CONFIG_NAME = "config.toml"


def config_dir() -> Path:
    """The folder of the configuration file; it need not exist."""
    return _home() or _place("XDG_CONFIG_HOME", "user_config_path")


def data_dir() -> Path:
    """The folder for what must be kept (models, history); it need not exist."""
    return _home() or _place("XDG_DATA_HOME", "user_data_path")


def cache_dir() -> Path:
    """The folder for what can be made again (compiled programs, document caches); it need not exist."""
    home = _home()
    return home / "cache" if home else _place("XDG_CACHE_HOME", "user_cache_path")


def models_dir() -> Path:
    """The folder of the pulled models: ``GEMCLI_MODELS`` where set, otherwise inside `data_dir`."""
    own = os.environ.get("GEMCLI_MODELS")
    return Path(own).expanduser().absolute() if own else data_dir() / "models"


def make_private(folder: Path) -> Path:
    """Create a folder and its missing parents, readable by this user alone; returns it.

    Raises:
        GemcliError: the folder cannot be made.
    """
    missing = []
    place = folder
    while not place.exists() and place != place.parent:
        missing.append(place)
        place = place.parent
    try:
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
        if not folder.is_dir():
            raise NotADirectoryError(20, "Not a directory")
    except OSError as error:
        raise GemcliError(
            f"cannot create the folder {folder}: {error.strerror or error}",
            "Set GEMCLI_HOME to a folder that you may write to.",
        ) from error
    return folder


def config_path() -> Path:
    """The configuration file's path, whether or not it exists."""
    return config_dir() / CONFIG_NAME


def load_config() -> dict[str, Any]:
    """The configuration file as a dict; empty where there is no file.

    Raises:
        UsageError: the file cannot be read or is not TOML; the message names the file and line.
    """
    return _parse(_read(config_path()), config_path())


def set_config(key: str, value: str | int | float | bool | list[str] | None) -> Path:
    """Set one top-level key of the configuration file (None removes it); returns the file's path.

    Other keys, their order and the comments stay as they are.  The file is replaced in one step, and a
    symbolic link to it stays a link.

    Raises:
        UsageError: the file as it is now is not TOML, or `key` is a table in it.
        GemcliError: the file cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", key):
        raise UsageError(f"{key!r} is no name for a setting")
    path = config_path()
    before = _read(path)
    wanted = _parse(before, path)
    if value is None:
        wanted.pop(key, None)
    else:
        wanted[key] = value
    after = _edit(before, key, None if value is None else f"{key} = {_toml(value)}")
    try:
        kept = tomllib.loads(after) == wanted
    except tomllib.TOMLDecodeError:
        kept = False
    if not kept:
        raise UsageError(
            f"cannot set {key!r} in {path}, where it stands as a table", "Edit the file by hand."
        )
    _replace(path, after)
    return path


def _home() -> Path | None:
    home = os.environ.get("GEMCLI_HOME")
    return Path(home).expanduser().absolute() if home else None


def _place(variable: str, function: str) -> Path:
    base = os.environ.get(variable, "")
    if base and Path(base).is_absolute():  # the XDG specification has relative values ignored
        return Path(base) / "gemcli"
    import platformdirs

    return getattr(platformdirs, function)("gemcli", appauthor=False)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise UsageError(f"the configuration file {path} is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise UsageError(f"cannot read the configuration file {path}: {error.strerror or error}") from error


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
        found = re.search(r"\(at line (\d+), column (\d+)\)$", reason)
        line = int(found[1]) if found else text.count("\n") + 1
        reason = re.sub(r" \(at [^()]*\)$", "", reason)
        raise UsageError(
            f"the configuration file {path}, line {line}, is not valid TOML: {reason}",
            "Correct that line, or move the file away to start afresh.",
        ) from error


def _edit(text: str, key: str, line: str | None) -> str:
    """The text with the top-level assignment of `key` replaced by `line` (None: removed)."""
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    at, stop, top = 0, 0, 0
    found = False
    while at < len(lines) and not re.match(r"\s*\[", lines[at]):
        stop = _statement_end(lines, at)
        if re.match(rf"""\s*(?:{re.escape(key)}|"{re.escape(key)}"|'{re.escape(key)}')\s*=""", lines[at]):
            found = True
            break
        if not re.match(r"\s*(#|$)", lines[at]):
            top = stop
        at = stop
    new = [] if line is None else [line + end]
    if found:
        return "".join(lines[:at] + new + lines[stop:])
    if not top and at == len(lines):  # nothing but comments: the new line goes below them
        top = at
    if top and not lines[top - 1].endswith("\n"):
        lines[top - 1] += end
    return "".join(lines[:top] + new + lines[top:])


def _statement_end(lines: list[str], start: int) -> int:
    """The line after the statement that begins at `start`; values may span several lines."""
    for stop in range(start + 1, len(lines) + 1):
        with suppress(tomllib.TOMLDecodeError):
            tomllib.loads("".join(lines[start:stop]))
            return stop
    return start + 1


def _toml(value: str | int | float | bool | list[str]) -> str:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    # A JSON string, number or boolean is a TOML one, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _replace(path: Path, text: str) -> None:
    import tempfile

    path = path.resolve()
    make_private(path.parent)
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            Path(temporary).chmod(path.stat().st_mode & 0o777)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise GemcliError(f"cannot write {path}: {error.strerror or error}") from error
