"""A zip file as a bounded view: members are read by name into memory, never onto the disk.

Office documents and e-books are zips.  What is declared is checked before anything is unpacked, and what is
really unpacked is counted, so that a small file cannot fill the memory.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from gemcli.errors import InputError
from gemcli.ingest.source import Source, unreadable

#: Members at most; a book of a thousand pictures has some thousands.
MAX_MEMBERS = 50_000

#: Bytes that one member may unpack to, where the reader of it sets no bound.
MAX_MEMBER = 256 << 20

#: Bytes that may be unpacked from one file in all, members that are read again counted again.
MAX_TOTAL = 2 << 30

#: How many times larger than its packed form a member may be, once it is larger than `_RATIO_FROM`.
MAX_RATIO = 250

_RATIO_FROM = 8 << 20
_BLOCK = 1 << 18
_MAX_DIRECTORY = 32 << 20
_END = b"PK\x05\x06"
_END_SIZE = 22
_LOCATOR = b"PK\x06\x07"
_MAX_COMMENT = 1 << 16
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack a block without a bound
_ENCRYPTED = 0x1
_AGAIN = "fetch it again, or open it in its program and save it anew"


class BoundedZip:
    """The members of an open zip file.

    Attributes:
        names: members in the order of the file, without folders and without names that point outside.
        outside: the names that do.
        warnings: what is odd about it, one sentence each.
    """

    def __init__(self, source: Source, archive: zipfile.ZipFile) -> None:
        self._source = source
        self._archive = archive
        self._unpacked = 0
        self._members: dict[str, zipfile.ZipInfo] = {}
        self.warnings: list[str] = []
        outside: list[str] = []
        counts: Counter[str] = Counter()
        for info in archive.infolist():
            name = info.filename.replace("\\", "/")  # some writers on Windows
            if name.endswith("/"):
                continue
            if not is_inside(name):
                outside.append(name)
                continue
            counts[name] += 1
            self._members[name] = info
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            self.warnings.append(f"holds {twice[0]} more than once: the last of them is read")
        if outside:
            self.warnings.append(f"holds {len(outside):,} names that point outside of it, not read")
        self.names = tuple(self._members)
        self.outside = tuple(outside)
        self._folded = {name.casefold(): name for name in self.names}

    def __contains__(self, name: str) -> bool:
        return self._found(name) is not None

    def size(self, name: str) -> int:
        """Bytes that a member declares to unpack to; 0 where there is none."""
        info = self._found(name)
        return info.file_size if info else 0

    def read(self, name: str, limit: int = MAX_MEMBER) -> bytes:
        """A member's bytes.

        Args:
            name: the member; the case of letters may differ where no other fits.
            limit: bytes at most.

        Raises:
            InputError: it is missing, encrypted, damaged, or unpacks to more than it may.
        """
        return b"".join(self.chunks(name, limit))

    def chunks(self, name: str, limit: int = MAX_MEMBER) -> Iterator[bytes]:
        """A member's bytes in blocks, so that they need not lie in memory at once.

        Raises:
            InputError: as `read`, also behind the first blocks.
        """
        info = self._checked(name, limit)
        try:
            with self._archive.open(info) as stream:
                done = 0
                while block := stream.read(_BLOCK):
                    done += len(block)
                    self._unpacked += len(block)
                    if done > limit or self._unpacked > MAX_TOTAL:
                        raise self._too_large(name, done)
                    yield block
        except OSError as error:
            raise unreadable(self._source.name, error) from error
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error) as error:
            raise InputError(
                f"{self._source.name} is damaged: {name} in it cannot be unpacked", _AGAIN
            ) from error

    def again(self, name: str, limit: int = MAX_MEMBER) -> Callable[[], bytes]:
        """A function that opens the file anew and reads a member: for pictures, which are not kept.

        It raises `InputError` as `read` does, also where the file has gone meanwhile.
        """
        source = self._source

        def read() -> bytes:
            with open_zip(source) as archive:
                return archive.read(name, limit)

        return read

    def _found(self, name: str) -> zipfile.ZipInfo | None:
        return self._members.get(name) or self._members.get(self._folded.get(name.casefold(), ""))

    def _checked(self, name: str, limit: int) -> zipfile.ZipInfo:
        info = self._found(name)
        file = self._source.name
        if info is None:
            raise InputError(f"{file} is damaged: it holds no {name}", _AGAIN)
        if info.flag_bits & _ENCRYPTED:
            raise InputError(
                f"{file} is encrypted: {name} in it opens only with a password", "take the password off first"
            )
        if info.compress_type not in _METHODS:
            raise InputError(f"{file}: {name} is packed by a method that is not read", "pack it with deflate")
        if info.file_size > limit:
            raise self._too_large(name, info.file_size)
        if info.file_size > _RATIO_FROM and info.file_size > MAX_RATIO * max(1, info.compress_size):
            raise InputError(
                f"{file}: {name} would unpack {info.compress_size:,} bytes to {info.file_size:,}: "
                f"more than {MAX_RATIO} times is taken for an attack and not unpacked"
            )
        return info

    def _too_large(self, name: str, size: int) -> InputError:
        return InputError(
            f"{self._source.name}: {name} unpacks to {size:,} bytes or more: too much to be read at once",
            "split the document, or give the part that matters as text",
        )


@contextmanager
def open_zip(source: Source) -> Iterator[BoundedZip]:
    """Open a zip file; nothing is unpacked yet.

    Raises:
        InputError: it is no zip file, cut short, damaged, or has too many members.
    """
    with source.open() as stream:
        try:
            check_directory(source.name, stream)
            archive = zipfile.ZipFile(stream)
        except OSError as error:
            raise unreadable(source.name, error) from error
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            RuntimeError,
            EOFError,
            ValueError,
            struct.error,
        ) as error:
            raise InputError(
                f"{source.name} is damaged: its list of contents cannot be read", _AGAIN
            ) from error
        with archive:
            yield BoundedZip(source, archive)


def is_inside(name: str) -> bool:
    """Whether a member's name stays below the folder that it would be unpacked in."""
    if not name or name.startswith("/") or any(char < " " for char in name):
        return False
    pieces = name.split("/")
    return ".." not in pieces and ":" not in pieces[0]


def check_directory(file: str, stream: BinaryIO) -> None:
    """Refuse a list of contents that would fill the memory before `zipfile` reads all of it.

    The record at the end of a zip says how long the list is (APPNOTE.TXT 4.3.16, 4.3.14 for zip64).

    Raises:
        InputError: it is too long, or not there.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _MAX_COMMENT - _END_SIZE))
    tail = stream.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE:
        raise InputError(
            f"{file} is cut short: its list of contents, which ends the file, is missing", _AGAIN
        )
    count, length = struct.unpack_from("<HI", tail, at + 10)
    if at >= 20 and tail.startswith(_LOCATOR, at - 20):
        stream.seek(struct.unpack_from("<Q", tail, at - 12)[0])
        wide = stream.read(56)
        if wide.startswith(b"PK\x06\x06") and len(wide) == 56:
            count, length = struct.unpack_from("<QQ", wide, 32)
    stream.seek(0)
    if count > MAX_MEMBERS or length > _MAX_DIRECTORY:
        raise InputError(
            f"{file} holds {count:,} files in a list of {length:,} bytes: at most {MAX_MEMBERS:,} are read",
            "unpack it, and give the files that matter",
        )
