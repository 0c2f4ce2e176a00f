"""``gemcli ask [QUESTION] [FILES…]``: a question, perhaps about files, answered on stdout."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from typing import Annotated

import typer

from gemcli.commands import options
from gemcli.commands.session import begin
from gemcli.errors import UsageError
from gemcli.events import Error, Event, Note, Warning


def ask(
    ctx: typer.Context,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="QUESTION | FILES", hidden=True, show_default=False)
    ] = None,
    model: options.Model = None,
    system: options.System = None,
    attach: options.Attach = None,
    files_from: options.FilesFrom = None,
    null: options.Null = False,
    pages: options.Pages = None,
    pdf: options.Pdf = "auto",
    start: options.Start = None,
    end: options.End = None,
    fps: options.Fps = None,
    max_frames: options.MaxFrames = None,
    no_audio: options.NoAudio = False,
    ocr: options.Ocr = False,
    archive: options.Archive = False,
    keep_going: options.KeepGoing = False,
    no_cache: options.NoCache = False,
    output_format: options.OutputFormat = "text",
    json: options.Json = False,
    raw: options.Raw = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    usage: options.Usage = False,
    context: options.Context = None,
    overflow: options.Overflow = "auto",
    image_tokens: options.ImageTokens = None,
    kv_bits: options.KvBits = "16",
    max_tokens: options.MaxTokens = None,
    temperature: options.Temperature = 0.0,
    top_k: options.TopK = 0,
    top_p: options.TopP = 1.0,
    min_p: options.MinP = 0.0,
    seed: options.Seed = 0,
    stop: options.Stop = None,
    think: options.Think = False,
    device: options.Device = "auto",
    offline: options.Offline = False,
    debug: options.Debug = False,
) -> None:
    """Ask a question, about files or about nothing.

    FILES are paths, folders, patterns, and - for stdin; they may stand before or after the QUESTION.
    Without FILES, what is piped in is the document; without a QUESTION too, it is the question.
    `gemcli QUESTION FILES` is short for `gemcli ask QUESTION FILES`.

    The answer goes to stdout, all else to stderr.  Exit codes: 0 done, 1 runtime error, 2 usage, 3 an input
    cannot be read, 4 it does not fit, 5 model missing or damaged, 6 out of memory, 130 interrupted, 141 the
    reader of stdout went away.
    """
    session = begin(ctx, output_format, json, debug)

    from gemcli.assistant import answer
    from gemcli.hub.notes import notes_to
    from gemcli.ingest.arguments import split_question
    from gemcli.ingest.file_list import read_list
    from gemcli.request import Request
    from gemcli.ui import open_ui

    question, files = split_question(arguments or ())
    files += attach or []
    if files_from:
        files += read_list(files_from, nul=null, on_event=warn)
    if "" in (stop or ()):
        raise UsageError("--stop needs a text: an empty one would end every answer before it begins")
    piped = question is None
    if question is None:
        question = _question_from_stdin(files)
    request = Request(
        question=as_text(question),
        files=tuple(files),
        stdin="never" if piped or files_from == "-" else "auto",
        model=model,
        system=None if system is None else as_text(system),
        pages=pages,
        wants=options.as_wants(pdf, start, end, fps, max_frames, no_audio, archive, offline),
        ocr=ocr,
        keep_going=keep_going,
        keep=not no_cache,
        context=context,
        overflow=overflow,
        image_tokens=image_tokens,
        max_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        seed=seed,
        stop=tuple(map(as_text, stop or ())),
        kv_bits=int(kv_bits),
        think=think,
        device=device,
        offline=offline,
        started=session.started,
    )
    with (
        open_ui("json" if json else output_format, raw=raw, quiet=quiet, verbose=verbose, usage=usage) as ui,
        notes_to(ui.say if verbose else None),
    ):
        session.printed = True  # from here on the last thing on stdout is the ui's to say

        def show(event: Event) -> None:
            session.told |= isinstance(event, Error)
            ui(event)

        follow(answer(request), show)


def as_text(argument: str) -> str:
    """An argument whose bytes are no text in the terminal's encoding, with a mark for each such byte."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def follow(events: Generator[Event], show: Callable[[Event], None]) -> None:
    """Show every event; an interrupt is passed on to the work, and its last events are shown too."""
    with closing(events):
        try:
            for event in events:
                show(event)
        except KeyboardInterrupt as interrupt:
            with suppress(StopIteration, KeyboardInterrupt):
                event = events.throw(interrupt)
                while True:
                    show(event)
                    event = next(events)
            raise


def warn(event: Event) -> None:
    """Show a note or a warning that comes before the ui is open."""
    from gemcli.ui import say, show_warning

    if isinstance(event, Note):
        say(event.message)
    elif isinstance(event, Warning):
        show_warning(event.message)


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
