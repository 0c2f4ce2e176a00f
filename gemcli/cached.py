"""What gemcli keeps ready on disk, seen as a person sees it: by document, not by file.

Beside prompts' beginnings there are things that every start needs (compiled programs, laid-out weights) and
what was made of files (their text, what was read and heard in them); all of it can be made again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemcli.errors import GemcliError, UsageError
from gemcli.plural import counted
from gemcli.prefixes import folder, limit
from gemcli.settings import cache_dir

if TYPE_CHECKING:
    from model.cache.shelf import File

_SHORT = 8  # characters of an id
OF_FILES = {
    "parsed": "documents as text",
    "ocr": "what was read in pictures",
    "speech": "what was heard",
    "notes": "notes on long documents",
}
OF_STARTS = {"compiled": "compiled programs", "weights": "weights laid out"}


@dataclass(frozen=True, slots=True)
class Kept:
    """Prompts' beginnings about the same documents, with the same model.

    Attributes:
        id: a short name for it.
        documents: their names; more of them are only counted.
        more: how many these are.
        model: the model's name.
        tokens: of the longest beginning.
        bytes: of its files; what it has in common with others is counted where it was made.
        used: when it was last used, in seconds since 1970.
        files: its files.
    """

    id: str
    documents: tuple[str, ...]
    more: int
    model: str
    tokens: int
    bytes: int
    used: float
    files: tuple[File, ...]

    def to_json(self) -> dict[str, Any]:
        """It as an object of ``cache list -o json``."""
        import datetime

        return {
            "id": self.id,
            "documents": list(self.documents),
            "more_documents": self.more,
            "model": self.model,
            "tokens": self.tokens,
            "bytes": self.bytes,
            "last_used": datetime.datetime.fromtimestamp(self.used, datetime.UTC).isoformat(
                timespec="seconds"
            ),
            "files": len(self.files),
        }


def kept() -> list[Kept]:
    """Everything that is kept of prompts, what was used last first; files that say nothing are left out."""
    from model.cache import segment, shelf

    rows: dict[tuple[object, ...], list[File]] = {}
    for namespace in shelf.namespaces(folder()):
        for file in shelf.files(namespace):
            try:
                said = segment.describe(file.path)
            except (segment.DamagedError, OSError):
                said = {}
            about, more = said.get("about"), said.get("more")
            names = tuple(map(str, about)) if isinstance(about, list) else ()
            key = (names, more if isinstance(more, int) else 0, str(said.get("model", "?")), namespace)
            rows.setdefault(key, []).append(file)
    found: list[Kept] = []
    for (names, more, model, _), files in rows.items():
        assert isinstance(names, tuple), "as it was put there"
        assert isinstance(more, int), "as it was put there"
        last = max(files, key=lambda file: (file.end, file.name))
        used = max(file.used for file in files) / 1e9
        size = sum(file.bytes for file in files)
        found.append(Kept(last.name[:_SHORT], names, more, str(model), last.end, size, used, tuple(files)))
    return sorted(found, key=lambda each: (-each.used, each.id))


def others() -> list[tuple[str, str, int, int]]:
    """What else is kept: (kind, in words, files, bytes)."""
    places = [(kind, words, cache_dir() / "documents" / kind) for kind, words in OF_FILES.items()]
    places += [(kind, words, cache_dir() / kind) for kind, words in OF_STARTS.items()]
    return [(kind, words, *_size(place)) for kind, words, place in places]


def find(words: Sequence[str], model: str | None) -> list[Kept]:
    """What is meant by ids, or beginnings of them, or names of documents; all of a model where none is given.

    Raises:
        UsageError: a word means nothing that is kept.
    """
    rows = [each for each in kept() if model is None or each.model == model]
    if not words:
        return rows
    found: list[Kept] = []
    for word in words:
        meant = [each for each in rows if any(_is(word, name) for name in each.documents)]
        meant = meant or [each for each in rows if len(word) >= 4 and each.id.startswith(word[:_SHORT])]
        if not meant:
            raise UsageError(f"nothing is kept of {word!r}", "`gemcli cache list` shows what is.")
        found += [each for each in meant if each not in found]
    return found


def remove(rows: Iterable[Kept]) -> int:
    """Delete what is kept, and what cannot be come to without it; returns the bytes that are freed.

    Raises:
        GemcliError: some of it is still there.
    """
    files = [file for row in rows for file in row.files]
    freed = _remove(files)
    _must_be_gone([file.path for file in files])
    return freed


def _remove(files: Sequence[File]) -> int:
    from model.cache import shelf

    freed = 0
    folders: set[Path] = set()
    for file in files:
        folders.add(file.path.parent)
        freed += file.bytes if shelf.remove(file.path) else 0
    for place in folders:
        for file in shelf.orphans(shelf.files(place)):
            freed += file.bytes if shelf.remove(file.path) else 0
    shelf.remove_drafts(folder())
    return freed


def prune(before: float | None = None) -> int:
    """Delete what was not used since a moment, then the oldest beyond the limit; returns the bytes freed.

    Args:
        before: seconds since 1970; None deletes nothing for its age.

    Raises:
        UsageError: the limit is no size.
    """
    from model.cache import shelf

    most, root = most_bytes(), folder()
    start = shelf.total(root)
    freed = 0
    for place in shelf.namespaces(root):
        for file in shelf.orphans(shelf.files(place)):
            shelf.remove(file.path)
    if before is not None:
        for place in shelf.namespaces(root):
            files = shelf.files(place)
            wanted = shelf.wants(files)
            for file in files:
                if shelf.last_use(file, wanted) < before * 1e9:
                    shelf.remove(file.path)
        for path in _of_files():
            with contextlib.suppress(OSError):
                stat = path.stat()
                if stat.st_mtime < before:
                    path.unlink()
                    freed += stat.st_size
    return freed + start - shelf.make_room(root, most)


def remove_all() -> int:
    """Delete all that is kept of files and prompts; returns the bytes that are freed.

    Raises:
        GemcliError: some of it is still there.
    """
    files, others = [file for row in kept() for file in row.files], _of_files()
    freed = _remove(files)
    for path in others:
        with contextlib.suppress(OSError):
            size = path.stat().st_size
            path.unlink()
            freed += size
    _must_be_gone([*(file.path for file in files), *others])
    return freed


def _must_be_gone(paths: Sequence[Path]) -> None:
    """Whoever deletes what others shall not read must not believe that it is gone when it is not."""
    left = [path for path in paths if os.path.lexists(path)]
    if left:
        raise GemcliError(
            f"{len(left):,} of {counted(len(paths), 'file')} could not be deleted, {left[0]} among them",
            "Is the folder yours, and may it be written to?",
        )


def most_bytes() -> int:
    """Bytes that prompts' beginnings may take.

    Raises:
        UsageError: what was set is no size.
    """
    import shutil

    from model.cache import shelf

    most = limit()
    if most is not None:
        return most
    place = folder()
    while not place.exists() and place != place.parent:
        place = place.parent
    return shelf.default_most(shutil.disk_usage(place).free + shelf.total(folder()))


def _is(word: str, name: str) -> bool:
    from fnmatch import fnmatchcase

    short = name.rstrip("/").rpartition("/")[2]
    return word in (name, short) or fnmatchcase(short, word) or os.path.abspath(word) == name  # noqa: PTH100


def _of_files() -> list[Path]:
    """The files of what was made of documents."""
    root = cache_dir() / "documents"
    return [path for kind in OF_FILES for path in (root / kind).glob("*") if path.is_file()]


def _size(place: Path) -> tuple[int, int]:
    """Files in a folder, and their bytes."""
    count = total = 0
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_file(follow_symlinks=False):
                    total += entry.stat(follow_symlinks=False).st_size
                    count += 1
    return count, total
