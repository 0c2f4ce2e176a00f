"""One input before it is understood: its name, where its bytes are, and how to take them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BufferedReader, BytesIO
from pathlib import Path

from gemcli.errors import InputError
from gemcli.ingest.ranges import Selection
from gemcli.ingest.wants import Wants

#: Told (done, total) while a source is read; the unit is the handler's own.
Report = Callable[[int, int], None]

#: Bytes that are held in memory at most; more than a person can ask a model about at once.
MAX_IN_MEMORY = 1 << 30

_BLOCK = 1 << 20


class KindError(InputError):
    """A file of a kind that is not read.

    Args:
        message: names the file and its kind.
        kind: the kind, with its article: ``a PNG image``.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class EmptyError(InputError):
    """A file without content."""


_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Source:
    """One input, located.

    Attributes:
        name: what the person and the model are shown: the path as given, or ``stdin``.
        path: the file; None for stdin and URLs.
        url: where it is on the web; None for everything else.
        media_type: what it was found to be; "" until then.
        data: the bytes of a stream that was read to its end; None for a file on disk.
        selection: the pages or lines that are wanted; None for all.
        clip: start and end in seconds that were asked of this very source, as by ``#t=``; both None where
            none were.  `stretch` is what is read.
        wants: how it is to be read.
        is_plain: it is plain text, whatever it looks like.
        trusted: whether the person named the URL, which may then be at a private address.
        root: the directory as it was given in which the file was found; None when it was named itself.
        digest: the SHA-256 that `hashed` found, and what the file was then; None until then.
    """

    name: str
    path: Path | None
    media_type: str = ""
    data: bytes | None = None
    selection: Selection | None = None
    clip: tuple[float | None, float | None] = (None, None)
    wants: Wants = field(default_factory=Wants)
    root: str | None = None
    url: str | None = None
    trusted: bool = True
    is_plain: bool = False
    digest: tuple[str, _Stamp | None] | None = field(default=None, compare=False, repr=False)

    @property
    def stretch(self) -> tuple[float | None, float | None]:
        """Start and end in seconds of what is wanted of a recording or video; None for its own ends.

        Those of the source itself are stronger than those of all sources.
        """
        return (self.wants.start, self.wants.end) if self.clip == (None, None) else self.clip

    def open(self) -> BufferedReader | BytesIO:
        """A binary, seekable stream from the start.

        Raises:
            InputError: the file cannot be opened.
        """
        if self.data is not None:
            return BytesIO(self.data)
        assert self.path is not None, "stdin is read before it is opened"
        try:
            return self.path.open("rb")
        except OSError as error:
            raise unreadable(self.name, error) from error

    def head(self, size: int) -> bytes:
        """The first `size` bytes, or all when there are fewer.

        Raises:
            InputError: the file cannot be read.
        """
        with self.open() as stream:
            try:
                return stream.read(size)
            except OSError as error:
                raise unreadable(self.name, error) from error

    def read(self) -> bytes:
        """All bytes.

        Raises:
            InputError: the file cannot be read, or holds more than `MAX_IN_MEMORY`.
        """
        if self.data is not None:
            return self.data
        with self.open() as stream:
            try:
                return read_bounded(stream.read, self.name)
            except OSError as error:
                raise unreadable(self.name, error) from error

    def stamp(self) -> _Stamp | None:
        """What tells whether the file became another meanwhile; None for a stream or one that has gone.

        A text that only grew, as a log does, is none the worse: it has the stamp that it had.
        """
        state = self._state()
        return (state[0], 0, 0) if state and self.media_type.startswith("text/") else state

    def _state(self) -> _Stamp | None:
        """The file's number, size and time; None for a stream or one that has gone."""
        if self.path is None or self.data is not None:
            return None
        try:
            status = self.path.stat()
        except OSError:
            return None
        return (status.st_ino, status.st_size, status.st_mtime_ns)

    def hashed(self) -> Source:
        """The same source with its digest: `sha256` reads the file again only when it became another.

        Raises:
            InputError: the file cannot be read.
        """
        state = self._state()  # before it is read: what changes meanwhile must not look known
        return replace(self, digest=(self.sha256(), state))

    def sha256(self) -> str:
        """Hex digest of all bytes, in bounded memory.

        Raises:
            InputError: the file cannot be read.
        """
        if self.digest is not None and self.digest[1] == self._state():
            return self.digest[0]
        if self.data is not None:
            return hashlib.sha256(self.data).hexdigest()
        with self.open() as stream:
            try:
                return hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError as error:
                raise unreadable(self.name, error) from error


def read_bounded(read: Callable[[int], bytes], name: str) -> bytes:
    """Read to the end in blocks; `read` is told how many bytes it may return and returns none at the end.

    Raises:
        InputError: there are more than `MAX_IN_MEMORY` bytes.
    """
    blocks: list[bytes] = []
    total = 0
    while block := read(_BLOCK):
        blocks.append(block)
        total += len(block)
        if total > MAX_IN_MEMORY:
            raise InputError(
                f"{name} holds more than {MAX_IN_MEMORY >> 30} GiB of text: that cannot be read at once",
                "split it, or give the part that matters",
            )
    return b"".join(blocks)


def unreadable(name: str, error: OSError) -> InputError:
    """The operating system's refusal as a message."""
    if isinstance(error, PermissionError):
        return InputError(f"{name}: permission denied", "check who may read it: ls -l")
    if isinstance(error, FileNotFoundError):
        return InputError(f"{name}: no such file")
    return InputError(f"{name}: {(error.strerror or str(error)).lower()}")


def shown_url(url: str) -> str:
    """A URL as it is shown: whoever reads it does not learn the name and the password in it."""
    return re.sub(r"\A(\s*[A-Za-z]+://)[^/?#]*@", r"\1…@", shown(url))


def shown(path: str) -> str:
    """A path as it is shown: control characters and bytes that are no UTF-8 are made visible."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
