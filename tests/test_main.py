"""Start and end of the program: quick help, versions, and one exit code for each kind of ending."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from gemcli.commands.session import Session
from gemcli.main import end, execute

ROOT = Path(__file__).parents[1]
COMMANDS = (
    "ask", "chat", "plan", "batch", "transcribe", "serve", "pull", "models", "cache", "history", "templates",
    "bench", "doctor", "completions",
)  # fmt: skip


def run(*arguments, **options):
    """A run of ``python -m gemcli`` in the checkout."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GEMCLI_")}
    return subprocess.run(
        [sys.executable, "-m", "gemcli", *arguments],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, **options,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="needs a process's own time")
def test_help_is_quick():
    """The contract's 0.3 seconds, start of the interpreter included.

    Counted in processor time, which on an idle machine is the time that passes; the best of three.
    """
    best = 9.0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-m", "gemcli", "--help"], cwd=ROOT, stdout=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        best = min(best, used.ru_utime + used.ru_stime)
    assert best <= 0.3


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_alone_it_tells_what_it_can_do(arguments):
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    commands = [line.split()[0] for line in done.stdout.partition("Commands:\n")[2].splitlines()]
    assert tuple(commands) == COMMANDS
    assert "..." not in done.stdout.partition("Commands:\n")[2], "a summary is cut"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    done = run(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: gemcli {command}" in done.stdout


def test_the_flags_of_ask_tell_their_variable():
    from gemcli.commands.tree import command_tree

    for param in command_tree().commands["ask"].params:
        if param.param_type_name == "option" and param.name not in ("attach", "example", "param", "stop"):
            assert param.envvar == f"GEMCLI_{param.name.upper().rstrip('_')}"


def test_the_version():
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"gemcli {metadata.version('gemcli')}\n")


def test_a_group_without_a_command_shows_its_help():
    done = run("models")
    assert "Usage: gemcli models" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_an_exit_of_a_library_keeps_its_code(capsys):
    import typer

    session = Session()
    assert end(typer.Exit(3), [], session) == 3
    assert end(SystemExit(4), [], session) == 4
    assert end(SystemExit(None), [], session) == 0
    assert end(SystemExit("no"), [], session) == 1
    assert capsys.readouterr() == ("", "")
    assert end(typer.Abort(), [], session) == 130


def test_a_failure_that_was_told_is_not_told_again(capsys):
    from gemcli.errors import InputError

    session = Session(command="ask", output="json", printed=True, told=True)
    assert end(InputError("gone"), ["-o", "json"], session) == 3
    assert capsys.readouterr() == ("", "")


def test_options_may_come_before_the_question(monkeypatch):
    """``gemcli -m NAME QUESTION`` is ``gemcli ask -m NAME QUESTION``."""
    seen = []
    monkeypatch.setattr(
        "gemcli.assistant.answer", lambda request: seen.append(request) or (each for each in ())
    )
    execute(["-m", "some-model", "What?"], Session())
    execute(["--debug", "--seed", "4", "What?"], session := Session())
    assert [each.question for each in seen] == ["What?", "What?"]
    assert (seen[0].model, seen[1].seed) == ("some-model", 4)
    assert session.debug
