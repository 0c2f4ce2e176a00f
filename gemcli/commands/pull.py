"""``gemcli pull NAME…``: bring models onto this machine, or repair them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemcli.commands.flags import Flags, reporting
from gemcli.commands.session import begin

if TYPE_CHECKING:
    from gemcli.hub.catalog import Entry
    from gemcli.hub.pull import OnEvent


@reporting("quiet", "verbose", "offline")
def pull(
    ctx: typer.Context,
    flags: Flags,
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="A name from `gemcli models list`, or hf:OWNER/REPO[:QUANT]."),
    ],
) -> None:
    """Download models, going on where an earlier download stopped; verify and repair those that are here.

    The path of each file goes to stdout.
    """
    session = begin(ctx, flags)

    from gemcli.hub.aliases import meant
    from gemcli.hub.notes import notes_to
    from gemcli.ui import emit_json, emit_text, open_ui

    wanted = list(dict.fromkeys(map(meant, names)))
    for name in wanted:
        _check(name)
    rows = []
    for name in wanted:
        with (
            open_ui(quiet=flags["quiet"], verbose=flags["verbose"]) as show,
            notes_to(show.say if flags["verbose"] else None),
        ):
            rows.append(_bring(name, flags["offline"], show))
        if session.output == "text":
            emit_text(rows[-1]["path"])
    if session.output == "json":
        emit_json({"schema_version": 1, "models": rows})


def _check(name: str) -> None:
    """Raise UsageError for a name that means nothing, before anything is downloaded."""
    from gemcli.hub import catalog, hub_name

    if name.startswith(hub_name.PREFIX):
        hub_name.parse(name)
    else:
        catalog.find(name)


def _bring(name: str, offline: bool, show: OnEvent) -> dict[str, Any]:
    """Pull or verify one model; returns what ``-o json`` says of it."""
    from gemcli.hub import recorded, store
    from gemcli.hub.pull import pull as bring

    entry = _entry(name, offline, show)
    before = store.find_installed(entry.name)
    path = _verified(entry, show) if offline else bring(entry, on_event=show, verify=True)
    after = store.find_installed(entry.name)
    return {
        "name": entry.name,
        "path": str(recorded.usable(path)),
        "size": entry.size,
        "sha256": entry.sha256,
        "licence": entry.licence,
        "licence_url": entry.licence_url,
        "source": after.source if after else None,
        "was_installed": before is not None,
    }


def _entry(name: str, offline: bool, show: OnEvent) -> Entry:
    from gemcli.errors import ModelUnavailableError
    from gemcli.events import Warning
    from gemcli.hub import catalog, hub_name, hub_repo

    if not name.startswith(hub_name.PREFIX):
        return catalog.find(name)
    spec = hub_name.parse(name)
    here = hub_name.find_local(spec)
    if offline and here:
        return hub_name.entry_of(here)
    if offline:
        raise _forbidden(name)
    try:
        return hub_repo.look_up(spec)
    except ModelUnavailableError as error:
        if not here:
            raise
        show(Warning(f"{error.message}; verifying what is here"))
        return hub_name.entry_of(here)


def _verified(entry: Entry, show: OnEvent) -> Path:
    from gemcli.errors import ModelUnavailableError
    from gemcli.events import Progress
    from gemcli.hub import store

    here = store.find_installed(entry.name)
    if not here:
        raise _forbidden(entry.name)
    if not store.verify(here, lambda done, total: show(Progress("verify", done, total, "bytes", entry.name))):
        raise ModelUnavailableError(
            f"{entry.name} is damaged: {here.path}", f"Run without --offline: gemcli pull {entry.name}"
        )
    return here.path


def _forbidden(name: str) -> Exception:
    from gemcli.errors import ModelUnavailableError

    return ModelUnavailableError(
        f"{name} is not installed, and --offline forbids fetching it",
        f"Run without --offline: gemcli pull {name}",
    )
