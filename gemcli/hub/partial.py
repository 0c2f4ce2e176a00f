"""A model file on its way: bytes only ever appended, their digest kept, so that any interruption resumes.

Beside ``NAME.partial`` lies a journal that says how many of its bytes are known to be on the disk, and
their SHA-256.  The same prefix serves every source, since all of them give the same file: a download that
a hub began can be ended by wheels.  Opening verifies what the journal says before it is built upon.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from gemcli.hub.source import SourceError

CHECKPOINT = 16 << 20
"""Bytes between two records of the journal: what a power cut may cost."""

CHUNK = 1 << 20


class DigestError(SourceError):
    """All bytes came, and they are not the file's."""


class Partial:
    """The first `offset` bytes of a file of known size and SHA-256; a context manager.

    Args:
        final: where the whole file will be.
        size: bytes of the whole file.
        sha256: hex digest of the whole file.
        on_progress: called with (bytes so far) after every write.  A source whose bytes wait elsewhere before
            they are appended sets `counted`, which makes the bytes that have come out of the offset.
        on_verify: called with (bytes verified, bytes to verify) while an earlier download is checked.

    Raises:
        OSError: the disk refuses; what was recorded last stays, and can be resumed.
    """

    def __init__(
        self,
        final: Path,
        size: int,
        sha256: str,
        *,
        on_progress: Callable[[int], None] = lambda done: None,
        on_verify: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.final = final
        self.size = size
        self.sha256 = sha256
        self.path = path_for(final)
        self._state = (0, hashlib.sha256())
        self.counted: Callable[[int], int] = _as_it_is
        self._journal = journal_for(final)
        self._on_progress = on_progress
        self._on_verify = on_verify
        self._recorded = 0

    def __enter__(self) -> Self:
        self._file = _open(self.path)
        try:
            self._resume()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file.closed:
            return
        try:
            self._checkpoint()
        except OSError:
            # A full disk: go back to what the journal says, which also gives the disk some room again.
            with suppress(OSError):
                self._file.truncate(self._recorded)
        finally:
            self._file.close()

    @property
    def offset(self) -> int:
        """Bytes of the file that are here."""
        return self._state[0]

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes.

        Raises:
            SourceError: they would be more than the file has.
        """
        if self.offset + len(data) > self.size:
            raise SourceError(f"more bytes came than the file has ({self.size:,})")
        view = memoryview(data)
        while view:
            written = self._file.write(view)
            offset, hasher = self._state
            hasher = hasher.copy()
            hasher.update(view[:written])
            # In one assignment: an interrupt between the two would leave a journal that contradicts itself.
            self._state = (offset + written, hasher)
            view = view[written:]
        if self.offset - self._recorded >= CHECKPOINT:
            self._checkpoint()
        self.progress()

    def progress(self) -> None:
        """Tell how many bytes have come, those included that are not yet in this file (`counted`)."""
        self._on_progress(min(self.counted(self.offset), self.size))

    def truncate(self, offset: int) -> None:
        """Drop all bytes from `offset` on; those before are read again for their digest."""
        assert 0 <= offset <= self.offset
        self._rehash(offset)
        self._cut()
        self._checkpoint()

    def checkpoint(self) -> None:
        """Record all bytes so far, so that not even a power cut loses them."""
        self._checkpoint()

    def finish(self) -> Path:
        """Put the complete file in its place, in one step; returns that place.

        Raises:
            DigestError: the bytes are not the file's; they are dropped.
        """
        assert self.offset == self.size, "a source ended early without saying so"
        digest = self._digest()
        if digest != self.sha256:
            self.truncate(0)
            raise DigestError(
                f"the bytes are not the known file: SHA-256 {digest[:16]}… instead of {self.sha256[:16]}…"
            )
        os.fsync(self._file.fileno())
        self._file.close()
        self.path.replace(self.final)
        self._journal.unlink(missing_ok=True)
        _sync_folder(self.final.parent)
        return self.final

    def _resume(self) -> None:
        try:
            journal = json.loads(self._journal.read_text("utf-8"))
            wanted, done, digest = journal["sha256"], int(journal["done"]), journal["digest"]
        except (OSError, ValueError, KeyError, TypeError):
            wanted, done, digest = "", 0, ""
        present = os.fstat(self._file.fileno()).st_size
        if wanted != self.sha256 or not 0 < done <= min(present, self.size):
            done = 0
        self._rehash(done)
        if done and self._digest() != digest:
            self._rehash(0)
        self._cut()
        self._recorded = self.offset

    def _rehash(self, offset: int) -> None:
        """Set `offset`, with the digest of the bytes before it."""
        hasher = hashlib.sha256()
        self._state = (0, hasher)
        self._file.seek(0)
        done = 0
        while done < offset and (data := self._file.read(min(CHUNK, offset - done))):
            hasher.update(data)
            done += len(data)
            self._on_verify(done, offset)
        self._state = (done, hasher)

    def _digest(self) -> str:
        return self._state[1].hexdigest()

    def _cut(self) -> None:
        self._file.truncate(self.offset)
        self._file.seek(self.offset)

    def _checkpoint(self) -> None:
        os.fsync(self._file.fileno())
        record = {"sha256": self.sha256, "size": self.size, "done": self.offset, "digest": self._digest()}
        temporary = self._journal.with_name(self._journal.name + ".new")
        temporary.write_text(json.dumps(record), "utf-8")
        temporary.replace(self._journal)
        self._recorded = self.offset


def _as_it_is(offset: int) -> int:
    return offset


def path_for(final: Path) -> Path:
    """Where the bytes of `final` are gathered."""
    return final.with_name(final.name + ".partial")


def journal_for(final: Path) -> Path:
    """Where the record of the gathered bytes lies."""
    return final.with_name(final.name + ".partial.json")


def gathered(final: Path) -> int:
    """Bytes of `final` that an unfinished download has on the disk; 0 where there is none."""
    try:
        return path_for(final).stat().st_size
    except OSError:
        return 0


def _open(path: Path):
    """The file for reading and appending, unbuffered: what was written is in the system's hands."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600), "r+b", 0)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there; the rename itself is journalled
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some network file systems refuse
        pass
    finally:
        os.close(handle)
