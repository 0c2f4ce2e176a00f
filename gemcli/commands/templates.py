"""``gemcli templates list|show|save|rm``: questions that are written already."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemcli.commands.deleting import Yes, ask_first
from gemcli.commands.flags import Flags, reporting
from gemcli.commands.session import begin

if TYPE_CHECKING:
    from gemcli.templates.template import Template

app = typer.Typer(help="List, show, save and delete templates.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="TEMPLATE", help="A name from `gemcli templates list`.")]


@app.command("list")
@reporting()
def list_(
    ctx: typer.Context,
    flags: Flags,
) -> None:
    """List the templates that came with gemcli and your own; `gemcli ask -t NAME FILES` uses one."""
    begin(ctx, flags)

    from gemcli.errors import UsageError
    from gemcli.templates import store
    from gemcli.ui import emit_json, emit_table, show_warning

    rows: list[dict[str, Any]] = []
    for name, path in store.names().items():
        try:
            template = store.read(path, name)
        except UsageError as error:
            show_warning(error.message)
            continue
        rows.append({"name": name, "own": store.is_own(path), **_facts(template)})
    if ctx.obj.output == "json":
        emit_json({"schema_version": 1, "templates": rows})
        return
    emit_table(
        ("name", "needs", "may have", "", "what it is for"),
        [
            (
                row["name"],
                " ".join(f"-p {name}=…" for name in row["needs"]),
                " ".join(row["defaults"]),
                "own" if row["own"] else "",
                row["description"],
            )
            for row in rows
        ],
    )


@app.command()
@reporting()
def show(
    ctx: typer.Context,
    flags: Flags,
    name: Name,
) -> None:
    """Show a template as YAML, to be changed and saved: `gemcli templates save NEW < FILE`."""
    begin(ctx, flags)

    from gemcli.templates import store
    from gemcli.ui import emit_json, emit_text

    template = store.find(name)
    if ctx.obj.output == "json":
        emit_json({"schema_version": 1, "name": name, **_facts(template)})
    else:
        emit_text(store.to_yaml(template))


@app.command()
@reporting()
def save(
    ctx: typer.Context,
    flags: Flags,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits and . _ -")],
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="A YAML file; - or nothing for stdin.", show_default=False),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            metavar="TEXT",
            help="The question, with $blanks; $input is the one on the command line.",
        ),
    ] = None,
    system: Annotated[
        str | None, typer.Option("-s", "--system", metavar="TEXT", help="The instruction to the model.")
    ] = None,
    model: Annotated[str | None, typer.Option("-m", "--model", metavar="MODEL", help="Who answers.")] = None,
    schema: Annotated[
        str | None, typer.Option("--schema", metavar="SCHEMA", help="What the answer must be, as for `ask`.")
    ] = None,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="One sentence for the list.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", metavar="FLAG=VALUE", help="A flag of `ask`, like max-tokens=300. Repeatable."
        ),
    ] = None,
    default: Annotated[
        list[str] | None,
        typer.Option("--default", metavar="NAME=VALUE", help="What a blank is filled with. Repeatable."),
    ] = None,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Overwrite your template of that name.")
    ] = False,
) -> None:
    """Save a template of your own, out of flags, a file or stdin.

    gemcli templates save pirate --prompt 'Explain $input like a pirate, in $lines lines.' --default lines=3
    """
    begin(ctx, flags)

    from gemcli.commands.preset import check_options, check_values
    from gemcli.commands.tree import command_tree
    from gemcli.errors import UsageError
    from gemcli.templates import store
    from gemcli.templates.template import parse
    from gemcli.ui import emit_json, say

    store.check_name(name)
    flags = {
        "description": description,
        "system": system,
        "prompt": prompt,
        "model": model,
        "schema": schema,
        "options": _pairs(option, "--option"),
        "defaults": _pairs(default, "--default"),
    }
    flags = {key: value for key, value in flags.items() if value}
    if flags and file is not None:
        raise UsageError("a template is made of flags or of a file, not of both", f"Leave {file} away.")
    template = parse(flags, name) if flags else store.from_yaml(_read(file, name), name)
    command = command_tree().commands["ask"]
    check_options(template, command)
    check_values(template, command)
    known = store.names().get(name)
    if known is not None and store.is_own(known) and not force:
        raise UsageError(f"there is a template {name} already", "Add --force to overwrite it.")
    path = store.save(template)
    if ctx.obj.output == "json":
        emit_json({"schema_version": 1, "name": name, "path": str(path)})
    else:
        say(f"{name} is saved as {path}")


@app.command()
@reporting()
def rm(
    ctx: typer.Context,
    flags: Flags,
    names: Annotated[list[str], typer.Argument(metavar="TEMPLATE...", help="Names of your own templates.")],
    yes: Yes = False,
) -> None:
    """Delete templates of your own."""
    begin(ctx, flags)

    from gemcli.templates import store
    from gemcli.ui import emit_json, say

    wanted = list(dict.fromkeys(names))
    for name in wanted:
        store.check_own(name)
    if not yes:
        ask_first(f"Delete {', '.join(wanted)}?")
    for name in wanted:
        store.remove(name)
    if ctx.obj.output == "json":
        emit_json({"schema_version": 1, "removed": wanted})
    else:
        say(f"{', '.join(wanted)} {'is' if len(wanted) == 1 else 'are'} deleted")


def _facts(template: Template) -> dict[str, Any]:
    from gemcli.templates.template import INPUT

    blanks = [name for name in template.blanks if name != INPUT]
    return {
        "description": template.description,
        "needs": [name for name in blanks if name not in template.defaults],
        "takes_question": INPUT in template.blanks or template.prompt is None,
        "system": template.system,
        "prompt": template.prompt,
        "model": template.model,
        "schema": template.schema,
        "options": dict(template.options),
        "defaults": dict(template.defaults),
    }


def _pairs(words: list[str] | None, flag: str) -> dict[str, Any]:
    """``name=value`` words as a mapping; values that YAML knows as numbers or truths are such."""
    import yaml

    from gemcli.errors import UsageError
    from gemcli.templates.store import loader

    found: dict[str, Any] = {}
    for word in words or ():
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"{flag} {word!r} is no NAME=VALUE")
        found[name] = value
        if flag == "--option":
            with suppress(yaml.YAMLError):
                known = yaml.load(value, Loader=loader())  # one of the safe ones
                found[name] = known if isinstance(known, bool | int | float) else value
    return found


def _read(file: str | None, name: str) -> bytes:
    """The bytes of a file, or of stdin."""
    from pathlib import Path

    from gemcli.errors import InputError, UsageError

    if file is not None and file != "-":
        try:
            return Path(file).expanduser().read_bytes()
        except OSError as error:
            raise InputError(f"{file}: {error.strerror or error}") from error
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            "there is nothing to save",
            f'For example: gemcli templates save {name} --prompt "Explain $input."',
        )
    return sys.stdin.buffer.read()
