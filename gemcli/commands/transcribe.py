"""``gemcli transcribe FILES…``: what is said in recordings and videos, as text, subtitles or JSON."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer

from gemcli import worker
from gemcli.commands import options
from gemcli.commands.flags import Flags, files_of, reporting
from gemcli.commands.session import begin

Format = Literal["txt", "srt", "vtt", "json"]
Names = Literal["whisper-base", "whisper-tiny.en", "base", "tiny.en"]


@reporting("files_from", "null", "start", "end", "keep_going", "no_cache", "quiet", "verbose", "offline")
def transcribe(
    ctx: typer.Context,
    flags: Flags,
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", hidden=True, show_default=False)
    ] = None,
    form: Annotated[
        Format,
        typer.Option(
            "-f",
            "--format",
            metavar="txt|srt|vtt|json",
            envvar="GEMCLI_FORMAT",
            help="Plain text, subtitles, or JSON with times.",
        ),
    ] = "txt",
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE",
            envvar="GEMCLI_OUT",
            help="Write to this file, or into this folder a file for each input.",
        ),
    ] = None,
    model: Annotated[
        Names,
        typer.Option(
            "-m",
            "--model",
            metavar="whisper-base|whisper-tiny.en",
            envvar="GEMCLI_SPEECH_MODEL",
            help="whisper-tiny.en is a little faster and knows English only.",
        ),
    ] = "whisper-base",
    language: Annotated[
        str | None,
        typer.Option(
            "--language", metavar="CODE", envvar="GEMCLI_LANGUAGE", help="Such as de.  [default: heard]"
        ),
    ] = None,
) -> None:
    """Write down what is said in recordings and videos.

    FILES are as for ask.  Text and subtitles come as they are made; several FILES as text have a line with
    the name before each, several as subtitles go into a folder (--out).  An interrupted transcription goes on
    where it stopped.
    """
    session = begin(ctx, flags)
    if session.output != "text":
        form = "json"
    if form == "json" and out is None:
        session.output = "json"

    from gemcli.bridge.transcript import Task, sounds
    from gemcli.ui import emit_json, emit_text, open_ui

    names = files_of(flags, files or ())
    task = Task(
        names,
        "never" if flags["files_from"] == "-" else "auto",
        options.as_wants(start=flags["start"], end=flags["end"], offline=flags["offline"]),
        form,
        None if out is None else Path(out).expanduser(),
        flags["keep_going"],
    )

    def work(emit: worker.Emit) -> None:
        from gemcli.bridge.sound import Sound
        from gemcli.hub.resolve import resolve_speech
        from gemcli.keep import Keep

        name = resolve_speech(model, offline=flags["offline"], on_event=emit).name
        documents = task.read(emit)
        total = sum(part.seconds for each in documents for part in sounds(each))
        keep = Keep("speech", on=not flags["no_cache"])
        sound = Sound(
            keep, emit, total, offline=flags["offline"], model=name, language=language and language.lower()
        )
        sound.ready()
        task.run(documents, sound, emit)

    with (
        open_ui(raw=True, quiet=flags["quiet"], verbose=flags["verbose"]) as ui,
        closing(worker.stream(work)) as events,
    ):
        for event in events:
            ui(event)
    if form == "json" and out is None:
        emit_json({"schema_version": 1, "model": task.model, "files": task.rows})
    elif session.output != "text":
        emit_json({"schema_version": 1, "model": task.model, "written": [str(each) for each in task.written]})
    elif task.written:
        emit_text("\n".join(map(str, task.written)))
