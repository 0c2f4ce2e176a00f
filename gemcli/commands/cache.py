"""``gemcli cache list|show|prune|rm``: what is kept ready on disk."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gemcli.commands.deleting import Yes, ask_first, moment_of
from gemcli.commands.flags import Flags, reporting
from gemcli.commands.session import begin

if TYPE_CHECKING:
    from gemcli.cached import Kept

app = typer.Typer(
    help="List, show and delete what is kept ready on disk.", no_args_is_help=True, rich_markup_mode=None
)

What = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DOCUMENT]...", help="Names or patterns of documents, or ids.", show_default=False
    ),
]
OfModel = Annotated[
    str | None, typer.Option("-m", "--model", metavar="NAME", help="Only what this model has read.")
]


@app.command("list")
@reporting()
def list_(
    ctx: typer.Context,
    flags: Flags,
) -> None:
    """List the documents that were read and need not be read again, what was used last first."""
    begin(ctx, flags)

    from gemcli import cached
    from gemcli.hub.size import size_text
    from gemcli.prefixes import folder
    from gemcli.ui import emit_json, emit_table, emit_text

    rows, others, most = cached.kept(), cached.others(), cached.most_bytes()
    total = sum(each.bytes for each in rows)
    if ctx.obj.output == "json":
        emit_json(
            {
                "schema_version": 1,
                "folder": str(folder()),
                "bytes": total,
                "limit_bytes": most,
                "prefixes": [each.to_json() for each in rows],
                "others": [{"kind": kind, "files": files, "bytes": size} for kind, _, files, size in others],
            }
        )
        return
    if rows:
        emit_table(
            ("id", "documents", "model", "tokens", "size", "last used"),
            [
                (
                    each.id,
                    _documents(each),
                    each.model,
                    f"{each.tokens:,}",
                    size_text(each.bytes),
                    _when(each.used),
                )
                for each in rows
            ],
            right=(3, 4),
        )
        emit_text("")
    lines = [("documents read", len(rows), size_text(total) + f" of {size_text(most)}")]
    lines += [(words, files, size_text(size)) for _, words, files, size in others if files]
    emit_table(("kept", "entries", "size"), lines, right=(1, 2))


@app.command()
@reporting()
def show(
    ctx: typer.Context,
    flags: Flags,
    what: What = None,
    model: OfModel = None,
) -> None:
    """Show the files that are kept of documents, and what they hold."""
    begin(ctx, flags)

    from gemcli import cached
    from gemcli.hub.size import size_text
    from gemcli.ui import emit_json, emit_text

    rows = cached.find(what or (), model)
    if ctx.obj.output == "json":
        emit_json(
            {
                "schema_version": 1,
                "prefixes": [
                    each.to_json()
                    | {
                        "paths": [
                            {
                                "path": str(file.path),
                                "tokens": file.end,
                                "kind": "state" if file.is_state else "piece",
                                "bytes": file.bytes,
                            }
                            for file in sorted(each.files, key=lambda file: (file.end, file.path))
                        ]
                    }
                    for each in rows
                ],
            }
        )
        return
    lines: list[str] = []
    for each in rows:
        lines += [
            f"{each.id}  {_documents(each)}",
            f"  model      {each.model}",
            f"  tokens     {each.tokens:,}",
            f"  size       {each.bytes:,} bytes ({size_text(each.bytes)}) in {len(each.files):,} files",
            f"  last used  {_when(each.used)}",
            f"  folder     {each.files[0].path.parent}",
            "",
        ]
    emit_text("\n".join(lines).rstrip() if lines else "nothing is kept")


@app.command()
@reporting()
def prune(
    ctx: typer.Context,
    flags: Flags,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            metavar="AGE",
            help="What was not used for so long: 12h, 30d, 2w, or since 2026-01-31.",
        ),
    ] = None,
) -> None:
    """Delete what was not used for longest until the rest is within the limit.

    The limit is cache_size in the configuration file, or the variable GEMCLI_CACHE_SIZE (10GB, 500MB, 0);
    without it a tenth of the free disk, 10 GB at most.
    """
    begin(ctx, flags)

    from gemcli import cached

    _freed(ctx, cached.prune(None if older_than is None else moment_of(older_than)))


@app.command()
@reporting()
def rm(
    ctx: typer.Context,
    flags: Flags,
    what: What = None,
    model: OfModel = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="All that is kept of files: also their text, what was read and heard in them."
        ),
    ] = False,
    yes: Yes = False,
) -> None:
    """Delete what is kept of documents, of a model, or of everything."""
    begin(ctx, flags)

    from gemcli import cached
    from gemcli.errors import UsageError
    from gemcli.plural import counted

    if bool(what or model) == every:
        raise UsageError("what is to be deleted?", "Name documents or ids, or give --model NAME, or --all.")
    rows = [] if every else cached.find(what or (), model)
    if not yes and (rows or every):
        named = ", ".join(_documents(each) for each in rows[:3])
        rest = f" and {counted(len(rows) - 3, 'other')}" if len(rows) > 3 else ""
        ask_first("Delete all that is kept of files?" if every else f"Delete what is kept of {named}{rest}?")
    _freed(ctx, cached.remove_all() if every else cached.remove(rows))


def _freed(ctx: typer.Context, freed: int) -> None:
    from gemcli.hub.size import size_text
    from gemcli.ui import emit_json, say

    if ctx.obj.output == "json":
        emit_json({"schema_version": 1, "freed_bytes": freed})
    else:
        say(f"{size_text(freed)} freed" if freed else "there was nothing to delete")


def _documents(each: Kept) -> str:
    names = list(each.documents[:3])
    more = len(each.documents) - len(names) + each.more
    return (", ".join(names) or "(no document)") + (f" and {more:,} more" if more else "")


def _when(seconds: float) -> str:
    """A time of here, to the minute."""
    return datetime.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")
