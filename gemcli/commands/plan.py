"""``gemcli plan FILES…``: what a prompt costs, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from gemcli import worker
from gemcli.commands import words
from gemcli.commands.flags import Flags, as_request, files_of, reporting
from gemcli.commands.session import begin
from gemcli.errors import GemcliError, OutOfMemoryError, UsageError
from gemcli.events import Warning
from gemcli.plural import counted

BAR = 24
_LEAST_BAR = 5
FULL, EMPTY = "█", "░"
_NUMBERS = 25  # columns of the tokens, their share, and the gaps


@reporting(
    "model",
    "system",
    "attach",
    "files_from",
    "null",
    "pages",
    "pdf",
    "start",
    "end",
    "fps",
    "max_frames",
    "no_audio",
    "ocr",
    "archive",
    "keep_going",
    "no_cache",
    "quiet",
    "verbose",
    "context",
    "overflow",
    "image_tokens",
    "kv_bits",
    "attention",
    "max_tokens",
    "offline",
)
def plan(
    ctx: typer.Context,
    flags: Flags,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="QUESTION | FILES", hidden=True, show_default=False)
    ] = None,
) -> None:
    """Show what files cost in tokens, memory and time, and whether they fit.

    Loads no weights.  FILES and flags are those of ask, and a QUESTION is counted when there is one: the
    total is exactly what ask would send.  Exit code 0, whether it fits or not.
    """
    session = begin(ctx, flags)
    question, files = words.split_plan(arguments or [])
    files = files_of(flags, files)

    from gemcli.hub.room import check_room
    from gemcli.prepared import prepare
    from gemcli.ui import emit_json, open_ui

    request = as_request(flags, question or "", files, started=session.started, stdin_is_free=True)
    found: dict[str, Any] = {}
    refused: list[GemcliError] = []

    def work(emit: worker.Emit) -> None:
        prepared = prepare(request, emit, may_pull=False)
        found.update(prepared.plan(request.kv_bits, given=True))
        if prompt := prepared.packed.prompt:
            try:
                check_room(prepared.model.name, prepared.card, len(prompt.ids), request.kv_bits, ahead=True)
            except OutOfMemoryError as error:
                refused.append(error)
                found["fits"] = False
                emit(Warning(f"{error.message}. {error.hint or ''}".rstrip()))

    with open_ui(quiet=flags["quiet"], verbose=flags["verbose"]) as ui:
        for event in worker.stream(work):
            ui(event)
    if not found["documents"] and not question:
        raise UsageError("there is nothing to plan", "Name files: gemcli plan report.pdf notes/")
    if session.output == "json":
        emit_json(found)
    else:
        _show(found, refused[0].exit_code if refused else None)


def _show(found: Mapping[str, Any], refused: int | None) -> None:
    """The plan for people: a row with a bar for each document, then the sums.

    Args:
        found: the plan.
        refused: the exit code with which ``ask`` refuses it whatever is read of it.
    """
    from gemcli.ui import emit_text
    from gemcli.ui.markdown.wrap import cells
    from gemcli.ui.notes import styled
    from gemcli.ui.sanitize import clean_line
    from gemcli.ui.streams import Out
    from gemcli.ui.terminal import ability, size

    out = Out()
    able = ability(out)
    rows = [
        (
            clean_line(each["source"], terminal=out.is_terminal),
            each["media_type"],
            _count(each["parts"]),
            each["tokens"],
        )
        for each in found["documents"]
    ]
    rows.append(("question and instructions", "", "", found["overhead_tokens"]))
    widths = [max(cells(row[column]) for row in rows) for column in range(3)]
    most = max(found["window"], found["total_tokens"])
    over = not found["fits"]
    room = min(BAR, size(out)[0] - sum(widths) - _NUMBERS)
    barred = able.live and out.can_show(FULL + EMPTY) and room >= _LEAST_BAR
    for row in rows:
        texts = [row[column] + " " * (widths[column] - cells(row[column])) for column in range(3)]
        bar = _bar(row[3] / most, room) if barred else ""
        share = f"{row[3] / found['window']:>6.1%}"
        out.write(
            "  ".join([*texts, f"{row[3]:>9,}", share, styled(bar, "31" if over else "32", able)]).rstrip()
            + "\n"
        )
    emit_text("\n".join(["", *_sums(found)]))
    way_out = f"ask refuses it with exit code {refused}" if refused else _way_out(found) if over else ""
    verdict = f"It does not fit: {way_out}." if over else "It fits."
    out.write(styled(verdict, "1;31" if over else "1;32", able) + "\n")


def _way_out(found: Mapping[str, Any]) -> str:
    """What ``ask`` does with too much."""
    read = found["read"]
    share = f"{read['tokens_read']:,} of {read['tokens_given']:,} tokens"
    return {
        "error": "ask refuses it with exit code 4",
        "thin": f"ask reads {share}, all of it but fewer or smaller pictures",
        "map": "ask reads everything, window by window",
        "select": f"ask reads the passages that matter, {share}; --overflow map reads everything",
        "head": f"ask reads the beginning, {share}",
        "tail": f"ask reads the end, {share}",
    }[read["overflow"]]


def _sums(found: Mapping[str, Any]) -> list[str]:
    """Lines of totals."""
    from gemcli.hub.size import size_text
    from gemcli.ui.progress import duration

    lines = [
        f"prompt    {found['total_tokens']:,} tokens"
        + (
            ""
            if found["prompt_tokens"] in (None, found["total_tokens"])
            else f", {found['prompt_tokens']:,} of them sent"
        ),
        f"model     {found['model']}: reads {found['window']:,} tokens, {found['budget']:,} of documents"
        + ("" if found["attention"] == "dense" else f", with {found['attention']} attention"),
        f"memory    {size_text(found['weights_bytes'])} weights, {size_text(found['kv_bytes'])} for the text;"
        f" at most {size_text(found['memory_bytes'])}",
    ]
    times = found["estimate"]
    if times["first_token_s"] is None and found["read"]["overflow"] == "map":
        lines.append("time      not known beforehand: every window is read and noted")
    elif times["first_token_s"] is None and not found["prompt_tokens"]:
        lines.append("time      depends on the question, which says what is read")
    elif times["first_token_s"] is None:
        lines.append("time      not known: this model has not answered on this machine yet")
    else:
        lines.append(
            f"time      about {duration(times['first_token_s'])} to the first token, "
            f"{duration(times['total_s'])} in all"
        )
    return lines


def _count(parts: Sequence[Mapping[str, Any]]) -> str:
    """How many parts of which kind: ``12 pages``."""
    kinds = {
        "page": ("page", "pages"),
        "line": ("block", "blocks"),
        "seconds": ("stretch", "stretches"),
        "cell": ("range", "ranges"),
    }
    key = next((key for part in parts for key in part["anchor"]), "")
    one, many = kinds.get(key, ("part", "parts"))
    count = len({part["anchor"].get("page") for part in parts}) if key == "page" else len(parts)
    return counted(count, one, many)


def _bar(share: float, width: int) -> str:
    full = round(share * width)
    return FULL * full + EMPTY * (width - full)
