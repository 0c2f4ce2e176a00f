"""``gemcli models list|show|rm``: what can be pulled, what is here, and making room."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gemcli.hub.store import Installed

app = typer.Typer(
    help="The models: those that can be pulled, and those on this machine.", no_args_is_help=True
)

Output = Annotated[
    Literal["text", "json"], typer.Option("-o", "--output-format", help="How to print the result.")
]
AsJson = Annotated[bool, typer.Option("--json", help="The same as -o json.")]


@app.command("list")
def list_(
    output: Output = "text",
    as_json: AsJson = False,
) -> None:
    """List the models that gemcli knows by name and those that are installed."""
    rows = _rows()
    if output == "json" or as_json:
        typer.echo(json.dumps({"schema_version": 1, "models": rows}, indent=2))
        return
    heads = ("", "name", "size", "licence", "window", "senses", "state")
    table = [
        (
            "*" if row["default"] else "",
            row["name"],
            _size(row["size"]),
            row["licence"],
            f"{row['window']:,}" if row["window"] else "",
            ", ".join(row["senses"]),
            _state(row),
        )
        for row in rows
    ]
    if sys.stdout.isatty():
        _print_rich(heads, table)
    else:
        _print_plain(heads, table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A model's name, hf:OWNER/REPO[:QUANT], or a path to a GGUF.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash the file again, however long it takes.")
    ] = False,
    output: Output = "text",
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")] = False,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, help="Say more.")] = 0,
) -> None:
    """Show a model: its file, hash, sources and licence, and what it is made of once it is installed."""
    facts, model = _facts(name)
    if verify:
        facts["verified"] = _verify(name, model, quiet, verbose)
    path = facts["path"]
    if path and facts["state"] in ("installed", "changed", "file"):
        facts |= _architecture(path)
    if output == "json" or as_json:
        typer.echo(json.dumps({"schema_version": 1, **facts}, indent=2))
        return
    labels = {key: key.replace("_", " ") for key, value in facts.items() if value not in (None, "", [])}
    width = max(map(len, labels.values()))
    for key, label in labels.items():
        values = facts[key] if isinstance(facts[key], list) else [facts[key]]
        for index, value in enumerate(values):
            typer.echo(f"{'' if index else label:{width}}  {_value(key, value)}")


@app.command()
def rm(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Names from `gemcli models list`.")],
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    output: Output = "text",
    as_json: AsJson = False,
) -> None:
    """Delete models from this machine, unfinished downloads included."""
    from gemcli.errors import ModelUnavailableError, UsageError
    from gemcli.hub import store
    from gemcli.hub.pull import size_text

    wanted = [_stored_name(name) for name in dict.fromkeys(names)]
    for name in wanted:
        if not store.folder_of(name).exists():
            raise ModelUnavailableError(f"{name} is not installed", "`gemcli models list` shows what is.")
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError("nothing is deleted unasked, and there is no terminal to ask on", "Add --yes.")
        if not typer.confirm(f"Delete {', '.join(wanted)}?", err=True):
            raise typer.Exit(1)
    rows = [{"name": name, "freed": store.remove(name)} for name in wanted]
    if output == "json" or as_json:
        typer.echo(json.dumps({"schema_version": 1, "removed": rows}, indent=2))
        return
    for row in rows:
        typer.echo(f"{row['name']} is deleted ({size_text(row['freed'])})", err=True)


def _rows() -> list[dict[str, Any]]:
    from gemcli.hub import store
    from gemcli.hub.catalog import CATALOG
    from gemcli.hub.resolve import default_name

    here = {model.name: model for model in store.installed()}
    default = default_name()[0]
    rows = []
    for entry in CATALOG:
        model = here.pop(entry.name, None)
        rows.append(
            {
                "name": entry.name,
                "title": entry.title,
                "size": entry.size,
                "licence": entry.licence,
                "licence_url": entry.licence_url,
                "window": entry.window,
                "senses": list(entry.senses),
                **_place(model),
                "partial": 0 if model else store.partial_bytes(entry),
            }
        )
    known = {row["name"] for row in rows}
    rows += [
        {
            "name": model.name,
            "title": model.title,
            "size": model.size,
            "licence": model.licence,
            "licence_url": model.licence_url,
            "window": None,
            "senses": ["text"],
            **_place(model),
            "partial": 0,
        }
        for model in here.values()
    ]
    rows += [
        {
            "name": name,
            "title": "",
            "size": size,
            "licence": "",
            "licence_url": "",
            "window": None,
            "senses": ["text"],
            **_place(None),
            "partial": done,
        }
        for name, size, done in store.unfinished()
        if name not in known
    ]
    return [{**row, "default": row["name"] == default} for row in rows]


def _place(model: Installed | None) -> dict[str, Any]:
    return {
        "installed": model is not None and model.state != "damaged",
        "damaged": model is not None and model.state == "damaged",
        "path": str(model.path) if model else None,
    }


def _state(row: dict[str, Any]) -> str:
    if row["damaged"]:
        return "damaged"
    if row["installed"]:
        return "installed"
    return f"{100 * row['partial'] // row['size']} % here" if row["partial"] else ""


def _facts(name: str) -> tuple[dict[str, Any], Installed | None]:
    """What is known of a model without opening it, and the model in the store, if it is there."""
    from gemcli.errors import UsageError
    from gemcli.hub import catalog, hub_repo, resolve, store

    entry, model = None, None
    if name.startswith(hub_repo.PREFIX):
        model = hub_repo.find_local(hub_repo.parse(name))
        entry = hub_repo.entry_of(model) if model else hub_repo.look_up(hub_repo.parse(name))
    else:
        try:
            entry = catalog.find(name)
            model = store.find_installed(entry.name)
        except UsageError:
            if not resolve.is_path(name):
                raise
            path = resolve.local_file(name)
            return {"name": name, "state": "file", "path": str(path), "size": path.stat().st_size}, None
    state = {"ready": "installed"}.get(model.state, model.state) if model else "not installed"
    return {
        "name": entry.name,
        "title": entry.title,
        "state": state,
        "path": str(model.path) if model else None,
        "size": entry.size,
        "sha256": entry.sha256,
        "licence": entry.licence,
        "licence_url": entry.licence_url,
        "window": entry.window,
        "senses": list(entry.senses),
        "sources": [str(source) for source in entry.sources],
        "source": model.source if model else None,
    }, model


def _verify(name: str, model: Installed | None, quiet: bool, verbose: int) -> bool:
    from gemcli.errors import ModelUnavailableError, UsageError
    from gemcli.events import Progress
    from gemcli.hub import resolve, store
    from gemcli.ui import open_ui

    if model is None:
        if resolve.is_path(name):
            raise UsageError(f"nobody has said what {name} should contain, so it cannot be verified")
        raise ModelUnavailableError(f"{name} is not installed", f"Run: gemcli pull {name}")
    with open_ui(quiet=quiet, verbose=verbose) as tell:
        right = store.verify(
            model, lambda done, total: tell(Progress("verify", done, total, "bytes", model.name))
        )
    if not right:
        raise ModelUnavailableError(
            f"{model.name} is damaged: the SHA-256 of {model.path} is not {model.sha256}",
            f"Run: gemcli pull {model.name}",
        )
    return True


def _architecture(path: str) -> dict[str, Any]:
    """What the file says about itself; its weights are not read."""
    from pathlib import Path

    from model.load import describe

    card = describe(Path(path))
    return {
        "architecture": card.architecture,
        "parameters": card.parameters,
        "quantization": card.quantization,
        "window": card.window,
        "weights_bytes": card.weights_bytes,
        "kv_bytes_per_token": card.kv_bytes_per_token(),
        "base_model": card.is_base,
    }


def _stored_name(name: str) -> str:
    """The name under which a model lies in the store; unknown names are an error."""
    from gemcli.errors import ModelUnavailableError
    from gemcli.hub import catalog, hub_repo, store

    if not name.startswith(hub_repo.PREFIX):
        return catalog.find(name).name
    if found := hub_repo.find_local(hub_repo.parse(name)):
        return found.name
    if name in (begun := [each for each, _, _ in store.unfinished()]):
        return name
    also = f" Unfinished downloads: {', '.join(begun)}." if begun else ""
    raise ModelUnavailableError(f"{name} is not installed", f"`gemcli models list` shows what is.{also}")


def _size(size: int) -> str:
    from gemcli.hub.pull import size_text

    return size_text(size)


def _value(key: str, value: object) -> str:
    if key in ("size", "weights_bytes", "kv_bytes_per_token"):
        assert isinstance(value, int)
        return f"{value:,} bytes ({_size(value)})" if value >= 1_000_000 else f"{value:,} bytes"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _print_rich(heads: Sequence[str], table: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    view = Table(box=None, pad_edge=False, header_style="dim", caption="* the default of this machine")
    for head in heads:
        right = head in ("size", "window")
        view.add_column(head, justify="right" if right else "left", overflow="fold", no_wrap=head == "name")
    for row in table:
        view.add_row(*row, style="bold" if row[-1] == "installed" else None)
    Console().print(view)


def _print_plain(heads: Sequence[str], table: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[index]) for row in (heads, *table)) for index in range(len(heads))]
    for row in (heads, *table):
        typer.echo("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
