"""``gemcli history list|show|search|rm``: what was asked and answered."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemcli.commands.deleting import Yes, ask_first, moment_of
from gemcli.commands.flags import Flags, reporting
from gemcli.commands.session import begin

if TYPE_CHECKING:
    from gemcli.history.values import Heading, Record, Seen

app = typer.Typer(
    help="List, show, search and delete what was asked.", no_args_is_help=True, rich_markup_mode=None
)

Most = Annotated[
    int,
    typer.Option("-n", "--number", metavar="N", min=0, help="How many at most, the newest; 0 for all."),
]

_WIDE = 60  # characters of a question in a table
_AROUND = 30  # characters on each side of what was found


@app.command("list")
@reporting()
def list_(
    ctx: typer.Context,
    flags: Flags,
    number: Most = 20,
) -> None:
    """List conversations, the newest first; `gemcli ask --cid ID` goes on with one."""
    begin(ctx, flags)

    from gemcli.history.look import headings
    from gemcli.ui import emit_json, emit_table, say, show_warning

    found = headings(show_warning, most=number or None)
    if ctx.obj.output == "json":
        emit_json({"schema_version": 1, "conversations": [_heading(each) for each in found]})
        return
    if not found:
        say("the history is empty")
        return
    emit_table(
        ("id", "last", "turns", "model", "question"),
        [(each.id, _when(each.last), each.turns, each.model, _short(each.question)) for each in found],
        right=(2,),
    )


@app.command()
@reporting()
def show(
    ctx: typer.Context,
    flags: Flags,
    conversation: Annotated[
        str | None,
        typer.Argument(
            metavar="[CONVERSATION]",
            help="Its id, or the beginning or end of it; the newest without.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show a conversation: every question with its files and its answer."""
    begin(ctx, flags)

    from gemcli.errors import UsageError
    from gemcli.history import look
    from gemcli.ui import emit_json, emit_text, show_warning

    if conversation is None:
        newest = look.headings(show_warning, most=1)
        if not newest:
            raise UsageError("the history is empty", "What you ask is kept in it, unless with --no-log.")
        id = newest[0].id
    else:
        id = look.find(conversation, show_warning)
    records = look.records(id, show_warning)
    seen = look.shown(records, show_warning)
    if ctx.obj.output == "json":
        turns = [_turn(record, seen.get(record.id, ())) for record in records]
        emit_json({"schema_version": 1, "id": id, "turns": turns})
        return
    emit_text(f"conversation {id}\n\n" + "\n\n".join(map(_written, records)))


@app.command()
@reporting()
def search(
    ctx: typer.Context,
    flags: Flags,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="WORDS...", help="All of them must be in a question, an answer or a file's name."
        ),
    ],
    number: Most = 20,
) -> None:
    """Find questions and answers by their words, or the beginnings of them, the best first.

    Exit code 1 where nothing is found.
    """
    begin(ctx, flags)

    from gemcli.history import look
    from gemcli.ui import emit_json, emit_table, say, show_warning

    wanted = " ".join(words)
    found = look.search(wanted, show_warning, most=number or None)
    if ctx.obj.output == "json":
        emit_json(
            {"schema_version": 1, "turns": [{"id": each.conversation, **_turn(each)} for each in found]}
        )
    elif found:
        emit_table(
            ("id", "at", "question", "answer"),
            [
                (each.conversation, _when(each.at), _short(each.question), _around(each.answer, wanted))
                for each in found
            ],
        )
    else:
        say("nothing is found")
    if not found:
        raise typer.Exit(1)


@app.command()
@reporting()
def rm(
    ctx: typer.Context,
    flags: Flags,
    conversations: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONVERSATION]...", help="Ids, or beginnings or ends of them.", show_default=False
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="The whole history, also what was damaged of it, and lines typed in chats."
        ),
    ] = False,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            metavar="AGE",
            help="What did not go on for so long: 12h, 30d, 2w, or since 2026-01-31.",
        ),
    ] = None,
    yes: Yes = False,
) -> None:
    """Delete conversations, with the documents, pictures and sounds that only they hold."""
    begin(ctx, flags)

    from gemcli.errors import UsageError
    from gemcli.history import leftovers, look, store
    from gemcli.plural import counted
    from gemcli.ui import emit_json, say, show_warning

    if bool(conversations) + every + (older_than is not None) != 1:
        raise UsageError(
            "what is to be deleted?", "Name conversations, or give --all, or --older-than AGE; one of these."
        )
    if conversations:
        ids = list(dict.fromkeys(look.find(each, show_warning) for each in conversations))
    else:
        found = look.headings(show_warning)
        if older_than is not None:
            end = moment_of(older_than)
            found = [each for each in found if each.last < end]
        ids = [each.id for each in found]
    others = leftovers.leftovers() if every else []
    if (ids or others) and not yes:
        files = "".join(f", {path.name}" for path in others)
        ask_first(f"Delete {counted(len(ids), 'conversation')}{files} for good?")
    removed = store.remove(ids, show_warning)
    leftovers.remove(others)
    if ctx.obj.output == "json":
        files = [str(path) for path in others]
        emit_json({"schema_version": 1, "removed": removed, "files": files})
    else:
        say(f"{counted(len(removed), 'conversation')} {'is' if len(removed) == 1 else 'are'} deleted")


def _heading(each: Heading) -> dict[str, Any]:
    return {
        "id": each.id,
        "begun": _iso(each.begun),
        "last": _iso(each.last),
        "turns": each.turns,
        "question": each.question,
        "model": each.model,
        "sources": list(each.sources),
        "finish_reason": None if each.ending == "error" else each.ending,
    }


def _turn(record: Record, seen: tuple[Seen, ...] | None = None) -> dict[str, Any]:
    turn: dict[str, Any] = {
        "at": _iso(record.at),
        "kind": record.kind,
        "question": record.question,
        "answer": record.answer,
        "model": record.model,
        "system": record.system,
        "options": dict(record.options),
        "finish_reason": None if record.ending == "error" else record.ending,
        "sources": list(record.sources),
    }
    if record.kind == "asked":
        turn |= record.details
    if seen is not None:
        turn["documents"] = [
            {
                "source": each.document.source,
                "media_type": each.document.media_type,
                "sha256": each.document.sha256,
                "path": None if each.path is None else str(each.path),
                "parts": len(each.document.parts),
                "dropped": each.is_dropped,
            }
            for each in seen
        ]
    return turn


def _written(record: Record) -> str:
    """A turn as Markdown."""
    lines = [f"## {_when(record.at)} · {record.model}" + (" · example" if record.kind == "example" else "")]
    if record.system:
        lines.append(f"System: {record.system}")
    if record.sources:
        lines.append("Files: " + ", ".join(record.sources))
    lines.append("\n".join(f"> {line}" for line in record.question.split("\n")))
    answer = record.answer.strip()
    if answer:
        lines.append(answer)
    if said := _ending(record.ending, record.details):
        lines.append(f"({said})")
    return "\n\n".join(lines)


def _ending(ending: str, details: Mapping[str, Any]) -> str:
    error = details.get("error")
    if ending == "error":
        return f"failed: {error['message']}" if isinstance(error, dict) else "failed"
    return {"interrupt": "interrupted", "length": "cut at the limit"}.get(ending, "")


def _when(seconds: float) -> str:
    """Local time, to the minute."""
    return datetime.datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="milliseconds")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDE else line[: _WIDE - 1].rstrip() + "…"


def _around(text: str, words: str) -> str:
    """The stretch of a text around the first of the words that is in it; else its beginning."""
    line = " ".join(text.split())
    places = [place for word in words.lower().split() if (place := line.lower().find(word)) >= 0]
    start = max(0, min(places, default=0) - _AROUND)
    end = start + _WIDE
    return ("…" if start else "") + line[start:end].strip() + ("…" if end < len(line) else "")
