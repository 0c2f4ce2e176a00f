"""``gemcli pull NAME…``: bring models onto this machine, or repair them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from gemcli.events import Event
    from gemcli.hub.catalog import Entry
    from gemcli.hub.pull import OnEvent


def pull(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME…", help="A name from `gemcli models list`, or hf:OWNER/REPO[:QUANT]."),
    ],
    output: Annotated[
        Literal["text", "json"], typer.Option("-o", "--output-format", help="How to print the result.")
    ] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="The same as -o json.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")] = False,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, help="Say more.")] = 0,
    offline: Annotated[
        bool, typer.Option("--offline", envvar="GEMCLI_OFFLINE", help="Only verify what is here.")
    ] = False,
) -> None:
    """Download models, resuming what was interrupted; verify and repair those that are here already.

    Prints the path of each file.  The SHA-256 of every file is checked.
    """
    from gemcli.hub.store import find_installed
    from gemcli.ui import open_ui

    wanted = list(dict.fromkeys(names))
    for name in wanted:
        _check_name(name)
    rows = []
    for name in wanted:
        with open_ui(quiet=quiet, verbose=verbose) as show:
            entry = _entry(name, offline, show)
            before = find_installed(entry.name)
            path = _pull(entry, offline, show)
        if output == "text" and not as_json:
            typer.echo(path)
        model = find_installed(entry.name)
        rows.append(
            {
                "name": entry.name,
                "path": str(path),
                "size": entry.size,
                "sha256": entry.sha256,
                "licence": entry.licence,
                "licence_url": entry.licence_url,
                "source": model.source if model else "",
                "was_installed": before is not None,
            }
        )
    if output == "json" or as_json:
        typer.echo(json.dumps({"schema_version": 1, "models": rows}, indent=2))


def _check_name(name: str) -> None:
    """Raise UsageError for a name that means nothing, before anything is downloaded."""
    from gemcli.hub import catalog, hub_repo

    if name.startswith(hub_repo.PREFIX):
        hub_repo.parse(name)
    else:
        catalog.find(name)


def _entry(name: str, offline: bool, show: OnEvent) -> Entry:
    from gemcli.errors import ModelUnavailableError
    from gemcli.events import Warning
    from gemcli.hub import catalog, hub_repo

    if not name.startswith(hub_repo.PREFIX):
        return catalog.find(name)
    spec = hub_repo.parse(name)
    here = hub_repo.find_local(spec)
    if offline and here:
        return hub_repo.entry_of(here)
    if offline:
        raise ModelUnavailableError(f"{name} is not installed, and --offline forbids fetching it")
    try:
        return hub_repo.look_up(spec)
    except ModelUnavailableError as error:
        if not here:
            raise
        show(Warning(f"{error.message}; verifying what is here"))
        return hub_repo.entry_of(here)


def _pull(entry: Entry, offline: bool, show: OnEvent):
    from gemcli.errors import ModelUnavailableError
    from gemcli.events import Progress
    from gemcli.hub import store
    from gemcli.hub.pull import pull as bring

    if not offline:
        return bring(entry, on_event=show, verify=True)

    def verified(done: int, total: int) -> None:
        event: Event = Progress("verify", done, total, "bytes", entry.name)
        show(event)

    here = store.find_installed(entry.name)
    if not here:
        raise ModelUnavailableError(f"{entry.name} is not installed, and --offline forbids fetching it")
    if not store.verify(here, verified):
        raise ModelUnavailableError(
            f"{entry.name} is damaged: {here.path}", f"Run without --offline: gemcli pull {entry.name}"
        )
    return here.path
