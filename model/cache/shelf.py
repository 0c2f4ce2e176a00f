"""The folder of kept prefixes: which files there are, which were used last, and which have to go.

A folder below it, a namespace, holds what was computed in one and the same way.  The names of its files tell
all that there is to know of the chains that they form, so there is no index that could be out of date:

    00002048-<name>-<name of the piece before>.kv    what full caches hold of the tokens of a chunk
    00002048-<name>.state                            rings and recurrences as they are behind it

Nothing is locked.  A file appears whole and goes whole; whoever misses one computes it again.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.cache.segment import DRAFT

_BEFORE = 12  # characters that tell which piece is before
_OLD_DRAFT = 600  # seconds; one is finished within one
PIECE, STATE = ".kv", ".state"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where prefixes are kept.

    Attributes:
        root: the folder of all of them; it must be the user's alone.
        most: bytes that it may take; None: a tenth of what is free on the disk, 10 GB at most.
        model: the model's name, for whoever looks at what is kept.
    """

    root: Path
    most: int | None
    model: str


@dataclass(frozen=True, slots=True)
class File:
    """A file of a namespace.

    Attributes:
        path: where it is.
        end: tokens of the prefix that it ends.
        name: of the state behind it.
        before: beginning of the name of the piece before; its own name's for a snapshot, which goes first.
        bytes: its size.
        used: when it was last used, in nanoseconds of the system's clock.
    """

    path: Path
    end: int
    name: str
    before: str
    bytes: int
    used: int

    @property
    def is_state(self) -> bool:
        """It is a snapshot."""
        return self.path.suffix == STATE


def piece_path(folder: Path, end: int, name: str, before: str) -> Path:
    """Where the piece is kept that ends a prefix.

    Args:
        folder: the namespace.
        end: tokens of the prefix.
        name: of the state behind it.
        before: of the state that the piece begins at; "" at the start.
    """
    return folder / f"{end:08d}-{name}-{(before or '0' * _BEFORE)[:_BEFORE]}{PIECE}"


def state_path(folder: Path, end: int, name: str) -> Path:
    """Where the snapshot of a prefix is kept."""
    return folder / f"{end:08d}-{name}{STATE}"


def files(folder: Path) -> list[File]:
    """The files of a namespace; none where it cannot be read."""
    found: list[File] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            stem, dot, suffix = entry.name.partition(".")
            end, *names = stem.split("-")
            if dot + suffix not in (PIECE, STATE) or not end.isdecimal() or not names:
                continue
            with contextlib.suppress(OSError):
                if not entry.is_file(follow_symlinks=False):
                    continue  # whoever opened a pipe would wait for ever
                stat = entry.stat(follow_symlinks=False)
                before = names[-1] if suffix == PIECE[1:] else names[0][:_BEFORE]
                found.append(
                    File(Path(entry.path), int(end), names[0], before, stat.st_size, stat.st_mtime_ns)
                )
    return found


def namespaces(root: Path) -> list[Path]:
    """The namespaces of the folder of all kept prefixes."""
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    return []


def touch(paths: Sequence[Path]) -> None:
    """Say that files are used now."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.utime(path)


def last_use(file: File, wanted: dict[str, int]) -> int:
    """When a file, or one that builds upon it, was last used."""
    return file.used if file.is_state else max(file.used, wanted.get(file.name[:_BEFORE], 0))


def in_order_of_use(root: Path) -> list[File]:
    """All files of all namespaces in the order in which they may go."""
    found: list[tuple[int, int, bool, File]] = []
    for folder in namespaces(root):
        held = files(folder)
        wanted = wants(held)
        found += [(last_use(each, wanted), -each.end, not each.is_state, each) for each in held]
    return [each[-1] for each in sorted(found, key=lambda row: row[:3])]


def wants(found: Sequence[File]) -> dict[str, int]:
    """When what builds upon a piece was last used, by the beginning of the piece's name."""
    wanted: dict[str, int] = {}
    for each in sorted(found, key=lambda file: (file.end, file.is_state), reverse=True):
        used = last_use(each, wanted)
        wanted[each.before] = max(wanted.get(each.before, 0), used)
    return wanted


def total(root: Path) -> int:
    """Bytes of everything in it."""
    return sum(each.bytes for folder in namespaces(root) for each in files(folder))


def default_most(room: int) -> int:
    """Bytes that kept prefixes may take where nobody says, when so many are free or taken by them."""
    return min(10 * 1000**3, room // 10)


def make_room(root: Path, most: int, spare: Collection[Path] = ()) -> int:
    """Remove what was not used for longest until all is `most` bytes; returns the bytes that are left.

    Args:
        root: the folder of all kept prefixes.
        most: bytes.
        spare: files that stay.
    """
    found = in_order_of_use(root)
    left = sum(each.bytes for each in found)
    spared = set(spare)
    for each in found:
        if left <= most:
            break
        if each.path not in spared and remove(each.path):
            left -= each.bytes
    remove_drafts(root)
    return left


def remove(path: Path) -> bool:
    """Delete a file; whether it is gone."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def remove_drafts(root: Path) -> None:
    """Delete what killed processes have left, and empty namespaces."""
    for folder in namespaces(root):
        for draft in folder.glob(f"*{DRAFT}"):
            with contextlib.suppress(OSError):
                # A clock that was set back makes what is old look as if it came from the future.
                if abs(time.time() - draft.stat().st_mtime) > _OLD_DRAFT:
                    draft.unlink()
        with contextlib.suppress(OSError):
            folder.rmdir()  # only where it is empty


def orphans(found: Sequence[File]) -> list[File]:
    """The files of one namespace that no prompt can come to, because a piece before them is gone."""
    by_name = {each.name[:_BEFORE]: each for each in found if not each.is_state}
    pieces_there = bool(by_name)
    lost: list[File] = []

    def rooted(each: File) -> bool:
        while each.before != "0" * _BEFORE:
            parent = by_name.get(each.before)
            if parent is None or parent.end >= each.end:
                return False
            each = parent
        return True

    for each in found:
        if each.is_state:
            piece = by_name.get(each.before)
            if pieces_there and (piece is None or not rooted(piece)):
                lost.append(each)
        elif not rooted(each):
            lost.append(each)
    return lost
