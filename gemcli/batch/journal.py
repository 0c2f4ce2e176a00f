"""The file that a batch's records are appended to, line by line, so that a batch that was killed goes on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from gemcli.errors import GemcliError, UsageError
from gemcli.json_lines import append, lines

_BEGINS = b'{"source": '  # how every record begins


class Journal:
    """A file of records, open for more; a context manager.

    Args:
        path: the file; it need not exist.
        again: drop the records of what failed, so that it is tried again.

    Raises:
        UsageError: it holds something else than records.
        GemcliError: it cannot be written, or another batch is writing it.
    """

    def __init__(self, path: Path, *, again: bool = False) -> None:
        self.path = path
        self.torn = False
        """Whether a torn line was dropped."""
        self.done: dict[str, dict[str, Mapping[str, Any]]] = {}
        """Records that are there: by key, then by source."""
        self._file: BinaryIO = _opened(path)
        try:
            self._read(again)
        except BaseException:
            self._file.close()
            raise

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record.

        Raises:
            GemcliError: the file cannot be written any more.
        """
        try:
            append(self._file, record)
        except OSError as error:
            raise GemcliError(
                f"cannot write {self.path}: {error.strerror or error}",
                "What was written is whole; the same command goes on from there.",
            ) from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _read(self, again: bool) -> None:
        end = 0
        failed = False
        for line, begin in lines(self._file):
            if not line.endswith(b"\n"):
                self._drop(line, begin)
                break
            end = begin + len(line)
            record = self._record(line)
            if record is None:
                continue
            if again and record["status"] == "error":
                failed = True
                continue
            self.done.setdefault(record["key"], {})[record["source"]] = record
        if failed:
            self._keep_good(end)

    def _record(self, line: bytes) -> Mapping[str, Any] | None:
        if not line.strip(b"\r\n \0"):
            return None
        try:
            record = json.loads(line)
        except ValueError:
            raise self._foreign() from None
        if not isinstance(record, dict) or not all(
            isinstance(record.get(name), str) for name in ("source", "status", "key")
        ):
            raise self._foreign()
        return record

    def _drop(self, line: bytes, begin: int) -> None:
        """Drop a torn line, if it is one of ours."""
        if not (line.startswith(_BEGINS) or _BEGINS.startswith(line) or not line.strip(b"\0")):
            raise self._foreign()
        os.ftruncate(self._file.fileno(), begin)
        self.torn = True

    def _keep_good(self, end: int) -> None:
        """Leave the records of what failed out of the file, in one step."""
        path = self.path.resolve()  # a link stays one
        draft = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            with draft.open("xb") as file:
                shutil.copymode(path, draft)  # who may not read the answers still may not
                for line, begin in lines(self._file):
                    if begin < end and (record := self._record(line)) and record["status"] != "error":
                        file.write(line)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            raise GemcliError(f"cannot write {self.path}: {error.strerror or error}") from error
        finally:
            draft.unlink(missing_ok=True)
        self._file.close()
        self._file = _opened(self.path)

    def _foreign(self) -> UsageError:
        return UsageError(
            f"{self.path} holds something else than the records of a batch",
            "Name another file with --out: nothing was changed in this one.",
        )


def _opened(path: Path) -> BinaryIO:
    """The file, open for more, and kept from other batches.

    Raises:
        GemcliError: it cannot be written, or another batch is writing it.
    """
    while True:
        try:
            file = path.open("a+b", buffering=0)
        except OSError as error:
            raise GemcliError(f"cannot write {path}: {error.strerror or error}") from error
        try:
            _lock(file, path)
            if _is_still(file, path):
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _is_still(file: BinaryIO, path: Path) -> bool:
    """Whether a file has this name yet: another batch may have put a new one in its place (`_keep_good`)."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep other batches away from the file as long as it is open.

    Raises:
        GemcliError: one is writing it.
    """
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(1 << 62)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise GemcliError(f"another batch is writing {path}", "Wait for it, or name another file.") from error
    except OSError:
        return  # a file system without locks, or no regular file
