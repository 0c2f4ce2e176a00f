"""``gemcli bench …``: the figures that the README quotes, for anyone to repeat."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemcli.commands.bench_needle import needle
from gemcli.commands.bench_nll import nll
from gemcli.commands.bench_speed import speed
from gemcli.commands.flags import Flags, as_request, reporting
from gemcli.commands.session import begin

if TYPE_CHECKING:
    from gemcli.request import Request

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measure models on this machine.")


@app.callback()
def top() -> None:
    """Measure models on this machine."""


app.command()(speed)


@app.command()
@reporting(
    "model",
    "system",
    "pages",
    "no_cache",
    "quiet",
    "verbose",
    "context",
    "overflow",
    "max_tokens",
    "device",
    "offline",
)
def answers(
    ctx: typer.Context,
    flags: Flags,
    questions: Annotated[
        Path, typer.Argument(metavar="QUESTIONS.jsonl", help="A question with its files and answer a line.")
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder", metavar="DIR", help="Where the files are.  [default: beside QUESTIONS.jsonl]"
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw the figures.")] = None,
) -> None:
    """Count right answers to questions about files.

    A line of QUESTIONS.jsonl is {"files": ["a.pdf"], "question": "…", "expect": ["regex", …]}, right when
    the answer matches every expression whatever its case; or it has "absent": true, right when the answer
    says that it is not in the documents, and nothing else.
    """
    session = begin(ctx, flags)

    from functools import partial
    from time import perf_counter

    from gemcli.assistant import answer
    from gemcli.bench import answers as bench
    from gemcli.bench.plot import check_plot, draw_answers
    from gemcli.bench.table import answer_lines, answer_summary
    from gemcli.events import Progress
    from gemcli.hub.resolve import resolve
    from gemcli.loading import Loaded
    from gemcli.ui import emit_json, emit_table, emit_text, open_ui

    check_plot(plot)
    asked = bench.read_questions(questions, folder)
    rows: list[dict[str, Any]] = []

    def request(question: bench.Question) -> Request:
        return as_request(flags, question.text, question.files, started=perf_counter(), stdin_is_free=False)

    with open_ui(quiet=flags["quiet"], verbose=flags["verbose"]) as show:
        name = resolve(flags["model"], offline=flags["offline"], on_event=show).name
        began = perf_counter()
        show(Progress("measure", 0, len(asked), "questions", name))
        for row in bench.run(asked, partial(answer, loaded=Loaded()), request, show):
            rows.append(row)
            show(Progress("measure", len(rows), len(asked), "questions", name))
    said = bench.report(rows, model=name, seconds=perf_counter() - began)
    if plot:
        draw_answers(said, plot)
    if session.output != "text":
        emit_json(said)
        return
    emit_table(*answer_lines(rows), right=(3, 4))
    emit_text("\n".join(["", *answer_summary(said)]))


app.command()(needle)
app.command()(nll)
