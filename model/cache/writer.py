"""Files of kept prefixes written by a thread, into a folder that does not grow beyond what it may have."""

from __future__ import annotations

import errno
import queue
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from model.cache import segment, shelf
from model.cache.shelf import Shelf

_BACKLOG = 1 << 30  # bytes that wait to be written, beyond which nothing more is kept of a prompt
_SPARE_DISK = 1 << 30  # never fill a person's disk to the brim for a cache
_LEAN = 0.9  # what is left of the most when room is made, so that it is not made again at once


class Writer:
    """Writes what one prompt after the other adds.

    Args:
        shelf: where all prefixes are.
        folder: where those of this model are.

    Attributes:
        on: False once something is so amiss that nothing more is kept.
        waiting: files that are going to be written.
    """

    def __init__(self, shelf: Shelf, folder: Path) -> None:
        self.on = True
        self.waiting: set[Path] = set()
        self._shelf = shelf
        self._folder = folder
        self._warned = False
        self._warnings: list[str] = []
        self._held: int | None = None
        self._bytes = 0  # that wait
        self._jobs: queue.SimpleQueue[_Job | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def write(
        self,
        path: Path,
        about: dict[str, object],
        arrays: Sequence[jax.Array],
        taken: int | None,
        after: Path | None,
        chain: Callable[[], Iterable[Path]],
    ) -> bool:
        """Have a file written; False where too much waits already.

        Args:
            path: the file.
            about: what is told of it.
            arrays: what it holds.
            taken: how many of the slots of its arrays are real; None where there are none.
            after: the file without which nobody comes to this one; None where it stands for itself.
            chain: gives all files of its prompt, which make no room for each other.
        """
        size = sum(each.nbytes for each in arrays)
        with self._lock:
            if self._bytes + size > _BACKLOG:
                return False
            self._bytes += size
        self.waiting.add(path)
        self._jobs.put(_Job(path, about, tuple(arrays), taken, size, after, chain))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="gemcli-keep", daemon=True)
            self._thread.start()
        return True

    def flush(self, seconds: float) -> None:
        """Wait until what was told is written, but no longer than this."""
        if self._thread is not None:
            done = threading.Event()
            self._jobs.put(done)
            done.wait(seconds)

    def warnings(self) -> list[str]:
        """What is amiss and has not been told yet, in sentences."""
        with self._lock:
            told, self._warnings = self._warnings, []
        return told

    def tell(self, message: str) -> None:
        """Say what is amiss; only the first is said."""
        with self._lock:
            if not self._warned:
                self._warned = True
                self._warnings.append(message)

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if isinstance(job, threading.Event):
                job.set()
                continue
            try:
                if self.on:
                    self._store(job)
            except OSError as error:
                self.on = False
                why = error.strerror or str(error)
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    self.tell(f"the disk is full: nothing more is kept of this prompt ({self._shelf.root})")
                else:
                    self.tell(f"nothing is kept of this prompt: {self._shelf.root}: {why}")
            except Exception as error:  # a device that is gone, memory: the answer does not depend on it
                self.on = False
                self.tell(f"nothing more is kept of this prompt: {error}")
            finally:
                self.waiting.discard(job.path)
                with self._lock:
                    self._bytes -= job.bytes

    def _store(self, job: _Job) -> None:
        if job.after is not None and not job.after.is_file():
            return  # it was too much, or somebody removed it
        root = self._shelf.root
        if self._held is None:
            self._held = shelf.total(root)
            shelf.remove_drafts(root)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        free = shutil.disk_usage(root).free
        most = self._shelf.most if self._shelf.most is not None else shelf.default_most(free + self._held)
        if self._held + job.bytes > most or job.bytes + _SPARE_DISK > free:
            target = min(most, self._held + free - _SPARE_DISK)
            sizes = {each.path: each.bytes for each in shelf.files(self._folder)}
            chain = set(job.chain()) & sizes.keys()
            own = sum(sizes[each] for each in chain)
            if own + job.bytes > target:
                if target < most:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return  # this prompt alone is more than may be kept
            self._held = shelf.make_room(root, max(int(target * _LEAN), own + job.bytes) - job.bytes, chain)
        arrays = [np.asarray(each) for each in job.arrays]
        if job.taken is not None:
            arrays = [each[:, :, : job.taken] for each in arrays]
        try:
            self._held += segment.write(job.path, job.about, arrays)
        except FileNotFoundError:  # another process found the folder empty and removed it
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._held += segment.write(job.path, job.about, arrays)


@dataclass(frozen=True, slots=True)
class _Job:
    """A file to be written."""

    path: Path
    about: dict[str, object]
    arrays: tuple[jax.Array, ...]
    taken: int | None
    bytes: int
    after: Path | None
    chain: Callable[[], Iterable[Path]]
