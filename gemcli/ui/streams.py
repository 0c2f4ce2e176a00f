"""Writing to stdout and stderr so that every byte leaves at once and a reader that goes away ends us quietly.

Bytes are written past the text layer: a pipe gets UTF-8 whatever the locale, a terminal what it asked for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
from typing import TextIO

from gemcli.errors import EXIT_READER_GONE, OutputError

_GONE = {errno.EPIPE, errno.ECONNRESET, errno.ESHUTDOWN, errno.EIO}


class ReaderGone(Exception):
    """Whoever read our stdout went away: there is nobody left to answer.  Exit with `exit_code`, quietly.

    stdout already leads to the null device when this is raised, so nothing complains at shutdown.
    """

    exit_code = EXIT_READER_GONE


class Stream:
    """One of the two standard streams.

    Args:
        stream: ``sys.stdout``, ``sys.stderr`` or a test's stand-in; None when it was closed from the start.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.is_terminal = stream is not None and not stream.closed and stream.isatty()
        self.encoding = (getattr(stream, "encoding", None) or "utf-8") if self.is_terminal else "utf-8"
        if stream is not None and not stream.closed:
            with contextlib.suppress(OSError):
                stream.flush()  # what others wrote comes first

    def fileno(self) -> int | None:
        """The file descriptor, or None when there is none behind the stream."""
        if self._stream is None:
            return None
        try:
            return self._stream.fileno()
        except (OSError, ValueError):
            return None

    def can_show(self, text: str) -> bool:
        """Whether the encoding of the stream has these characters."""
        try:
            text.encode(self.encoding)
        except UnicodeError:
            return False
        return True

    def write(self, text: str, errors: str = "replace") -> None:
        """Write and flush.  Raises OSError; ValueError when the stream is closed."""
        if self._stream is None:
            raise ValueError("the stream is closed")
        binary = getattr(self._stream, "buffer", None)
        if binary is None:
            self._stream.write(text)
            self._stream.flush()
            return
        data = memoryview(text.encode(self.encoding, errors))
        while data:
            try:
                data = data[binary.write(data) :]
            except BlockingIOError as full:
                data = data[full.characters_written :]
                self._wait_for_room()
        while True:
            try:
                binary.flush()
                return
            except BlockingIOError:
                self._wait_for_room()

    def _wait_for_room(self) -> None:
        """A pipe that somebody made non-blocking is full: wait, as a blocking one would."""
        descriptor = self.fileno()
        if descriptor is not None:
            select.select([], [descriptor], [])

    def to_null(self) -> None:
        """Lead the stream to the null device, so that the flush at shutdown cannot fail."""
        descriptor = self.fileno()
        if descriptor is None:
            return
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, descriptor)
        finally:
            os.close(null)


class Out(Stream):
    """stdout: the answer and nothing else.

    Every method raises `ReaderGone` when nobody reads any more, and OutputError when the bytes cannot be
    written for another reason (a full disk).  After either it accepts and forgets everything.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream if stream is not None else sys.stdout)
        self.gone = False

    def write(self, text: str, errors: str = "replace") -> None:
        """Write and flush."""
        if self.gone or not text:
            return
        try:
            super().write(text, errors)
        except OSError as error:
            self.gone = True
            self.to_null()
            if error.errno in _GONE or (os.name == "nt" and error.errno == errno.EINVAL):
                raise ReaderGone from error
            raise OutputError(
                f"cannot write to stdout: {error.strerror}", "Free some space or send the output elsewhere."
            ) from error
        except ValueError as error:
            self.gone = True
            raise OutputError("stdout is closed", "Send the output to a file or a pipe.") from error

    def check_reader(self) -> None:
        """Notice a reader that left before there was anything to write, where the system can tell."""
        descriptor = self.fileno()
        if self.gone or descriptor is None or self.is_terminal or not hasattr(select, "poll"):
            return
        poll = select.poll()
        poll.register(descriptor, 0)
        if any(state & select.POLLERR for _, state in poll.poll(0)):
            self.gone = True
            self.to_null()
            raise ReaderGone


class Err(Stream):
    """stderr: everything that is not the answer.  Nobody reading it is no reason to stop."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream if stream is not None else sys.stderr)
        self._dead = self._stream is None

    def write(self, text: str, errors: str = "backslashreplace") -> None:
        """Write and flush; failures are forgotten."""
        if self._dead:
            return
        try:
            super().write(text, errors)
        except (OSError, ValueError):
            self._dead = True
            self.is_terminal = False
            with contextlib.suppress(OSError):
                self.to_null()
