"""stdout and stderr when things go well, and when their readers go away."""

import errno
import io
import os
import subprocess
import sys
import threading
import time

import pytest

from gemcli.errors import GemcliError
from gemcli.ui.streams import Err, Out, ReaderGone


def text_stream(descriptor: int, encoding: str = "utf-8") -> io.TextIOWrapper:
    return os.fdopen(descriptor, "w", encoding=encoding)


def test_a_reader_that_went_away_is_told_once_and_leaves_quietly():
    reader, writer = os.pipe()
    stream = text_stream(writer)
    out = Out(stream)
    out.write("one\n")
    os.close(reader)
    with pytest.raises(ReaderGone):
        out.write("two\n")
    out.write("three\n")  # forgotten
    out.check_reader()
    stream.close()  # what Python does at shutdown must not fail either


def test_a_reader_is_missed_before_there_is_anything_to_write():
    reader, writer = os.pipe()
    with text_stream(writer) as stream:
        out = Out(stream)
        out.check_reader()
        os.close(reader)
        with pytest.raises(ReaderGone):
            out.check_reader()
        out.check_reader()


def test_a_full_disk_is_an_error_of_its_own():
    class FullDisk(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    stream = io.TextIOWrapper(io.BufferedWriter(FullDisk()))
    out = Out(stream)
    with pytest.raises(GemcliError, match="No space left"):
        out.write("text")
    out.write("forgotten")
    with pytest.raises(OSError, match="No space"):
        stream.close()


def test_a_closed_stdout_is_said():
    closed = io.StringIO()
    closed.close()
    with pytest.raises(GemcliError, match="stdout is closed"):
        Out(closed).write("text")


def test_stdout_that_was_closed_from_the_start(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    out = Out()
    assert not out.is_terminal
    with pytest.raises(GemcliError, match="stdout is closed"):
        out.write("text")


def test_nobody_reading_stderr_is_no_reason_to_stop(monkeypatch):
    reader, writer = os.pipe()
    with text_stream(writer) as stream:
        err = Err(stream)
        os.close(reader)
        err.write("lost\n")
        err.write("lost too\n")
    monkeypatch.setattr(sys, "stderr", None)
    Err().write("nowhere\n")


def test_a_pipe_gets_utf8_whatever_the_locale():
    reader, writer = os.pipe()
    with text_stream(writer, "ascii") as stream:
        Out(stream).write("é中\udc80\n")
    with os.fdopen(reader, "rb") as read:
        assert read.read() == "é中?\n".encode()


def test_a_terminal_gets_its_own_encoding(kit):
    with kit.PseudoTerminal() as terminal:
        stream = os.fdopen(os.dup(terminal.slave), "w", encoding="latin-1")
        out = Out(stream)
        assert not out.can_show("│")
        out.write("é中")
        stream.close()
        assert b"\xe9?" in terminal.output()


def test_every_write_leaves_at_once_and_after_what_was_printed_before():
    reader, writer = os.pipe()
    with text_stream(writer) as stream:
        stream.write("first ")
        out = Out(stream)
        out.write("second")
        assert os.read(reader, 100) == b"first second"
        os.close(reader)


def test_a_full_pipe_that_does_not_block_is_waited_for():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    received = []

    def read() -> None:
        time.sleep(0.05)
        while data := os.read(reader, 65536):
            received.append(data)

    thread = threading.Thread(target=read)
    thread.start()
    with text_stream(writer) as stream:
        out = Out(stream)
        for _ in range(4):
            out.write("x" * 100_000)
    thread.join()
    os.close(reader)
    assert sum(map(len, received)) == 400_000


def test_other_failures_of_stderr_are_forgotten():
    class Failing(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.EIO, "gone")

    Err(Failing()).write("text")


def test_importing_the_printer_loads_nothing_heavy():
    heavy = {"rich", "markdown_it", "pygments", "jax", "numpy"}
    code = f"import sys, gemcli.ui; print([name for name in {sorted(heavy)} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
