"""A model's folder on this disk: its files, and the record of what was verified when.

The record keeps the size and modification time that each file had when its SHA-256 was right.  As long as
both stand, the files are taken as they are; where a time differs, they are hashed again before use.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gemcli.hub.catalog import CATALOG, Companion, Entry
from gemcli.settings import models_dir

RECORD = "model.json"
_KEPT = ("name", "title", "size", "sha256", "licence", "licence_url", "source")

State = Literal["ready", "changed", "damaged"]


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


def read(folder: Path) -> Installed | None:
    """The model of a folder in the state that its files are in; None where there is none."""
    found = as_recorded(folder)
    return _as_found(*found) if found else _unrecorded(folder)


def _unrecorded(folder: Path) -> Installed | None:
    """A catalogue file that was put there by hand."""
    for entry in CATALOG:
        if folder.name == folder_of(entry.name).name:
            return _as_found(model_of(entry, "found in the store"), {})
    return None


def as_recorded(folder: Path) -> tuple[Installed, dict[str, int]] | None:
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


def model_of(entry: Entry, source: str) -> Installed:
    """A catalogue's model as the store has it once its files are there; `source`: where they are from."""
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


def write(model: Installed, stamps: Mapping[str, int]) -> None:
    """Write a model's record.

    Args:
        model: what to note.
        stamps: modification times in nanoseconds of verified files; empty where none is verified.

    Raises:
        OSError: it cannot be written.
    """
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
