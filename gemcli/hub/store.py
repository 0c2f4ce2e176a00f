"""The models on this disk, a folder each: which there are, whether they are sound, and making room."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from gemcli.errors import GemcliError, ModelUnavailableError
from gemcli.hub import recorded
from gemcli.hub.catalog import CATALOG, Entry
from gemcli.hub.lock import store_lock
from gemcli.hub.partial import gathered
from gemcli.hub.recorded import Installed
from gemcli.settings import models_dir

_CHUNK = 4 << 20

OnVerify = Callable[[int, int], None]


def path_of(entry: Entry) -> Path | None:
    """The entry's file, when it lies in the store as it was verified; otherwise None."""
    found = find_installed(entry.name)
    if not found or found.state != "ready" or found.sha256 != entry.sha256:
        return None
    return found.path if found.companions == recorded.companions_of(entry) else None


def installed() -> list[Installed]:
    """Every model in the store, in the catalogue's order, then by name."""
    found = [each for each in map(recorded.read, _folders()) if each]
    order = {entry.name: index for index, entry in enumerate(CATALOG)}
    return sorted(found, key=lambda each: (order.get(each.name, len(order)), each.name))


def find_installed(name: str) -> Installed | None:
    """The model called `name`, in whatever state, or None."""
    return recorded.read(recorded.folder_of(name))


def partial_bytes(entry: Entry) -> int:
    """Bytes that an unfinished download of the entry has gathered."""
    return _gathered([(recorded.final_path(each), each.size) for each in entry.pieces()])


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
            recorded.write(model, stamps)
    return wrong


def record(entry: Entry, source: str) -> Installed:
    """Note that the entry's files, now in their places, have been verified.

    Args:
        entry: the model.
        source: where the bytes came from, in words.

    Raises:
        OSError: the record cannot be written.
    """
    model = recorded.model_of(entry, source)
    recorded.write(model, {path.name: path.stat().st_mtime_ns for path, _, _ in model.files()})
    return model


def begin(entry: Entry) -> None:
    """Note whose bytes are about to be gathered, so that an unfinished download can be told and deleted.

    Raises:
        OSError: the note cannot be written.
    """
    if not (recorded.folder_of(entry.name) / recorded.RECORD).exists():
        recorded.write(recorded.model_of(entry, "not yet complete"), {})


def unfinished() -> list[tuple[Installed, int]]:
    """Every interrupted first download: the model it will be, and the bytes gathered."""
    found = []
    for folder in _folders():
        model = recorded.as_recorded(folder)
        if model is None or model[0].path.exists():
            continue
        if done := _gathered([(path, size) for path, size, _ in model[0].files()]):
            found.append((model[0], done))
    return sorted(found, key=lambda each: each[0].name)


def is_present(name: str) -> bool:
    """Whether the store has anything of a model: the file, or a part of it."""
    folder = recorded.folder_of(name)
    return folder.is_symlink() or (folder.is_dir() and any(folder.iterdir()))


def remove(name: str) -> int:
    """Delete a model and what an unfinished download of it has gathered; returns the bytes set free.

    Only the model's own folder inside the store is touched; where it is a symbolic link, the link.

    Raises:
        ModelUnavailableError: it is not in the store.
        GemcliError: another process is pulling, or the files cannot be deleted.
    """
    folder = recorded.folder_of(name)
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
