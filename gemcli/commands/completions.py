"""``gemcli completions SHELL``: a script that completes commands, flags, models and files."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

Shell = Literal["bash", "zsh", "fish"]


def completions(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="The shell to write for.")],
) -> None:
    """Print the completion script for a shell; its first lines say how to load it."""
    from gemcli.ui import emit_text

    emit_text(script(shell))


def script(shell: Shell) -> str:
    """The completion script for `shell`."""
    from importlib import import_module

    from gemcli.commands.tree import command_tree
    from gemcli.completion.spec import read
    from gemcli.hub.aliases import ALIASES
    from gemcli.hub.catalog import CATALOG

    maker = import_module(f"gemcli.completion.{shell}")
    models = [entry.name for entry in CATALOG if entry.task == "answer"]
    models += [alias.name for alias in ALIASES]
    others = [entry.name for entry in CATALOG if entry.task != "answer"]
    return maker.script(read(command_tree(), models, others))
