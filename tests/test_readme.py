"""Every command of the README runs, as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# These two make the environment that the tests run in; .ci/run takes them from the README and runs them.
_OWN = {"Quick start", "Tests"}


def _commands() -> list[str]:
    text = (ROOT / "README.md").read_text("utf-8")
    sections = re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    blocks = [
        block
        for title, body in sections
        if title not in _OWN
        for block in re.findall(r"^```sh\n(.*?)^```", body, re.S | re.M)
    ]
    return [line for block in blocks for line in block.splitlines()]


def test_there_are_commands() -> None:
    """The pattern that finds them has not gone stale."""
    commands = _commands()
    assert len(commands) > 15
    assert all("gemcli" in command for command in commands)


@pytest.mark.weights
@pytest.mark.parametrize("command", _commands())
def test_command_runs(
    command: str, weights: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With the small model as default; compiled programs are shared between the commands."""
    model = weights("smollm2-135m")
    home = tmp_path_factory.getbasetemp() / "readme"
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GEMCLI_HOME": str(home),
        "GEMCLI_MODEL": "smollm2-135m",
        "GEMCLI_MODELS": str(model.parent.parent),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    # `head -1` closes the pipe on gemcli, which then ends with the contract's 141.
    assert done.returncode in ((0, 141) if "| head" in command else (0,)), done.stderr
    assert done.stdout or "> /dev/null" in command
    assert "Traceback" not in done.stderr
