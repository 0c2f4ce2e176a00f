"""Flags of what is shown of an answer, and how."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

Format = Literal["text", "json", "stream-json"]

Report = Format  # of a command that gives no answer: its one object is a stream of one line

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

Debug = Annotated[
    bool, typer.Option("--debug", envvar="GEMCLI_DEBUG", help="Show a traceback when something fails.")
]
