"""Room for all of a model's arrays in one mapped file, so that the next start maps them at disk speed.

The file is a JSON header and page-aligned arrays, laid out as the engine computes with them: what loading a
quantized checkpoint made of it is never made again.  Where the disk has no room for it the same layout lies
in anonymous memory.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_MAGIC = b"gemcli-weights-1"
_ALIGN = 4096
_OLD_DRAFT = 3600  # seconds
_FINISHED = (
    1_000_000_000  # seconds; the time of change of every finished file: whatever writes to it later shows
)
_SPARE_DISK = 1 << 30  # never fill a person's disk to the brim for a cache


@dataclass(frozen=True, slots=True)
class Slot:
    """One array to be stored: its name, shape and numpy dtype string."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        """Its size."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


def open_arena(path: Path, slots: Sequence[Slot], identity: str) -> dict[str, np.ndarray] | None:
    """The arrays of a finished file, mapped; None where it is missing, changed, or of another shape."""
    header, offsets, size = _layout(slots, identity)
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if (found.st_size, int(found.st_mtime)) != (size, _FINISHED) or file.read(len(header)) != header:
                return None
            data = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    except OSError:
        return None
    return _views(data, slots, offsets)


@contextlib.contextmanager
def new_arena(path: Path | None, slots: Sequence[Slot], identity: str) -> Iterator[Mapping[str, np.ndarray]]:
    """Arrays to fill; kept at `path` when the block ends well, nowhere when it does not.

    Args:
        path: where; None for memory alone.  Memory is also used where the disk lacks room.
        slots: the arrays.
        identity: what they were made from; `open_arena` must be given the same.
    """
    header, offsets, size = _layout(slots, identity)
    draft = _draft(path, size) if path else None
    if path is None or draft is None:
        yield _views(mmap.mmap(-1, size), slots, offsets)
        return
    try:
        with draft.open("r+b") as file:
            os.truncate(file.fileno(), size)
            data = mmap.mmap(file.fileno(), size)
        data[: len(header)] = header
        yield _views(data, slots, offsets)
        data.flush()
        with contextlib.suppress(OSError):  # a system that cannot rename a mapped file keeps none
            os.utime(draft, (_FINISHED, _FINISHED))
            draft.replace(path)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def remove_copies(folder: Path, source: Path) -> int:
    """Delete the files made from `source`, and those whose source is gone; returns the bytes freed."""
    freed = 0
    for copy in folder.glob("*.weights"):
        made_from = Path((source_of(copy) or "").partition("\n")[0])
        if made_from == source.resolve() or not made_from.exists():
            with contextlib.suppress(OSError):
                size = copy.stat().st_size
                copy.unlink()
                freed += size
    return freed


def source_of(path: Path) -> str | None:
    """The identity that a file was written with; None where it is not an arena."""
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return None
            (length,) = struct.unpack("<I", file.read(4))
            return json.loads(file.read(length))["identity"]
    except (OSError, ValueError, struct.error, KeyError):
        return None


def _draft(path: Path, size: int) -> Path | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _remove_old_drafts(path.parent)
        if shutil.disk_usage(path.parent).free < size + _SPARE_DISK:
            return None
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    except OSError:
        return None
    draft = Path(name)
    # Blocks are taken now: a mapped file that runs out of disk later would end the process with SIGBUS.
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(handle, 0, size)
    except OSError:
        draft.unlink(missing_ok=True)
        return None
    finally:
        os.close(handle)
    return draft


def _remove_old_drafts(folder: Path) -> None:
    """Drop what killed processes left; a draft that a process still fills is younger."""
    for draft in folder.glob("*.weights*.part"):
        with contextlib.suppress(OSError):
            if time.time() - draft.stat().st_mtime > _OLD_DRAFT:
                draft.unlink()


def _layout(slots: Sequence[Slot], identity: str) -> tuple[bytes, list[int], int]:
    table = [[slot.name, slot.shape, slot.dtype] for slot in slots]
    text = json.dumps({"identity": identity, "arrays": table}).encode()
    header = _MAGIC + struct.pack("<I", len(text)) + text
    offsets, at = [], _aligned(len(header))
    for slot in slots:
        offsets.append(at)
        at = _aligned(at + slot.nbytes)
    return header, offsets, at


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGN) * _ALIGN


def _views(data: mmap.mmap, slots: Sequence[Slot], offsets: Sequence[int]) -> dict[str, np.ndarray]:
    return {
        slot.name: np.frombuffer(
            data, slot.dtype, slot.nbytes // np.dtype(slot.dtype).itemsize, offset
        ).reshape(slot.shape)
        for slot, offset in zip(slots, offsets, strict=True)
    }
