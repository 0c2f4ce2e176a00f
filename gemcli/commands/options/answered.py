"""Flags of the answer: its shape, its length, how its words are chosen."""

from __future__ import annotations

from typing import Annotated

import typer

from gemcli.commands.options.checks import bounded, listed

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

MaxTokens = Annotated[
    int | None,
    typer.Option(
        "--max-tokens",
        metavar="N",
        envvar="GEMCLI_MAX_TOKENS",
        callback=bounded(1),
        help="Tokens of the answer at most.  [default: 2048, or what the window leaves]",
    ),
]

Temperature = Annotated[
    float,
    typer.Option(
        "--temperature",
        metavar="T",
        envvar="GEMCLI_TEMPERATURE",
        callback=bounded(0),
        help="0 takes the likeliest token always.",
    ),
]

TopK = Annotated[
    int,
    typer.Option(
        "--top-k",
        metavar="K",
        envvar="GEMCLI_TOP_K",
        callback=bounded(0),
        help="Choose among the K likeliest; 0: all.",
    ),
]

TopP = Annotated[
    float,
    typer.Option(
        "--top-p",
        metavar="P",
        envvar="GEMCLI_TOP_P",
        callback=bounded(0, 1, above=True),
        help="Choose among the likeliest that have this probability together.",
    ),
]

MinP = Annotated[
    float,
    typer.Option(
        "--min-p",
        metavar="P",
        envvar="GEMCLI_MIN_P",
        callback=bounded(0, 1),
        help="Leave out what is less likely than P times the likeliest.",
    ),
]

Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N",
        envvar="GEMCLI_SEED",
        callback=bounded(0),
        help="The same seed gives the same answer.",
    ),
]

Stop = Annotated[
    list[str] | None,
    typer.Option(
        "--stop",
        metavar="TEXT",
        callback=listed("GEMCLI_STOP", None),
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
