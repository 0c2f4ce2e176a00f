"""Flags of how the model computes: where, in how much memory, what happens where that is too little."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from gemcli.commands.options.checks import bounded

Context = Annotated[
    int | None,
    typer.Option(
        "--context",
        metavar="N",
        envvar="GEMCLI_CONTEXT",
        callback=bounded(16),
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
        callback=bounded(1),
        help="How closely each picture is looked at by a model that has the choice, in tokens: 70, 140, 280, "
        "560, 1120.",
    ),
]

KvBits = Annotated[
    Literal["16", "8"],
    typer.Option(
        "--kv-bits",
        metavar="16|8",
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

DraftModel = Annotated[
    str | None,
    typer.Option(
        "--draft-model",
        metavar="MODEL",
        envvar="GEMCLI_DRAFT_MODEL",
        help="A smaller model with the same vocabulary, which says beforehand what this one then only "
        "checks. The answer is the same without.",
    ),
]

NoSpeculate = Annotated[
    bool,
    typer.Option(
        "--no-speculate",
        envvar="GEMCLI_NO_SPECULATE",
        help="Compute every token by itself, also where the answer repeats the documents. It is the same.",
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
