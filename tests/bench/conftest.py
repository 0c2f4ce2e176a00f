"""A tiny model, and the commands that measure it as a person meets them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
import tiny

from gemcli.bench.process import environment
from gemcli.bench.speed import require
from gemcli.commands.session import Session
from gemcli.errors import UsageError
from gemcli.main import end, execute


@pytest.fixture(scope="module")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with a window of 512 and a token for each byte, which expects them in rising order."""
    return tiny.write_parrot(tmp_path_factory.mktemp("parrot") / "parrot.gguf", [*range(256), tiny.START])


@pytest.fixture
def refuses(capfd: pytest.CaptureFixture[str]) -> Callable[[list[str], int, str], None]:
    """Asserts that a measurement ends with a code and says words, and nothing but them."""

    def check(arguments: list[str], code: int, said: str) -> None:
        words, session, found = ["bench", *arguments], Session(), 0
        try:
            execute(words, session)
        except BaseException as error:
            found = end(error, words, session)
        out, err = capfd.readouterr()
        assert found == code, err
        assert said in err
        assert out == ""
        assert "Traceback" not in err

    return check


def run(*arguments: str, env: Mapping[str, str] = MappingProxyType({})) -> subprocess.CompletedProcess[str]:
    """Measure in a process of its own, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "gemcli", "bench", *arguments],
        env=environment() | {"TERM": "dumb"} | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def need(peer: str) -> None:
    """Skip a test where a peer is not installed; not where all that can be installed must be."""
    try:
        require([peer])
    except UsageError as error:
        if os.environ.get("CI") == "true" and peer == "transformers":
            raise
        pytest.skip(error.message)
