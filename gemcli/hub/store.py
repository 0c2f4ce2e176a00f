"""The models on this disk: one folder each, holding the file and a record of what was verified when.

The record keeps the size and modification time that the file had when its SHA-256 was right.  As long as
both stand, the file is taken as it is; where the time differs, it is hashed again before it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gemcli.errors import GemcliError, ModelUnavailableError
from gemcli.hub.catalog import CATALOG, Entry
from gemcli.hub.lock import store_lock
from gemcli.hub.partial import gathered
from gemcli.settings import models_dir

RECORD = "model.json"
_KEPT = ("name", "title", "size", "sha256", "licence", "licence_url", "source")
_CHUNK = 4 << 20

State = Literal["ready", "changed", "damaged"]
OnVerify = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Installed:
    """A model in the store.

    Attributes:
        name: what ``-m`` takes.
        title: one line about it.
        path: the file.
        size: bytes it should have.
        sha256: hex digest it should have.
        licence: the terms' short name.
        licence_url: where they can be read.
        source: where the bytes came from, in words.
        state: ``ready``; ``changed`` when its time is not the recorded one (hash before use);
            ``damaged`` when its size is wrong.
    """

    name: str
    title: str
    path: Path
    size: int
    sha256: str
    licence: str
    licence_url: str
    source: str
    state: State


def folder_of(name: str) -> Path:
    """The folder of the model called `name`; always directly inside the store."""
    slug = re.sub(r"[^A-Za-z0-9._-]", "_", name.replace(":", "--").replace("/", "--")).lstrip(".")
    return models_dir() / (slug or "_")


def final_path(entry: Entry) -> Path:
    """Where the entry's file lies once it is complete."""
    return folder_of(entry.name) / entry.file


def path_of(entry: Entry) -> Path | None:
    """The entry's file, when it lies in the store as it was verified; otherwise None."""
    found = find_installed(entry.name)
    return found.path if found and found.state == "ready" and found.sha256 == entry.sha256 else None


def installed() -> list[Installed]:
    """Every model in the store, in the catalogue's order, then by name."""
    found = [each for each in map(_read, _folders()) if each]
    order = {entry.name: index for index, entry in enumerate(CATALOG)}
    return sorted(found, key=lambda each: (order.get(each.name, len(order)), each.name))


def find_installed(name: str) -> Installed | None:
    """The model called `name`, in whatever state, or None."""
    return _read(folder_of(name))


def partial_bytes(entry: Entry) -> int:
    """Bytes that an unfinished download of the entry has gathered."""
    return gathered(final_path(entry))


def digest(path: Path, on_verify: OnVerify = lambda done, total: None) -> str:
    """Hex SHA-256 of a file; `on_verify` gets (bytes done, bytes in all)."""
    hasher = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        total, done = os.fstat(file.fileno()).st_size, 0
        while data := file.read(_CHUNK):
            hasher.update(data)
            done += len(data)
            on_verify(done, total)
    return hasher.hexdigest()


def verify(model: Installed, on_verify: OnVerify = lambda done, total: None) -> bool:
    """Whether the file is, byte for byte, the one that was published; if so, its record is renewed.

    Raises:
        ModelUnavailableError: the file cannot be read.
    """
    try:
        before = model.path.stat()
        right = before.st_size == model.size and digest(model.path, on_verify) == model.sha256
    except OSError as error:
        raise ModelUnavailableError(
            f"cannot read {model.path}: {error.strerror or error}", f"Run: gemcli pull {model.name}"
        ) from error
    if right and model.state != "ready":
        with suppress(OSError):  # a store that is only readable is hashed every time
            _write_record(model, before.st_mtime_ns)
    return right


def record(entry: Entry, source: str) -> Installed:
    """Note that the entry's file, now in its place, has been verified.

    Args:
        entry: the model.
        source: where the bytes came from, in words.

    Raises:
        OSError: the record cannot be written.
    """
    model = _model_of(entry, source)
    _write_record(model, model.path.stat().st_mtime_ns)
    return model


def begin(entry: Entry) -> None:
    """Note whose bytes are about to be gathered, so that an unfinished download can be told and deleted.

    Raises:
        OSError: the note cannot be written.
    """
    if not (folder_of(entry.name) / RECORD).exists():
        _write_record(_model_of(entry, "not yet complete"), 0)


def unfinished() -> list[tuple[Installed, int]]:
    """Every interrupted first download: the model it will be, and the bytes gathered."""
    found = []
    for folder in _folders():
        model = _recorded(folder)
        if model and (done := gathered(model[0].path)) and not model[0].path.exists():
            found.append((model[0], done))
    return sorted(found, key=lambda each: each[0].name)


def is_present(name: str) -> bool:
    """Whether the store has anything of a model: the file, or a part of it."""
    folder = folder_of(name)
    return folder.is_symlink() or (folder.is_dir() and any(folder.iterdir()))


def remove(name: str) -> int:
    """Delete a model and what an unfinished download of it has gathered; returns the bytes set free.

    Only the model's own folder inside the store is touched; where it is a symbolic link, the link.

    Raises:
        ModelUnavailableError: it is not in the store.
        GemcliError: another process is pulling, or the files cannot be deleted.
    """
    folder = folder_of(name)
    if not is_present(name):
        raise ModelUnavailableError(f"{name} is not installed", "`gemcli models list` shows what is.")
    with store_lock(models_dir(), f"removing {name}", None):
        try:
            if folder.is_symlink():
                folder.unlink()
                return 0
            freed = sum(each.lstat().st_size for each in folder.rglob("*") if each.is_file())
            shutil.rmtree(folder)
            return freed
        except OSError as error:
            raise GemcliError(f"cannot delete {folder}: {error.strerror or error}") from error


def _folders() -> list[Path]:
    try:
        return [each for each in models_dir().iterdir() if each.is_dir()]
    except OSError:
        return []


def _recorded(folder: Path) -> tuple[Installed, int] | None:
    """The model of a folder's record and its stamp, if the record is sound and belongs there."""
    try:
        data = json.loads((folder / RECORD).read_text("utf-8"))
        stamp = int(data["mtime_ns"])
        model = Installed(
            name=str(data["name"]),
            title=str(data["title"]),
            path=folder / Path(data["file"]).name,
            size=int(data["size"]),
            sha256=str(data["sha256"]),
            licence=str(data["licence"]),
            licence_url=str(data["licence_url"]),
            source=str(data["source"]),
            state="ready",
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (model, stamp) if folder_of(model.name).name == folder.name else None


def _read(folder: Path) -> Installed | None:
    recorded = _recorded(folder)
    return _as_found(*recorded) if recorded else _unrecorded(folder)


def _unrecorded(folder: Path) -> Installed | None:
    """A catalogue file that was put there by hand."""
    for entry in CATALOG:
        if folder.name == folder_of(entry.name).name:
            return _as_found(_model_of(entry, "found in the store"), None)
    return None


def _as_found(model: Installed, stamp: int | None) -> Installed | None:
    """The model in the state that its file is in; None where there is no file."""
    try:
        stat = model.path.stat()
    except OSError:
        return None
    same = stamp == stat.st_mtime_ns
    return replace(model, state="damaged" if stat.st_size != model.size else "ready" if same else "changed")


def _model_of(entry: Entry, source: str) -> Installed:
    return Installed(
        name=entry.name,
        title=entry.title,
        path=final_path(entry),
        size=entry.size,
        sha256=entry.sha256,
        licence=entry.licence,
        licence_url=entry.licence_url,
        source=source,
        state="ready",
    )


def _write_record(model: Installed, mtime_ns: int) -> None:
    data = {key: getattr(model, key) for key in _KEPT}
    data |= {"file": model.path.name, "mtime_ns": mtime_ns}
    data["verified_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) if mtime_ns else None
    path = model.path.with_name(RECORD)
    temporary = path.with_name(RECORD + ".new")
    temporary.write_text(json.dumps(data, indent=1), "utf-8")
    temporary.replace(path)
