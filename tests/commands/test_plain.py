"""What is taken without the validators is what they would make of it; all else is theirs to say."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import typer

from gemcli.commands import plain, tree
from gemcli.commands.group import Group
from gemcli.commands.session import Session
from gemcli.commands.tree import command_tree

LINES = [
    [
        "ask",
        "why",
        "a.txt",
        "--max-tokens",
        "8",
        "-vv",
        "--kv-bits",
        "8",
        "--temperature",
        "0.5",
        "--stop",
        "x",
    ],
    [
        "ask",
        "why",
        "--attach",
        "a",
        "--attach",
        "b",
        "--top-k",
        "007",
        "--top-p",
        "1",
        "--seed",
        "12",
        "--json",
    ],
    ["ask", "why", "--max-tokens", " 8", "--temperature", "5e-1", "--min-p", ".5"],
    ["ask", "--max-tokens", "-3", "why"],
    ["ask", "--max-tokens", "9" * 40, "why"],
    ["ask", "--max-tokens", "8.0", "why"],
    ["ask", "--max-tokens", "eight", "why"],
    ["ask", "--temperature", "nan", "why"],
    ["ask", "--temperature", "-1", "why"],
    ["ask", "--kv-bits", "3", "why"],
    ["ask", "--pdf", "TEXT", "why"],
    ["ask", "--context", "64K", "--start", "1:30", "--fps", "0.5", "why", "a.mp4"],
    ["ask", "--context", "much", "why"],
    ["batch", "why", "a", "b", "--jobs", "4"],
    ["batch", "why", "a", "--jobs", "0"],
    ["batch", "why", "a", "--jobs", "257"],
    ["serve", "--port", "65536"],
    ["serve", "--port", "0"],
    ["history", "list", "-n", "-1"],
    ["history", "list", "-n", "3"],
    ["cache", "rm"],
    ["bench", "speed", "--tokens", "1"],
    ["bench", "needle", "a.txt", "--lengths", "4K", "--depths", "0.1,0.5"],
    ["plan", "a.txt", "-m", "x"],
    ["completions", "bash"],
    ["completions", "tcsh"],
    ["completions"],
]


def parsed(group: Any, line: list[str]) -> object:
    """The parameters of the command that a line runs, or what is wrong with it."""
    try:
        context = group.make_context("gemcli", list(line), obj=Session())
        while hasattr(context.command, "commands"):
            name, command, rest = context.command.resolve_command(
                context, [*context._protected_args, *context.args]
            )
            context = command.make_context(name, rest, parent=context)
    except (typer.TyperException, typer.Exit, typer.Abort) as error:
        return type(error), str(error)
    return context.params


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_it_is_as_the_validators_make_it(line: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ours = parsed(command_tree(), line)
    monkeypatch.setattr(tree, "take_plainly", lambda command: None)
    theirs = parsed(command_tree(), line)
    assert ours == theirs
    assert repr(ours) == repr(theirs), "of the same types"


def test_they_are_not_imported_for_what_is_plain() -> None:
    code = f"""
import sys
sys.path.insert(0, {str(__file__.rpartition("/")[0])!r})
from test_plain import LINES, command_tree, parsed
assert isinstance(parsed(command_tree(), LINES[0]), dict)
assert isinstance(parsed(command_tree(), LINES[1]), dict)
print([name for name in sys.modules if name.startswith("pydantic")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_what_is_plain_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    group = command_tree()
    assert isinstance(group, Group)
    plainly = plain._plain

    def noted(param: Any, value: Any) -> Any:
        taken = plainly(param, value)
        if taken is plain._NOT_PLAIN:
            asked.append(param.name)
        return taken

    monkeypatch.setattr(plain, "_plain", noted)
    parsed(group, LINES[2])
    assert asked == ["max_tokens", "temperature", "min_p"]
