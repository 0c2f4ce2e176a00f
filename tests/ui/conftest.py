"""A terminal for tests: a real pseudo-terminal of the kernel, read by the emulator pyte."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from terminals import Pty, Screen

ROOT = Path(__file__).parents[2]
PRODUCER = Path(__file__).with_name("producer.py")


class PseudoTerminal(Pty):
    """A pseudo-terminal with a stream of this process's to write to."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        super().__init__(columns, rows)
        self.stream = os.fdopen(os.dup(self.slave), "w", encoding="utf-8", newline="")

    def sync(self) -> Screen:
        """The screen after everything written so far."""
        self.stream.flush()
        deadline = time.monotonic() + 10
        mark = b"\x1b]sync" + os.urandom(8).hex().encode() + b"\x07"
        os.write(self.slave, mark)
        while mark not in self.bytes:
            assert time.monotonic() < deadline, "the terminal does not answer"
            time.sleep(0.0005)
        return self.screen

    def output(self) -> bytes:
        """All that was written, without the marks of `sync`."""
        self.sync()
        return re.sub(rb"\x1b\]sync[0-9a-f]+\x07", b"", self.bytes)

    def resize(self, columns: int) -> None:
        """Change the width, once everything is shown."""
        self.sync()
        super().resize(columns)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def close(self) -> None:
        self.stream.close()
        super().close()

    def __enter__(self) -> "PseudoTerminal":
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


def produce(script: str, **options: object) -> subprocess.Popen:
    """Start the fake event producer.

    Args:
        script: Python lines that call ``ui(event)``; all of gemcli.events, `time` and `ask` are there.
        options: of subprocess.Popen; ``ui`` are the arguments of open_ui, ``environ`` more variables.
    """
    arguments = options.pop("ui", "")
    environ = {
        k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
    }
    environ |= {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    environ |= options.pop("environ", {})  # type: ignore[operator]
    command = [sys.executable, str(PRODUCER), str(arguments), script]
    return subprocess.Popen(command, env=environ, **options)  # type: ignore[call-overload]


def interrupt_when(process: subprocess.Popen, ready, seconds: float = 20) -> None:
    """Send SIGINT once `ready()` is true."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "never became ready"
        assert process.poll() is None, "ended too early"
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)


class Kit:
    """What the tests of this folder share."""

    PseudoTerminal = PseudoTerminal
    Screen = Screen
    produce = staticmethod(produce)
    interrupt_when = staticmethod(interrupt_when)


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    return Kit


@pytest.fixture(autouse=True)
def neutral_terminal_variables(request, monkeypatch):
    for variable in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
