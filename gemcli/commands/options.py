"""The flags that several commands share: each with its variable, its key in the config file, its bounds.

A flag wins over its ``GEMCLI_*`` variable, that over the key of the same name in the configuration file.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Annotated, Literal

import typer

from gemcli.ingest.wants import PdfMode, Wants

Format = Literal["text", "json", "stream-json"]
Report = Format  # of a command that gives no answer: its one object is a stream of one line

LISTED: list[str] = []
"""Names of the parameters whose variable `_listed` reads."""


def _bounded(
    low: float, high: float = math.inf, *, above: bool = False
) -> Callable[[float | None], float | None]:
    """A check that a number lies in low … high; `above` leaves `low` itself out."""

    def check(value: float | None) -> float | None:
        inside = value is None or ((low < value if above else low <= value) and value <= high)
        if inside and value != math.inf:
            return value
        least = f"above {low:g}" if above else f"{low:g} or more"
        most = "" if high == math.inf else f" and {high:g} at most"
        raise typer.BadParameter(f"{value:g} is out of range: it must be {least}{most}")

    return check


def _listed(variable: str, separator: str | None) -> Callable[[typer.Context, list[str] | None], list[str]]:
    """A repeatable flag whose variable holds one value, or several joined by `separator`.

    Splitting at white space, the parser's own habit, would break values that hold some.
    """

    name = variable.removeprefix("GEMCLI_").lower()
    LISTED.append(name)

    def read(ctx: typer.Context, value: list[str] | None) -> list[str]:
        given = os.environ.get(variable)
        source = ctx.get_parameter_source(name)
        if given and (source is None or source.name != "COMMANDLINE"):
            return given.split(separator) if separator else [given]
        return value or []

    return read


def _time(value: str | None) -> str | None:
    """A check that a value is a time."""
    from gemcli.ingest.times import seconds

    try:
        return value if value is None else str(seconds(value))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


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


Model = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        metavar="MODEL",
        envvar="GEMCLI_MODEL",
        help="A name from `gemcli models list`, a GGUF file, a folder of safetensors, or "
        "hf:OWNER/REPO[:QUANT].",
    ),
]
System = Annotated[
    str | None,
    typer.Option(
        "-s",
        "--system",
        metavar="TEXT",
        envvar="GEMCLI_SYSTEM",
        help="The instruction to the model; '' for none.",
    ),
]
Template = Annotated[
    str | None,
    typer.Option(
        "-t",
        "--template",
        metavar="TEMPLATE",
        envvar="GEMCLI_TEMPLATE",
        help="A question that is written already: a name from `gemcli templates list`, or a YAML file.",
    ),
]
Param = Annotated[
    list[str] | None,
    typer.Option(
        "-p",
        "--param",
        metavar="NAME=VALUE",
        callback=_listed("GEMCLI_PARAM", None),
        help="What a blank of the template is filled with. Repeatable.",
    ),
]
Continue = Annotated[
    bool,
    typer.Option(
        "-c", "--continue", envvar="GEMCLI_CONTINUE", help="Go on with the conversation that is the newest."
    ),
]
Cid = Annotated[
    str | None,
    typer.Option(
        "--cid",
        metavar="CONVERSATION",
        envvar="GEMCLI_CID",
        help="Go on with this conversation: an id of `gemcli history list`, or its beginning or end.",
    ),
]
Example = Annotated[
    list[str] | None,
    typer.Option(
        "--example",
        metavar="FILE=ANSWER",
        callback=_listed("GEMCLI_EXAMPLE", None),
        help="Show the model what to answer to the same question about FILE. Repeatable.",
    ),
]
NoLog = Annotated[
    bool, typer.Option("--no-log", envvar="GEMCLI_NO_LOG", help="Leave this out of the history.")
]
Private = Annotated[
    bool,
    typer.Option(
        "--private",
        envvar="GEMCLI_PRIVATE",
        help="Leave nothing on disk: no history, no cache, no temporary file.",
    ),
]
Attach = Annotated[
    list[str] | None,
    typer.Option(
        "-a",
        "--attach",
        metavar="FILE",
        callback=_listed("GEMCLI_ATTACH", os.pathsep),
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
        callback=_time,
        help="Where to begin in every recording and video: 90, 1:30, 1m30s.",
    ),
]
End = Annotated[
    str | None,
    typer.Option(
        "--end",
        metavar="TIME",
        envvar="GEMCLI_END",
        callback=_time,
        help="Where to end in every recording and video.",
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(
        "--fps",
        metavar="N",
        envvar="GEMCLI_FPS",
        callback=_bounded(0, 60, above=True),
        help="Frames of a video to look at in each second.  [default: 1, fewer in a long one]",
    ),
]
MaxFrames = Annotated[
    int | None,
    typer.Option(
        "--max-frames",
        metavar="N",
        envvar="GEMCLI_MAX_FRAMES",
        callback=_bounded(1),
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
OutputFormat = Annotated[
    Format,
    typer.Option(
        "-o",
        "--output-format",
        metavar="text|json|stream-json",
        envvar="GEMCLI_OUTPUT_FORMAT",
        help="Text, one JSON object, or a JSON line for each event.",
    ),
]
ReportFormat = Annotated[
    Report,
    typer.Option(
        "-o",
        "--output-format",
        metavar="text|json",
        envvar="GEMCLI_OUTPUT_FORMAT",
        callback=lambda value: "text" if value == "text" else "json",
        help="Text, or one JSON object.",
    ),
]
Json = Annotated[bool, typer.Option("--json", envvar="GEMCLI_JSON", help="The same as -o json.")]
Raw = Annotated[
    bool,
    typer.Option(
        "--raw", envvar="GEMCLI_RAW", help="Print the answer as it comes, without rendering markdown."
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", envvar="GEMCLI_QUIET", help="Show no progress.")]
Verbose = Annotated[
    int,
    typer.Option(
        "-v",
        "--verbose",
        count=True,
        show_default=False,
        envvar="GEMCLI_VERBOSE",
        help="Show progress also where stderr is no terminal.",
    ),
]
Usage = Annotated[
    bool, typer.Option("-u", "--usage", envvar="GEMCLI_USAGE", help="Say at the end what the answer took.")
]
Schema = Annotated[
    str | None,
    typer.Option(
        "--schema",
        metavar="FILE|JSON|SHORT",
        envvar="GEMCLI_SCHEMA",
        help="Answer with JSON that satisfies a JSON Schema, or a short form of one: "
        "'name, age int, tags [str], people [name: in full, role admin|guest]'.",
    ),
]
Cite = Annotated[
    bool,
    typer.Option(
        "--cite",
        envvar="GEMCLI_CITE",
        help="Quote the sentences of the documents that the answer is from, each checked against its source.",
    ),
]
CiteStrict = Annotated[
    bool,
    typer.Option(
        "--cite-strict",
        envvar="GEMCLI_CITE_STRICT",
        help="The same, and exit with 8 where a citation cannot be verified.",
    ),
]
Context = Annotated[
    int | None,
    typer.Option(
        "--context",
        metavar="N",
        envvar="GEMCLI_CONTEXT",
        callback=_bounded(16),
        help="Tokens of prompt and answer together at most.  [default: the model's window]",
    ),
]
Overflow = Annotated[
    Literal["auto", "error", "select", "map", "head", "tail"],
    typer.Option(
        "--overflow",
        metavar="auto|error|select|map|head|tail",
        envvar="GEMCLI_OVERFLOW",
        help="With more than the model's window takes: read the passages that matter (auto, select), stop "
        "with exit code 4 (error), read everything window by window (map), or only the beginning or the end.",
    ),
]
ImageTokens = Annotated[
    int | None,
    typer.Option(
        "--image-tokens",
        metavar="N",
        envvar="GEMCLI_IMAGE_TOKENS",
        callback=_bounded(1),
        help="How closely each picture is looked at by a model that has the choice, in tokens: 70, 140, 280, "
        "560, 1120.",
    ),
]
KvBits = Annotated[
    Literal["16"],
    typer.Option(
        "--kv-bits",
        metavar="16",
        envvar="GEMCLI_KV_BITS",
        help="Bits of a value in the model's memory of the text.",
    ),
]
Attention = Annotated[
    Literal["auto", "dense", "extended", "sparse"],
    typer.Option(
        "--attention",
        metavar="HOW",
        envvar="GEMCLI_ATTENTION",
        help="How text beyond what the model was trained for (--context) is read: all (dense, extended) "
        "or what matters of it (sparse).",
    ),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(
        "--max-tokens",
        metavar="N",
        envvar="GEMCLI_MAX_TOKENS",
        callback=_bounded(1),
        help="Tokens of the answer at most.  [default: 2048, or what the window leaves]",
    ),
]
Temperature = Annotated[
    float,
    typer.Option(
        "--temperature",
        metavar="T",
        envvar="GEMCLI_TEMPERATURE",
        callback=_bounded(0),
        help="0 takes the likeliest token always.",
    ),
]
TopK = Annotated[
    int,
    typer.Option(
        "--top-k",
        metavar="K",
        envvar="GEMCLI_TOP_K",
        callback=_bounded(0),
        help="Choose among the K likeliest; 0: all.",
    ),
]
TopP = Annotated[
    float,
    typer.Option(
        "--top-p",
        metavar="P",
        envvar="GEMCLI_TOP_P",
        callback=_bounded(0, 1, above=True),
        help="Choose among the likeliest that have this probability together.",
    ),
]
MinP = Annotated[
    float,
    typer.Option(
        "--min-p",
        metavar="P",
        envvar="GEMCLI_MIN_P",
        callback=_bounded(0, 1),
        help="Leave out what is less likely than P times the likeliest.",
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N",
        envvar="GEMCLI_SEED",
        callback=_bounded(0),
        help="The same seed gives the same answer.",
    ),
]
Stop = Annotated[
    list[str] | None,
    typer.Option(
        "--stop",
        metavar="TEXT",
        callback=_listed("GEMCLI_STOP", None),
        help="End the answer before this text. Repeatable.",
    ),
]
Think = Annotated[
    bool,
    typer.Option(
        "--think",
        envvar="GEMCLI_THINK",
        help="Let the model think before it answers, where it can, and show its thoughts: faint on the "
        "terminal, otherwise on stderr. Hidden without this flag, and never part of the answer.",
    ),
]
Device = Annotated[
    Literal["auto", "cpu", "gpu", "tpu"],
    typer.Option("--device", metavar="auto|cpu|gpu|tpu", envvar="GEMCLI_DEVICE", help="Where to compute."),
]
Host = Annotated[
    str | None,
    typer.Option(
        "--host",
        metavar="URL|SOCKET",
        envvar="GEMCLI_HOST",
        help="Let another gemcli answer, where `gemcli serve` runs; files are sent to it. none: ask not even "
        "the one of `gemcli serve --keep-alive` on this machine.",
    ),
]
Offline = Annotated[bool, typer.Option("--offline", envvar="GEMCLI_OFFLINE", help="Never use the network.")]
Debug = Annotated[
    bool, typer.Option("--debug", envvar="GEMCLI_DEBUG", help="Show a traceback when something fails.")
]
