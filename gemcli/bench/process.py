"""An engine in a process of its own: started, asked by lines of JSON, and ended.

The other end is `gemcli.bench.contender` or `gemcli.bench.needle_peer`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from gemcli.bench.contender import Ready, Timing
from gemcli.errors import GemcliError, OutOfMemoryError

PATIENCE_S = 5.0
_KILLED = -9  # by the system, when memory runs out; nobody else sends this


class Child:
    """An engine in its own process; a context manager, inside which it is loaded.

    It writes a line when it is ready, and then one for each that it gets.

    Args:
        engine: its name, for messages.
        command: what starts it.
    """

    def __init__(self, engine: str, command: Sequence[str]) -> None:
        self.engine = engine
        self.ready: dict[str, Any] = {}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `__exit__`
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            env=environment(),
            start_new_session=True,  # an interrupt at the keyboard is ours to handle
        )

    def __enter__(self) -> Self:
        try:
            self.ready = self._reply()
        except BaseException:
            self._end(0)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(PATIENCE_S if error is None else 0)

    def ask(self, **what: Any) -> dict[str, Any]:
        """What it replies to an object.

        Raises:
            GemcliError: the engine failed.
            OutOfMemoryError: the system ended it.
        """
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it died; `_reply` says how
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
        return self._reply()

    def _reply(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line.endswith("\n"):
            return json.loads(line)
        code = self._process.wait()
        if code == _KILLED:
            raise OutOfMemoryError(
                f"{self.engine} was ended by the system, which does so when memory runs out",
                "Measure a smaller model, or fewer engines at a time.",
            )
        raise GemcliError(f"{self.engine} failed: {last_line(self._errors) or f'exit status {code}'}")

    def _end(self, patience_s: float) -> None:
        """Let it end by itself, which it does when nothing more can come; if it does not, make it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


class Contender(Child):
    """An engine whose runs are timed."""

    @property
    def load_s(self) -> float:
        """Seconds until it was ready."""
        return Ready(**self.ready).load_s

    def run(self, ids: Sequence[int], tokens: int) -> Timing:
        """One run, see `gemcli.bench.engines.Engine`; raises as `ask`."""
        return Timing(**self.ask(ids=list(ids), tokens=tokens))


def last_line(errors: IO[bytes]) -> str:
    """What a process said last to a file, but for our own hints; empty where it said nothing."""
    errors.seek(0)
    lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return next((line for line in reversed(lines) if not line.startswith("gemcli: hint: ")), "")


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs one of this package's modules in a process of its own."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Ours, with this very package importable there: it may be a checkout that is not installed."""
    root = str(Path(__file__).parents[2])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
