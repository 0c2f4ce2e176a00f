"""The models on this disk: one folder each, holding the files and a record of what was verified when.

The record keeps the size and modification time that each file had when its SHA-256 was right.  As long as
both stand, the files are taken as they are; where a time differs, they are hashed again before use.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gemcli.errors import GemcliError, ModelUnavailableError
from gemcli.hub.catalog import CATALOG, Companion, Entry
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
            ``damaged`` when its size is wrong, or a companion is missing.
        companions: what it needs beside its file; without their sources.
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
    companions: tuple[Companion, ...] = ()

    @property
    def total(self) -> int:
        """Bytes that all its files should have."""
        return self.size + sum(each.size for each in self.companions)

    @property
    def usable(self) -> Path:
        """What the engine opens: the file, or the folder of safetensors."""
        return usable(self.path)

    def files(self) -> list[tuple[Path, int, str]]:
        """Path, bytes and SHA-256 of each of its files, the weights first."""
        folder = self.path.parent
        return [
            (self.path, self.size, self.sha256),
            *((folder / each.file, each.size, each.sha256) for each in self.companions),
        ]


def companions_of(entry: Entry) -> tuple[Companion, ...]:
    """What the entry needs beside its file, as `Installed` keeps it."""
    return tuple(replace(each, sources=()) for each in entry.companions)


def usable(path: Path) -> Path:
    """What the engine opens of a model whose weights begin in this file."""
    return path.parent if path.suffix == ".safetensors" else path


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
    if not found or found.state != "ready" or found.sha256 != entry.sha256:
        return None
    return found.path if found.companions == companions_of(entry) else None


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
    return _gathered([(final_path(each), each.size) for each in entry.pieces()])


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
    """Whether the files are, byte for byte, those that were published; if so, their record is renewed.

    Raises:
        ModelUnavailableError: a file cannot be read.
    """
    return not wrong_files(model, on_verify)


def wrong_files(model: Installed, on_verify: OnVerify = lambda done, total: None) -> list[Path]:
    """Those of the model's files that are damaged or missing; where there is none, the record is renewed.

    Raises:
        ModelUnavailableError: a file cannot be read.
    """
    wrong: list[Path] = []
    stamps: dict[str, int] = {}
    for path, size, sha256 in model.files():
        try:
            before = path.stat()
            right = before.st_size == size and digest(path, on_verify) == sha256
        except OSError as error:
            if path != model.path and isinstance(error, FileNotFoundError):
                wrong.append(path)
                continue
            raise ModelUnavailableError(
                f"cannot read {path}: {error.strerror or error}", f"Run: gemcli pull {model.name}"
            ) from error
        stamps[path.name] = before.st_mtime_ns
        if not right:
            wrong.append(path)
    if not wrong and model.state != "ready":
        with suppress(OSError):  # a store that is only readable is hashed every time
            _write_record(model, stamps)
    return wrong


def record(entry: Entry, source: str) -> Installed:
    """Note that the entry's files, now in their places, have been verified.

    Args:
        entry: the model.
        source: where the bytes came from, in words.

    Raises:
        OSError: the record cannot be written.
    """
    model = _model_of(entry, source)
    _write_record(model, {path.name: path.stat().st_mtime_ns for path, _, _ in model.files()})
    return model


def begin(entry: Entry) -> None:
    """Note whose bytes are about to be gathered, so that an unfinished download can be told and deleted.

    Raises:
        OSError: the note cannot be written.
    """
    if not (folder_of(entry.name) / RECORD).exists():
        _write_record(_model_of(entry, "not yet complete"), {})


def unfinished() -> list[tuple[Installed, int]]:
    """Every interrupted first download: the model it will be, and the bytes gathered."""
    found = []
    for folder in _folders():
        model = _recorded(folder)
        if model is None or model[0].path.exists():
            continue
        if done := _gathered([(path, size) for path, size, _ in model[0].files()]):
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


def _gathered(files: Sequence[tuple[Path, int]]) -> int:
    """Bytes that there are of an unfinished model: of the file on its way, and of those beside it that came.

    Args:
        files: path and size, the weights first.
    """
    done = sum(gathered(path) for path, _ in files)
    return done + sum(size for path, size in files[1:] if path.exists() and not files[0][0].exists())


def _folders() -> list[Path]:
    try:
        return [each for each in models_dir().iterdir() if each.is_dir()]
    except OSError:
        return []


def _recorded(folder: Path) -> tuple[Installed, dict[str, int]] | None:
    """The model of a folder's record and its files' stamps, if the record is sound and belongs there."""
    try:
        data = json.loads((folder / RECORD).read_text("utf-8"))
        beside = data.get("companions", [])
        stamps = {Path(each["file"]).name: int(each["mtime_ns"]) for each in (data, *beside)}
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
            companions=tuple(
                Companion(Path(each["file"]).name, int(each["size"]), str(each["sha256"]), ())
                for each in beside
            ),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return (model, stamps) if folder_of(model.name).name == folder.name else None


def _read(folder: Path) -> Installed | None:
    recorded = _recorded(folder)
    return _as_found(*recorded) if recorded else _unrecorded(folder)


def _unrecorded(folder: Path) -> Installed | None:
    """A catalogue file that was put there by hand."""
    for entry in CATALOG:
        if folder.name == folder_of(entry.name).name:
            return _as_found(_model_of(entry, "found in the store"), {})
    return None


def _as_found(model: Installed, stamps: Mapping[str, int]) -> Installed | None:
    """The model in the state that its files are in; None where there are no weights."""
    state: State = "ready"
    for path, size, _ in model.files():
        try:
            stat = path.stat()
        except OSError:
            if path == model.path:
                return None
            state = "damaged"
            continue
        if stat.st_size != size:
            state = "damaged"
        elif stat.st_mtime_ns != stamps.get(path.name) and state == "ready":
            state = "changed"
    return replace(model, state=state)


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
        companions=companions_of(entry),
    )


def _write_record(model: Installed, stamps: Mapping[str, int]) -> None:
    """`stamps`: modification times in nanoseconds of verified files; empty where none is verified."""
    data = {key: getattr(model, key) for key in _KEPT}
    data |= {"file": model.path.name, "mtime_ns": stamps.get(model.path.name, 0)}
    if model.companions:
        data["companions"] = [
            {
                "file": each.file,
                "size": each.size,
                "sha256": each.sha256,
                "mtime_ns": stamps.get(each.file, 0),
            }
            for each in model.companions
        ]
    data["verified_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) if stamps else None
    path = model.path.with_name(RECORD)
    temporary = path.with_name(RECORD + ".new")
    temporary.write_text(json.dumps(data, indent=1), "utf-8")
    temporary.replace(path)
