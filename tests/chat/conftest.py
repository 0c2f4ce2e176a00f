"""The chat on a real terminal: the kernel's pseudo-terminal controls it, the emulator pyte reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from terminals import Pty

ROOT = Path(__file__).parents[2]
SCRIPTED = ROOT / "tests" / "scripted.py"
PATIENCE_S = 30


class Home:
    """A folder to chat in, with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        (folder / "m.gguf").write_bytes(b"the scripted model needs no bytes")
        self.environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("GEMCLI_") and key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
        } | {
            "GEMCLI_HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "HF_HUB_OFFLINE": "1",
            "TERM": "xterm-256color",
            "PYTHONWARNINGS": "error",
            "DISPLAY": "",
            "WAYLAND_DISPLAY": "",
        }

    def file(self, name: str, content: str = "The launch code is 7431.\n") -> str:
        (self.folder / name).write_text(content)
        return name

    def words(self, *arguments: str, command: str = "chat", **script: object) -> list[str]:
        return [sys.executable, str(SCRIPTED), json.dumps(script), command, "-m", "m.gguf", *arguments]

    def run(self, *arguments: str, typed: str | bytes = "", **script: object) -> subprocess.CompletedProcess:
        """Chat through pipes."""
        data = typed.encode() if isinstance(typed, str) else typed
        return subprocess.run(
            self.words(*arguments, **script),
            cwd=self.folder, env=self.environment, input=data, capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    def gemcli(self, *arguments: str) -> str:
        """What another command says."""
        done = subprocess.run(
            [sys.executable, "-m", "gemcli", *arguments],
            cwd=self.folder, env=self.environment, capture_output=True, timeout=60, check=True, text=True,
        )  # fmt: skip
        return done.stdout


class Terminal(Pty):
    """A terminal with a program on it.

    Args:
        command: the program.
        home: where it runs.
        columns, rows: the size.
        environment: more variables.
        stdout: where its answers go instead.
    """

    def __init__(
        self,
        command: list[str],
        home: Home,
        *,
        columns: int = 80,
        rows: int = 24,
        environment: dict[str, str] | None = None,
        stdout: int | None = None,
    ) -> None:
        super().__init__(columns, rows)
        self.screen.write_process_input = lambda data: os.write(self.master, data.encode())
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [
                "sh",
                "-c",
                f'exec "$@" < {os.ttyname(self.slave)}',
                "-",
                *command,
            ],  # opened, it is the session's
            cwd=home.folder,
            env=home.environment | (environment or {}),
            stdin=self.slave,
            stdout=self.slave if stdout is None else stdout,
            stderr=self.slave,
            start_new_session=True,
        )

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.master, keys.encode())

    def enter(self, line: str) -> None:
        """Type a line once there is a prompt."""
        self.prompt()
        self.type(f"{line}\r")

    def until(self, found: Callable[[str], bool] | str, what: str = "") -> str:
        """The screen and its scrollback, once something is in it."""
        check = found if callable(found) else lambda text: found in text
        deadline = time.monotonic() + PATIENCE_S
        while True:
            text = self.text()
            if check(text):
                return text
            assert time.monotonic() < deadline, f"no {what or found!r} in:\n{text}"
            assert self.process.poll() is None or self._settled(check), (
                f"it ended, without {found!r}:\n{text}"
            )
            time.sleep(0.01)

    def _settled(self, check: Callable[[str], bool]) -> bool:
        time.sleep(0.2)
        return check(self.text())

    def prompt(self) -> str:
        """Wait until a message can be typed."""
        return self.until(lambda text: text.split("\n")[-1] == ">" and self.is_raw(), "prompt")

    def is_raw(self) -> bool:
        """Whether somebody reads every key."""
        return not termios.tcgetattr(self.slave)[3] & termios.ISIG

    def text(self) -> str:
        """All lines from the top of the scrollback to the last that is not empty."""
        with self._lock:
            return "\n".join(self.screen.transcript())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.type("\x03")

    def end(self, seconds: float = PATIENCE_S) -> int:
        """The exit code of the program, which ends by itself."""
        return self.process.wait(seconds)

    def is_sane(self) -> None:
        """Assert that the terminal is as it was found."""
        assert termios.tcgetattr(self.slave) == self.before
        time.sleep(0.05)
        for usual, other in ((b"?25h", b"?25l"), (b"?7h", b"?7l"), (b"?2004l", b"?2004h")):
            assert self.bytes.rfind(usual) >= self.bytes.rfind(other), other
        assert not self.screen.cursor.hidden
        assert b"\x1b[?1049h" not in self.bytes, "the screen is nobody else's"

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        super().close()


@pytest.fixture
def place(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def chat(place: Home) -> Iterator[Callable[..., Terminal]]:
    """Starts chats on terminals of their own."""
    opened: list[Terminal] = []

    def start(
        *arguments: str,
        columns: int = 80,
        rows: int = 24,
        environment: dict[str, str] | None = None,
        stdout: int | None = None,
        **script: object,
    ) -> Terminal:
        opened.append(
            Terminal(
                place.words(*arguments, **script), place,
                columns=columns, rows=rows, environment=environment, stdout=stdout,
            )
        )  # fmt: skip
        return opened[-1]

    yield start
    for each in opened:
        each.close()
