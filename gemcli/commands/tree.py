"""The commands, registered: nothing else.  Each is imported and built when it is asked for.

A command line runs one of them, and to build the flags of all takes longer than all else before an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from gemcli import __version__
from gemcli.commands.group import Group
from gemcli.commands.options.shown import Debug
from gemcli.commands.plain import take_plainly

COMMANDS = {
    "ask": "Ask a question, about files or about nothing.",
    "chat": "Talk with the model, about files or about nothing.",
    "plan": "Show what files cost in tokens, memory and time.",
    "batch": "Ask one question about many files.",
    "transcribe": "Write down what is said in recordings and videos.",
    "serve": "Serve the model to programs: OpenAI's API.",
    "pull": "Download models, or verify and repair them.",
    "models": "List, show and remove models.",
    "cache": "List, show and delete what is kept ready on disk.",
    "history": "List, show, search and delete what was asked.",
    "templates": "List, show, save and delete templates.",
    "bench": "Measure this machine with a model.",
    "doctor": "Report devices, versions, models, and what is amiss.",
    "completions": "Print a completion script for bash, zsh or fish.",
}
"""What each is for, in the order of the help.  It is in the module of its name, as `app` or by that name."""

_PRESETTABLE = ("ask", "chat", "batch")

app = typer.Typer(
    cls=Group,
    add_completion=False,  # `gemcli completions` prints scripts that need no Python at every key
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommand_metavar="COMMAND | QUESTION [FILES]...",
    invoke_without_command=True,
)


@app.callback()
def top(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Debug = False,
) -> None:
    """Ask anything about any files, privately, on your own machine.

    gemcli "What is this about?" report.pdf notes/
    """
    ctx.obj.debug |= debug
    if version:
        typer.echo(f"gemcli {__version__}")
    elif ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def command_tree() -> TyperGroup:
    """Every command with its flags, as the parser sees them."""
    group = get_group(app)
    take_plainly(group)
    group.commands = _Commands()  # type: ignore[assignment]
    return group


class _Commands(Mapping[str, Any]):
    """The commands by their names."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = _build(name)
        return self._built[name]

    def __contains__(self, name: object) -> bool:
        return name in COMMANDS

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _build(name: str) -> Any:
    if name not in COMMANDS:
        raise KeyError(name)
    module = import_module(f"gemcli.commands.{name}")
    if hasattr(module, "app"):
        command = get_group(module.app)
        command.name, command.short_help = name, COMMANDS[name]
    else:
        alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        kind: Any = {"cls": _presettable()} if name in _PRESETTABLE else {}
        alone.command(name, short_help=COMMANDS[name], **kind)(getattr(module, name))
        command = get_command(alone)
    take_plainly(command)
    return command


def _presettable() -> type:
    from gemcli.commands.preset import Presettable

    return Presettable
