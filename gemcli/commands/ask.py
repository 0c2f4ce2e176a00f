"""``gemcli ask [QUESTION] [FILES…]``: a question, perhaps about files, answered on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from gemcli.commands.flags import Flags, as_request, files_of, shared
from gemcli.commands.follow import follow, warn
from gemcli.commands.preset import preset_of
from gemcli.commands.session import begin
from gemcli.errors import UsageError
from gemcli.events import Error, Event


@shared()
def ask(
    ctx: typer.Context,
    flags: Flags,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="QUESTION | FILES", hidden=True, show_default=False)
    ] = None,
) -> None:
    """Ask a question, about files or about nothing.

    FILES are paths, folders, patterns, and - for stdin; they may stand before or after the QUESTION.
    Without FILES, what is piped in is the document; without a QUESTION too, it is the question.
    `gemcli QUESTION FILES` is short for `gemcli ask QUESTION FILES`.

    The answer goes to stdout, all else to stderr.  Exit codes: 0 done, 1 runtime error, 2 usage, 3 an input
    cannot be read, 4 it does not fit, 5 model missing or damaged, 6 out of memory, 130 interrupted, 141 the
    reader of stdout went away.
    """
    session = begin(ctx, flags)

    from gemcli.assistant import answer
    from gemcli.hub.notes import notes_to
    from gemcli.ui import open_ui

    preset = preset_of(ctx)
    question, files = preset.split(arguments or ())
    files = files_of(flags, files)
    piped = question is None and not preset.asks
    if piped:
        question = _question_from_stdin(files)
    question = preset.question(question)
    request = as_request(flags, question, files, started=session.started, stdin_is_free=not piped)
    request = preset.upon(request, flags)
    verbose = flags["verbose"]
    with (
        open_ui(
            session.output or "text",
            raw=flags["raw"],
            quiet=flags["quiet"],
            verbose=verbose,
            usage=flags["usage"],
            data=request.schema is not None,
        ) as ui,
        notes_to(ui.say if verbose else None),
    ):
        session.printed = True  # from here on the last thing on stdout is the ui's to say

        def show(event: Event) -> None:
            session.told |= isinstance(event, Error)
            ui(event)

        follow(answer(request), show)


def _question_from_stdin(files: Sequence[str]) -> str:
    """What is piped in, when nothing else could be the question."""
    from gemcli.ingest.stdin import read_implied

    example = f'Ask one: gemcli ask "What is this about?" {files[0] if files else "report.pdf"}'
    if files:
        raise UsageError(f"{files[0]}: what do you want to know about it? There is no question", example)
    data = read_implied(warn)
    if data is None:
        raise UsageError("there is no question", example)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise UsageError("there is no question, and what is piped in is not text", example) from None
    if not text.strip():
        raise UsageError("there is no question: what is piped in is empty", example)
    return text
