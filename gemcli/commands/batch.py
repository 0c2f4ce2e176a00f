"""``gemcli batch QUESTION FILES…``: one question about many files, one JSON record for each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from gemcli.commands.flags import Flags, as_request, files_of, shared
from gemcli.commands.preset import preset_of
from gemcli.commands.session import begin
from gemcli.errors import GemcliError, UsageError
from gemcli.events import Event, Note
from gemcli.plural import counted

if TYPE_CHECKING:
    from gemcli.batch.run import Tally, Workers
    from gemcli.request import Request

_USUAL_JOBS = 8

_WITHOUT = ("raw", "usage", "keep_going", "no_log", "continue_", "cid")


@shared(without=_WITHOUT)
def batch(
    ctx: typer.Context,
    flags: Flags,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="QUESTION | FILES", hidden=True, show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Append the records to FILE; what is done there already is not asked again.",
            show_default=False,
        ),
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Ask about every line of the files, not about every file.")
    ] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", metavar="N", min=1, max=256, help="Answers at once.")
    ] = _USUAL_JOBS,
    retry: Annotated[
        bool, typer.Option("--retry", help="Ask again about what failed before, in place of its record.")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            help="Spread the work over a Ray cluster; 'local' starts one on this machine.",
            show_default=False,
            envvar="GEMCLI_RAY",
        ),
    ] = None,
) -> None:
    """Ask one question about many files; every file becomes one line of JSON.

    With --out, a batch that was interrupted or killed goes on where it was: nothing is lost, nothing is done
    twice.  Without it the records go to stdout.  A file that cannot be read gets a record with its error,
    the others are answered, and the exit code is 3.
    """
    session = begin(ctx, flags)

    from gemcli.batch.entries import of_files, of_lines
    from gemcli.batch.journal import Journal
    from gemcli.batch.run import run
    from gemcli.hub.default import default_name
    from gemcli.hub.notes import notes_to
    from gemcli.ui import emit_json, emit_line, open_ui, say

    preset = preset_of(ctx)
    question, files = preset.split(arguments or ())
    if question is None and not preset.asks:
        raise UsageError(
            "there is no question", 'Ask one: gemcli batch "Who is it from?" letters/ --out answers.jsonl'
        )
    if retry and out is None:
        raise UsageError("--retry needs the file of the records: name it with --out")
    files = files_of(flags, files)
    question = preset.question(question)
    request = as_request(flags, question, files, started=session.started, stdin_is_free=True)
    request = replace(preset.upon(request, flags), log=False)  # the records are the log
    model = request.model or request.host or default_name()[0]
    listed = partial(of_lines, files) if lines else partial(of_files, files, besides=out)
    with (
        open_ui(quiet=flags["quiet"], verbose=flags["verbose"]) as ui,
        notes_to(ui.say),
        Journal(out, again=retry) if out else nullcontext() as journal,
    ):
        entries = list(listed(on_event=ui, stdin_is_free=request.stdin == "auto"))
        if not entries:
            raise UsageError("there is nothing to ask about", "Name files, or pipe something in.")
        if journal is None:
            ui(Note("without --out this cannot go on where it was, should it be interrupted"))
        elif journal.torn:
            ui(Note(f"{journal.path}: the last record was torn; it is made again"))
        tally = run(
            entries,
            request,
            model,
            _workers(request, jobs, ray, ui),
            known=journal.done if journal else {},
            write=journal.append if journal else emit_line,
            show=ui,
        )
    seconds = perf_counter() - session.started
    say(_said(tally, seconds))
    if session.output == "json" and out is not None:
        emit_json({"out": str(out), **asdict(tally), "seconds": round(seconds, 3)})
    if tally.failed:
        session.printed = True
        raise SomeFailedError(tally.failed)


class SomeFailedError(GemcliError):
    """Some inputs failed; their records say why."""

    exit_code = 3

    def __init__(self, count: int) -> None:
        super().__init__(f"{counted(count, 'input')} failed; the records say why")


def _workers(request: Request, jobs: int, ray: str | None, show: Callable[[Event], None]) -> Workers:
    """Who answers: a cluster, another gemcli, or this process.

    Raises:
        UsageError: two of them at once.
    """
    from gemcli.batch.run import Threads

    if ray is not None:
        from gemcli.batch.cluster import Cluster

        if request.host is not None:
            raise UsageError("--ray and --host are two places to answer at: give one of them")
        return Cluster(request, ray, jobs)
    if request.host is not None:
        from gemcli.assistant import answer

        return Threads(request, lambda asked, cancelled: answer(asked, None, cancelled), jobs)
    from gemcli.many import Many

    return Threads(request, Many(request, show, slots=jobs, queue=2 * jobs).ask, jobs)


def _said(tally: Tally, seconds: float) -> str:
    parts = [f"{counted(tally.done, 'record')} in {seconds:,.0f} s"]
    parts += [f"{tally.failed:,} failed"] if tally.failed else []
    parts += [f"{tally.skipped:,} were done before"] if tally.skipped else []
    return ", ".join(parts)
