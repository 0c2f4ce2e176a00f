"""``gemcli models list|show|rm``: what can be pulled, what is here, and making room."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemcli.commands.deleting import Yes, ask_first
from gemcli.commands.flags import Flags, reporting
from gemcli.commands.session import begin

if TYPE_CHECKING:
    from gemcli.hub.recorded import Installed

app = typer.Typer(help="List, show and delete models.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
@reporting()
def list_(
    ctx: typer.Context,
    flags: Flags,
) -> None:
    """List the models that are known by name and those that are installed."""
    begin(ctx, flags)

    from gemcli.hub.listing import rows as listed
    from gemcli.hub.size import size_text
    from gemcli.ui import emit_json, emit_table

    rows = listed()
    if ctx.obj.output == "json":
        emit_json({"schema_version": 1, "models": rows})
        return
    emit_table(
        ("name", "size", "licence", "window", "senses", "state"),
        [
            (
                row["name"],
                ("" if row["size_is_exact"] else "~") + size_text(row["size"]),
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
@reporting("quiet", "verbose", "offline")
def show(
    ctx: typer.Context,
    flags: Flags,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A model's name, hf:OWNER/REPO[:QUANT], or the path to one.")
    ],
    verify: Annotated[bool, typer.Option("--verify", help="Hash the file again.")] = False,
) -> None:
    """Show a model's files, sources and licence, what it is made of, and the context that fits here."""
    begin(ctx, flags)

    from gemcli.hub import anatomy, listing
    from gemcli.hub.size import size_text
    from gemcli.ui import emit_json, emit_text

    facts, model = listing.facts(name, flags["offline"])
    if verify:
        facts["verified"] = _verify(name, model, flags["quiet"], flags["verbose"])
    made = _anatomy(facts, name)
    if ctx.obj.output == "json":
        emit_json({"schema_version": 1, **facts, **made})
        return
    exact = facts.pop("size_is_exact", True)
    rows = {
        key: value if key != "size" or exact else f"about {size_text(value)}" for key, value in facts.items()
    }
    if made:
        rows |= ({"base_model": made["base_model"]} if "base_model" in made else {}) | anatomy.lines(made)
    lines = []
    width = max(len(key) for key in rows)
    for key, value in rows.items():
        for number, each in enumerate(value if isinstance(value, list) else [value]):
            if each not in (None, ""):
                lines.append(f"{'' if number else key.replace('_', ' '):{width}}  {_text(key, each)}")
    emit_text("\n".join(lines))


@app.command()
@reporting()
def rm(
    ctx: typer.Context,
    flags: Flags,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names from `gemcli models list`.")],
    yes: Yes = False,
) -> None:
    """Delete models from this machine, with what unfinished downloads have left of them."""
    begin(ctx, flags)

    from gemcli.hub import store
    from gemcli.hub.listing import stored_name
    from gemcli.hub.size import size_text
    from gemcli.ui import emit_json, say

    wanted = [stored_name(name) for name in dict.fromkeys(names)]
    if not yes:
        ask_first(f"Delete {', '.join(wanted)}?")
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


def _anatomy(facts: dict[str, Any], name: str) -> dict[str, Any]:
    """What it is made of; empty where that is not known before it is pulled."""
    from gemcli.hub import aliases, anatomy, catalog
    from gemcli.hub.devices import devices

    if facts.get("task") == "transcribe" or facts["state"] == "damaged":
        return {}
    if facts["path"]:
        about, is_base = anatomy.of_file(Path(facts["path"]))
        return {"base_model": is_base, **anatomy.facts(about, devices())}
    if alias := aliases.find(name):
        about = anatomy.of_released(alias.name, alias.about, alias.hub.rpartition(":")[2])
        return anatomy.facts(about, devices())
    entry = next((each for each in catalog.CATALOG if each.name == facts["name"] and each.released), None)
    if entry is None:
        return {}
    return anatomy.facts(anatomy.of_released(entry.released, entry.size), devices())


def _text(key: str, value: object) -> str:
    from gemcli.hub.size import size_text

    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int):
        return str(value)
    if key == "size" or key.endswith("bytes"):
        return f"{value:,} bytes ({size_text(value)})"
    return f"{value:,}"
