"""Files that clients uploaded, by the hash of their bytes: asked about again, they need not travel again.

Small ones are held in memory, others in a folder of this user's that is gone when the server is.  One that is
not asked about for long is forgotten, but never while an answer is made from it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gemcli.server.faults import Fault, bad
from gemcli.server.limits import Limits

_IN_MEMORY = 1 << 20
_HEX = frozenset("0123456789abcdef")


@dataclass(slots=True)
class Blob:
    """One file.

    Attributes:
        size: bytes.
        data: the bytes, or None where they are in `path`.
        path: the file, or None where they are in `data`.
        used: when it was last asked about, by the store's clock.
        users: answers that are made from it now.
    """

    size: int
    data: bytes | None
    path: Path | None
    used: float
    users: int = 0


class Blobs:
    """The uploaded files of a server; a context manager that deletes them at its end.

    Args:
        limits: how much is kept, and how long.
        clock: seconds that only rise.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._blobs: dict[str, Blob] = {}
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._coming = 0  # bytes of uploads under way

    def __enter__(self) -> Blobs:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def missing(self, names: Sequence[str]) -> list[str]:
        """Those of some hashes that are not here; the others are kept for a while from now on."""
        with self._lock:
            self._forget()
            for name in names:
                if name in self._blobs:
                    self._blobs[name].used = self._clock()
            return [name for name in dict.fromkeys(names) if name not in self._blobs]

    @contextlib.contextmanager
    def held(self, names: Sequence[str]) -> Iterator[dict[str, Blob]]:
        """The files of these hashes, which stay until the block ends.

        Raises:
            Fault: one is not here.
        """
        with self._lock:
            gone = [name for name in names if name not in self._blobs]
            if gone:
                raise lacking(gone)
            found = {name: self._blobs[name] for name in names}
            for blob in found.values():
                blob.users += 1
        try:
            yield found
        finally:
            with self._lock:
                for blob in found.values():
                    blob.users -= 1
                    blob.used = self._clock()

    async def put(self, name: str, blocks: AsyncIterator[bytes], *, private: bool = False) -> None:
        """Take a file whose bytes come.

        Args:
            name: the SHA-256 that they must have, in hex.
            blocks: the bytes.
            private: they are never written to disk.

        Raises:
            Fault: the hash is another, or there is no room.
        """
        check_name(name)
        hasher, size, held = hashlib.sha256(), 0, bytearray()
        path: Path | None = None
        file: BinaryIO | None = None
        try:
            async for block in blocks:
                size += len(block)
                self._reserve(len(block))
                hasher.update(block)
                if file is None and size > _IN_MEMORY and not private:
                    path = self._new()
                    file = path.open("wb")
                    file.write(held)
                    held.clear()
                if file is None:
                    held += block
                else:
                    file.write(block)
            if hasher.hexdigest() != name:
                raise bad("the bytes have another SHA-256 than the path says", code="wrong_hash")
            if file is not None:
                file.close()
            with self._lock:
                if name in self._blobs:  # somebody was quicker
                    return
                data = bytes(held) if path is None else None
                self._blobs[name] = Blob(size, data, path, self._clock())
                path = None
        except OSError as error:
            raise Fault(
                507, f"the file cannot be kept: {error.strerror or error}", kind="server_error"
            ) from None
        finally:
            with self._lock:
                self._coming -= size
            if file is not None:
                file.close()
            if path is not None:
                path.unlink(missing_ok=True)

    def _new(self) -> Path:
        """An empty file of this user's."""
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="gemcli-serve-"))
        number, name = tempfile.mkstemp(dir=self._folder)
        os.close(number)
        return Path(name)

    def _reserve(self, size: int) -> None:
        with self._lock:
            self._coming += size
            self._forget(self._coming)
            if self._coming + self._kept() > self._limits.store_bytes:
                raise Fault(
                    507, "there is no room for more files now", kind="server_error", code="store_full"
                )

    def _kept(self) -> int:
        return sum(blob.size for blob in self._blobs.values())

    def _forget(self, coming: int = 0) -> None:
        """Drop what was not asked about for long, and the oldest where there is no room."""
        now, kept = self._clock(), self._kept()
        for name, blob in sorted(self._blobs.items(), key=lambda item: item[1].used):
            stale = now - blob.used > self._limits.keep_s
            if blob.users or not (stale or kept + coming > self._limits.store_bytes):
                continue
            kept -= blob.size
            del self._blobs[name]
            if blob.path is not None:
                blob.path.unlink(missing_ok=True)


def check_name(name: str) -> None:
    """Refuse what is no SHA-256 in hex.

    Raises:
        Fault: it is none.
    """
    if len(name) != 64 or not _HEX.issuperset(name):
        raise bad("a file is named by its SHA-256, 64 digits in lower-case hex", code="bad_hash")


def lacking(names: Sequence[str]) -> Fault:
    """What a client is told that must upload files first."""
    said = f"{len(names)} files are not here yet: upload them first"
    return Fault(409, said, code="missing_files", extra={"missing": list(names)})
