"""The commands, registered: nothing else."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.core import TyperGroup
from typer.main import get_group

from gemcli.commands.ask import ask
from gemcli.commands.batch import batch
from gemcli.commands.bench import app as bench
from gemcli.commands.cache import app as cache
from gemcli.commands.chat import chat
from gemcli.commands.completions import completions
from gemcli.commands.doctor import doctor
from gemcli.commands.group import Group
from gemcli.commands.history import app as history
from gemcli.commands.models import app as models
from gemcli.commands.options import Debug
from gemcli.commands.plain import take_plainly
from gemcli.commands.plan import plan
from gemcli.commands.preset import Presettable
from gemcli.commands.pull import pull
from gemcli.commands.serve import serve
from gemcli.commands.templates import app as templates
from gemcli.commands.transcribe import transcribe

app = typer.Typer(
    cls=Group,
    add_completion=False,  # `gemcli completions` prints scripts that need no Python at every key
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommand_metavar="COMMAND | QUESTION [FILES]...",
    invoke_without_command=True,
)
app.command(cls=Presettable, short_help="Ask a question, about files or about nothing.")(ask)
app.command(cls=Presettable, short_help="Talk with the model, about files or about nothing.")(chat)
app.command(short_help="Show what files cost in tokens, memory and time.")(plan)
app.command(cls=Presettable, short_help="Ask one question about many files.")(batch)
app.command(short_help="Write down what is said in recordings and videos.")(transcribe)
app.command(short_help="Serve the model to programs: OpenAI's API.")(serve)
app.command(short_help="Download models, or verify and repair them.")(pull)
app.add_typer(models, name="models", short_help="List, show and remove models.")
app.add_typer(cache, name="cache", short_help="List, show and delete what is kept ready on disk.")
app.add_typer(history, name="history", short_help="List, show, search and delete what was asked.")
app.add_typer(templates, name="templates", short_help="List, show, save and delete templates.")
app.add_typer(bench, name="bench", short_help="Measure this machine with a model.")
app.command(short_help="Report devices, versions, models, and what is amiss.")(doctor)
app.command(short_help="Print a completion script for bash, zsh or fish.")(completions)

ORDER = (
    "ask",
    "chat",
    "plan",
    "batch",
    "transcribe",
    "serve",
    "pull",
    "models",
    "cache",
    "history",
    "templates",
    "bench",
    "doctor",
    "completions",
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
        from importlib.metadata import version as version_of

        typer.echo(f"gemcli {version_of('gemcli')}")
    elif ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def command_tree() -> TyperGroup:
    """Every command with its flags, as the parser sees them."""
    group = get_group(app)
    group.commands = {name: group.commands[name] for name in ORDER}
    take_plainly(group)
    return group
