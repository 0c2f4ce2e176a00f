"""One download at a time: a lock on the store that the system lets go of when its holder dies."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gemcli.errors import GemcliError
from gemcli.settings import make_private

NAME = ".lock"
POLL_S = 0.2

# Windows locks are mandatory: the locked byte lies beyond the text that others read.
_LOCKED_BYTE = 1 << 20


@contextmanager
def store_lock(store: Path, purpose: str, on_wait: Callable[[str], None] | None) -> Iterator[None]:
    """Hold the store's lock within the block.

    Args:
        store: the folder of models; made where it is missing.
        purpose: what the holder is doing, shown to those who wait ("pulling smollm2-135m").
        on_wait: called about five times a second while another process holds the lock, with that
            process's purpose; None: do not wait.

    Raises:
        GemcliError: `on_wait` is None and another process holds the lock, or the folder allows no lock.
    """
    make_private(store)
    path = store / NAME
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise GemcliError(
            f"cannot write to the store of models {store}: {error.strerror or error}",
            "Set GEMCLI_MODELS to a folder that you may write to.",
        ) from error
    try:
        while not _try_lock(handle, path):
            holder = _holder(path)
            if on_wait is None:
                raise GemcliError(f"another gemcli is {holder}", "Wait for it to end, then try again.")
            on_wait(holder)
            time.sleep(POLL_S)
        os.ftruncate(handle, 0)
        os.pwrite(handle, purpose.encode(), 0) if hasattr(os, "pwrite") else os.write(
            handle, purpose.encode()
        )
        try:
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(handle, 0)
            _unlock(handle)
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip() or "busy in the store of models"
    except OSError:
        return "busy in the store of models"


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int, path: Path) -> bool:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        os.lseek(handle, 0, os.SEEK_SET)
        return True

    def _unlock(handle: int) -> None:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        with suppress(OSError):
            msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(handle: int, path: Path) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise GemcliError(
                f"the file system of {path} allows no locks ({error.strerror or error}), "
                "so two downloads could damage each other",
                "Set GEMCLI_MODELS to a folder on a local disk.",
            ) from error
        return True

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
