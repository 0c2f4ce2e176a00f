"""Flags of what is asked: the model, the instruction, the conversation that goes on."""

from __future__ import annotations

from typing import Annotated

import typer

from gemcli.commands.options.checks import listed

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
        callback=listed("GEMCLI_PARAM", None),
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
        callback=listed("GEMCLI_EXAMPLE", None),
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
