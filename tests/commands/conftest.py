"""The command line as scripts meet it: a process of its own, with a model that says what is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import compiled
import pytest

from gemcli.commands.session import Session
from gemcli.main import end, execute

ROOT = Path(__file__).parents[2]
SCRIPTED = ROOT / "tests" / "scripted.py"


class Cli:
    """Runs command lines in a folder of their own, with a home of their own."""

    scripts = SCRIPTED.parent
    alone = False  # whether it compiles everything itself

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.model = folder / "scripted.gguf"
        self.model.write_bytes(b"the scripted model needs no bytes")
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith("GEMCLI_")
        } | {"GEMCLI_HOME": str(self.home), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TERM": "dumb"}

    def file(self, name: str, content: str | bytes = "The launch code is 7431.\n") -> str:
        """Write a file; returns its name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    def start(
        self, *arguments: str, script: dict[str, Any] | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start ``gemcli``; with a `script` it answers, with None it is the real one."""
        command = [sys.executable, "-m", "gemcli"] if script is None else _scripted(script)
        if script is None and not self.alone:
            compiled.share(self.home)
        options.setdefault("stdin", subprocess.DEVNULL)
        environment = self.environment | options.pop("env", {})
        return subprocess.Popen(
            [*command, *arguments],
            cwd=self.folder,
            env=environment,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            **options,
        )

    def start_words(self, command: str, **script: Any) -> list[str]:
        """The words that run a command with the scripted model."""
        return [*_scripted(script), command, "-m", str(self.model)]

    def python(self, code: str) -> Done:
        """Run Python code where a command would run."""
        process = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            timeout=60,
        )
        return Done(process.returncode, process.stdout.decode(), process.stderr.decode())

    def real(
        self, *arguments: str, stdin: str | bytes | None = None, env: dict[str, str] | None = None
    ) -> Done:
        """Run the real ``gemcli`` to its end."""
        return self._finish(self.start(*arguments, **_stdin(stdin), env=env or {}), stdin)

    def ask(
        self,
        *arguments: str,
        stdin: str | bytes | None = None,
        env: dict[str, str] | None = None,
        command: str = "ask",
        model: bool = True,
        **script: Any,
    ) -> Done:
        """Run ``gemcli ask`` with the scripted model to its end."""
        words = [*([command] if command else []), *(["-m", str(self.model)] if model else []), *arguments]
        return self._finish(self.start(*words, script=script, **_stdin(stdin), env=env or {}), stdin)

    def _finish(self, process: subprocess.Popen[bytes], stdin: str | bytes | None) -> Done:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = process.communicate(data, timeout=60)
        return Done(process.returncode, out.decode(), err.decode())


class Done:
    """A finished command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def json(self) -> dict[str, Any]:
        """stdout as the one JSON object that it must be."""
        return json.loads(self.out)

    def failed(self, code: int, *words: str) -> None:
        """Assert the exit code, nothing on stdout, and one message with these words and no traceback."""
        assert self.code == code, self.err
        assert self.out == ""
        assert self.err.count("gemcli: error: ") == 1, self.err
        assert "Traceback" not in self.err
        for word in words:
            assert word in self.err


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@pytest.fixture
def inside(
    cli: Cli, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Done]]:
    """Run a command line in this process, which is quicker: for endings that need no process of their own."""
    monkeypatch.chdir(cli.folder)
    monkeypatch.setenv("GEMCLI_HOME", str(cli.home))
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)

        def run(*arguments: str) -> Done:
            session, code = Session(), 0
            try:
                execute(arguments, session)
            except BaseException as error:
                code = end(error, arguments, session)
            return Done(code, *capfd.readouterr())

        yield run


def _scripted(script: dict[str, Any]) -> list[str]:
    return [sys.executable, str(SCRIPTED), json.dumps(script)]


def _stdin(stdin: str | bytes | None) -> dict[str, Any]:
    return {"stdin": subprocess.DEVNULL if stdin is None else subprocess.PIPE}
