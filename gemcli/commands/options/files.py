"""Flags of the files that are read, and of how."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from gemcli.commands.options.checks import bounded, listed, time
from gemcli.ingest.wants import PdfMode, Wants


def as_wants(
    pdf: PdfMode = "auto",
    start: str | None = None,
    end: str | None = None,
    fps: float | None = None,
    max_frames: int | None = None,
    no_audio: bool = False,
    archive: bool = False,
    offline: bool = False,
) -> Wants:
    """How files are to be read, from the flags of the same names, which the parser has checked."""
    first, last = (None if time is None else float(time) for time in (start, end))
    return Wants(pdf, first, last, fps, max_frames, not no_audio, archive, offline)


Attach = Annotated[
    list[str] | None,
    typer.Option(
        "-a",
        "--attach",
        metavar="FILE",
        callback=listed("GEMCLI_ATTACH", os.pathsep),
        help="A file to read; the same as naming it in FILES. Repeatable.",
    ),
]

FilesFrom = Annotated[
    str | None,
    typer.Option(
        "--files-from",
        metavar="FILE",
        envvar="GEMCLI_FILES_FROM",
        help="Read the names of files from FILE, one a line; - for stdin.",
    ),
]

Null = Annotated[
    bool,
    typer.Option("-0", "--null", envvar="GEMCLI_NULL", help="The names in --files-from end with NUL."),
]

Pages = Annotated[
    str | None,
    typer.Option(
        "--pages", metavar="RANGE", envvar="GEMCLI_PAGES", help="Pages of every PDF to read, like 3-9,12."
    ),
]

Pdf = Annotated[
    PdfMode,
    typer.Option(
        "--pdf",
        metavar="auto|text|images",
        envvar="GEMCLI_PDF",
        help="Pages of a PDF as their text, as images, or whichever says more.",
    ),
]

Start = Annotated[
    str | None,
    typer.Option(
        "--start",
        metavar="TIME",
        envvar="GEMCLI_START",
        callback=time,
        help="Where to begin in every recording and video: 90, 1:30, 1m30s.",
    ),
]

End = Annotated[
    str | None,
    typer.Option(
        "--end",
        metavar="TIME",
        envvar="GEMCLI_END",
        callback=time,
        help="Where to end in every recording and video.",
    ),
]

Fps = Annotated[
    float | None,
    typer.Option(
        "--fps",
        metavar="N",
        envvar="GEMCLI_FPS",
        callback=bounded(0, 60, above=True),
        help="Frames of a video to look at in each second.  [default: 1, fewer in a long one]",
    ),
]

MaxFrames = Annotated[
    int | None,
    typer.Option(
        "--max-frames",
        metavar="N",
        envvar="GEMCLI_MAX_FRAMES",
        callback=bounded(1),
        help="Frames of each video at most, evenly spread.",
    ),
]

NoAudio = Annotated[
    bool, typer.Option("--no-audio", envvar="GEMCLI_NO_AUDIO", help="Leave out the sound of videos.")
]

Ocr = Annotated[
    bool,
    typer.Option(
        "--ocr",
        envvar="GEMCLI_OCR",
        help="Read the text in pictures by OCR also where the model could see them.",
    ),
]

Archive = Annotated[
    bool,
    typer.Option("--archive", envvar="GEMCLI_ARCHIVE", help="Read the files inside zip and tar archives."),
]

NoCache = Annotated[
    bool,
    typer.Option(
        "--no-cache",
        envvar="GEMCLI_NO_CACHE",
        help="Keep nothing of the files on disk, and use nothing kept.",
    ),
]

KeepGoing = Annotated[
    bool,
    typer.Option(
        "--keep-going",
        envvar="GEMCLI_KEEP_GOING",
        help="Leave out files that cannot be read, with a warning.",
    ),
]
