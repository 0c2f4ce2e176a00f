"""``gemcli models list|show|rm``: what can be pulled, what is here, and making room."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemcli.commands import options
from gemcli.commands.session import begin

if TYPE_CHECKING:
    from gemcli.hub.store import Installed

app = typer.Typer(help="List, show and delete models.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(
    ctx: typer.Context,
    output_format: options.ReportFormat = "text",
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """List the models that are known by name and those that are installed."""
    begin(ctx, output_format, json, debug)

    from gemcli.hub.size import size_text
    from gemcli.ui import emit_json, emit_table

    rows = _rows()
    if ctx.obj.output == "json":
        emit_json({"schema_version": 1, "models": rows})
        return
    emit_table(
        ("name", "size", "licence", "window", "senses", "state"),
        [
            (
                row["name"],
                size_text(row["size"]),
                row["licence"],
                f"{row['window']:,}" if row["window"] else None,
                ", ".join(row["senses"]),
                row["state"] + (", default" if row["default"] else ""),
            )
            for row in rows
        ],
        right=(1, 3),
    )


@app.command()
def show(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A model's name, hf:OWNER/REPO[:QUANT], or a GGUF file.")
    ],
    verify: Annotated[bool, typer.Option("--verify", help="Hash the file again.")] = False,
    output_format: options.ReportFormat = "text",
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    offline: options.Offline = False,
    debug: options.Debug = False,
) -> None:
    """Show a model's file, sources and licence, and once it is installed, what it is made of."""
    begin(ctx, output_format, json, debug)

    from gemcli.ui import emit_json, emit_text

    facts, model = _facts(name, offline)
    if verify:
        facts["verified"] = _verify(name, model, quiet, verbose)
    if facts["path"] and facts["state"] != "damaged" and facts.get("task") != "transcribe":
        facts |= _architecture(facts["path"])
    if ctx.obj.output == "json":
        emit_json({"schema_version": 1, **facts})
        return
    lines = []
    width = max(len(key) for key in facts)
    for key, value in facts.items():
        for number, each in enumerate(value if isinstance(value, list) else [value]):
            if each not in (None, ""):
                lines.append(f"{'' if number else key.replace('_', ' '):{width}}  {_text(key, each)}")
    emit_text("\n".join(lines))


@app.command()
def rm(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names from `gemcli models list`.")],
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    output_format: options.ReportFormat = "text",
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Delete models from this machine, with what unfinished downloads have left of them."""
    begin(ctx, output_format, json, debug)

    from gemcli.errors import UsageError
    from gemcli.hub import store
    from gemcli.hub.size import size_text
    from gemcli.ui import confirm, emit_json, say

    wanted = [_stored_name(name) for name in dict.fromkeys(names)]
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError("nothing is deleted unasked, and there is no terminal to ask on", "Add --yes.")
        if not confirm(f"Delete {', '.join(wanted)}?"):
            say("nothing is deleted")
            raise typer.Exit(1)
    rows = [{"name": name, "freed_bytes": _laid_out(name) + store.remove(name)} for name in wanted]
    if ctx.obj.output == "json":
        emit_json({"schema_version": 1, "removed": rows})
        return
    for row in rows:
        say(f"{row['name']} is deleted ({size_text(row['freed_bytes'])})")


def _laid_out(name: str) -> int:
    """Delete the copies of a model's weights that the engine keeps laid out; returns the bytes freed."""
    from gemcli.hub import store
    from gemcli.settings import cache_dir
    from model.weights.arena import remove_copies

    found = store.find_installed(name)
    return remove_copies(cache_dir() / "weights", found.usable) if found else 0


def _rows() -> list[dict[str, Any]]:
    """The catalogue, then the installed models of other names, then unfinished downloads of such."""
    from gemcli.hub import store
    from gemcli.hub.catalog import CATALOG
    from gemcli.hub.resolve import default_name

    here = {model.name: model for model in store.installed()}
    default = default_name()[0]
    rows = [
        _row(each, here.pop(each.name, None), store.partial_bytes(each), each.window, each.senses)
        for each in CATALOG
    ]
    rows += [_row(model, model, 0) for model in here.values()]
    known = {row["name"] for row in rows}
    rows += [_row(model, None, done) for model, done in store.unfinished() if model.name not in known]
    return [{**row, "default": row["name"] == default} for row in rows]


def _row(
    about: Any,
    model: Installed | None,
    gathered: int,
    window: int | None = None,
    senses: tuple[str, ...] = ("text",),
) -> dict[str, Any]:
    """One model; `about` has its name, title, size, licence and licence_url."""
    if model:
        state = "damaged" if model.state == "damaged" else "installed"
    else:
        state = f"{100 * gathered // about.total} % downloaded" if gathered else "not installed"
    return {
        "name": about.name,
        "title": about.title,
        "size": about.total,
        "licence": about.licence,
        "licence_url": about.licence_url,
        "window": window,
        "senses": list(senses),
        "state": state,
        "installed": state == "installed",
        "downloaded_bytes": model.total if model else gathered,
        "path": str(model.usable) if model else None,
    }


def _facts(name: str, offline: bool) -> tuple[dict[str, Any], Installed | None]:
    """What is known of a model without opening it, and the model in the store, if it is there."""
    from gemcli.errors import ModelUnavailableError, UsageError
    from gemcli.hub import catalog, hub_name, resolve, store

    if name.startswith(hub_name.PREFIX):
        model = hub_name.find_local(hub_name.parse(name))
        if offline and not model:
            raise ModelUnavailableError(
                f"{name} is not installed, and --offline forbids looking it up",
                f"Run: gemcli models show {name}",
            )
        from gemcli.hub.hub_repo import look_up

        entry = hub_name.entry_of(model) if model else look_up(hub_name.parse(name))
    else:
        try:
            entry = catalog.find(name)
            model = store.find_installed(entry.name)
        except UsageError:
            if not resolve.is_path(name):
                raise
            path = resolve.local_file(name)
            files = path.glob("*.safetensors") if path.is_dir() else [path]
            size = sum(each.stat().st_size for each in files)
            state = "a folder" if path.is_dir() else "a file"
            return {"name": name, "state": state, "path": str(path), "size": size}, None
    row = _row(entry, model, store.partial_bytes(entry), entry.window, entry.senses)
    del row["installed"], row["downloaded_bytes"]
    came = {"came_from": model.source} if model else {}
    came |= {"task": entry.task} if entry.task != "answer" else {}
    return {**row, "sha256": entry.sha256, "sources": [str(each) for each in entry.sources], **came}, model


def _verify(name: str, model: Installed | None, quiet: bool, verbose: int) -> bool:
    from gemcli.errors import ModelUnavailableError, UsageError
    from gemcli.events import Progress
    from gemcli.hub import resolve, store
    from gemcli.ui import open_ui

    if model is None:
        if resolve.is_path(name):
            raise UsageError(f"{name} cannot be verified: only for models of the store is the SHA-256 known")
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
    from model.load import describe

    card = describe(Path(path))
    return {
        "architecture": card.architecture,
        "base_model": card.is_base,
        "parameters": card.parameters,
        "quantization": card.quantization,
        "window": card.window,
        "weights_bytes": card.weights_bytes,
        "kv_bytes_per_token": card.kv_bytes_per_token(),
    }


def _stored_name(name: str) -> str:
    """The name under which a model, or a part of it, lies in the store."""
    from gemcli.errors import ModelUnavailableError
    from gemcli.hub import catalog, hub_name, store

    if name.startswith(hub_name.PREFIX):
        found = hub_name.find_local(hub_name.parse(name))
        name = found.name if found else name
    else:
        name = catalog.find(name).name
    if store.is_present(name):
        return name
    begun = [model.name for model, _ in store.unfinished()]
    also = f" Unfinished: {', '.join(begun)}." if begun else ""
    raise ModelUnavailableError(f"{name} is not installed", f"`gemcli models list` shows what is.{also}")


def _text(key: str, value: object) -> str:
    from gemcli.hub.size import size_text

    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int):
        return str(value)
    if key == "size" or key.endswith("bytes"):
        return f"{value:,} bytes ({size_text(value)})"
    return f"{value:,}"
