"""Every command of the README runs, as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
SERVE = "gemcli serve"
# These two make the environment that the tests run in; .ci/run takes them from the README and runs them.
_OWN = {"Quick start", "Tests"}
_SILENT = re.compile(r"> /dev/null|--out|^rm |templates save|cache prune|cache list|history search")


_TABLE = re.compile(r"(<!-- flags: .*? -->\n)(.*?)(?=^## )", re.MULTILINE | re.DOTALL)


def _blocks() -> list[list[str]]:
    """The commands of each shell block, and those shown with what they print; those of a server are one block
    with what is asked of it."""
    text = README.read_text("utf-8")
    sections = re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    blocks = [
        block.splitlines()
        for title, body in sections
        if title not in _OWN
        for block in re.findall(r"^```sh\n(.*?)^```", body, re.S | re.M)
    ]
    shown = re.findall(r"^```console\n(.*?)^```", text, re.S | re.M)
    blocks += [[line[2:] for line in block.splitlines() if line.startswith("$ ")] for block in shown]
    return [
        part
        for block in blocks
        for part in ([block] if block[0].startswith(SERVE) else [[line] for line in block])
    ]


def flags_table() -> str:
    """The flags of ``ask`` as the parser has them."""
    from gemcli.commands.tree import command_tree

    rows = ["| flag | | variable |", "|---|---|---|"]
    for option in command_tree().commands["ask"].params:
        if option.param_type_name != "option" or option.name == "help":
            continue
        names = ", ".join(f"`{name}`" for name in option.opts)
        takes = "" if getattr(option, "is_flag", False) or getattr(option, "count", False) else option.metavar
        help = " ".join((getattr(option, "help", "") or "").split()).replace("|", "\\|")
        variable = f"`{option.envvar}`" if option.envvar else ""
        takes = f" {takes}".replace("|", "\\|") if takes else ""
        rows.append(f"| {names}{takes} | {help} | {variable} |")
    return "\n".join(rows) + "\n"


def test_there_are_commands() -> None:
    """The pattern that finds them has not gone stale."""
    commands = [line for block in _blocks() for line in block]
    assert len(commands) > 40
    assert all("gemcli" in command or command.startswith("curl ") for command in commands)


def test_the_table_of_flags_is_that_of_the_parser() -> None:
    """`python tests/test_readme.py` writes it."""
    found = _TABLE.search(README.read_text("utf-8"))
    assert found
    assert found.group(2).strip() == flags_table().strip()


def test_the_contents_name_every_section() -> None:
    text = README.read_text("utf-8")
    titles = re.findall(r"^## (.+?)$", text, re.MULTILINE)
    contents = text.split("## ", 1)[0]
    named = re.findall(r"\[([^\]]+)\]\(#([^)]+)\)", contents)
    assert [" ".join(title.split()) for title, _ in named] == titles
    for title, anchor in named:
        assert re.sub(r"[^a-z0-9 -]", "", " ".join(title.split()).lower()).replace(" ", "-") == anchor


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("block", _blocks(), ids=lambda block: block[0])
def test_command_runs(
    block: list[str], weights: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
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
    with _serving(block, environment):
        for command in block:
            if not command.startswith(SERVE):
                _runs(command, environment)


@contextmanager
def _serving(block: list[str], environment: dict[str, str]) -> Iterator[None]:
    """The server that a block begins with, ready; nothing for any other block."""
    if not block[0].startswith(SERVE):
        yield
        return
    words = [*block[0].split(), "--json"]
    with subprocess.Popen(
        words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        try:
            assert b"url" in process.stdout.readline(), "the server does not begin"
            yield
        finally:
            process.terminate()  # an interrupt does not reach what runs in the background
            process.stdout.read()
            process.wait(60)
    assert process.returncode in (0, 143), "the server does not end"


def _runs(command: str, environment: dict[str, str]) -> None:
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
    assert done.stdout or _SILENT.search(command), done.stderr
    assert "Traceback" not in done.stderr


if __name__ == "__main__":
    made = f"\\g<1>\n{flags_table()}\n".replace("\\|", "\\\\|")
    README.write_text(_TABLE.sub(made, README.read_text("utf-8")), "utf-8")
