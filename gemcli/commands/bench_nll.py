"""``gemcli bench nll``: how well a model predicts a long text, against how much of it it has read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemcli.bench import sizes
from gemcli.commands import options
from gemcli.commands.flags import Flags, reporting
from gemcli.commands.session import begin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from gemcli.events import Event
    from model.load import Model


class Peer(StrEnum):
    """Engines whose loss can stand beside ours."""

    LLAMA_CPP = "llama.cpp"
    TRANSFORMERS = "transformers"


@reporting("quiet", "verbose", "kv_bits", "attention", "device", "offline")
def nll(
    ctx: typer.Context,
    flags: Flags,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILES", help="The text to predict.  [default: Python's help]"),
    ] = None,
    model: options.Model = None,
    tokens: Annotated[
        str | None,
        typer.Option(
            "--tokens",
            metavar="N",
            callback=sizes.size,
            help="Tokens of the text, like 8K.  [default: what the window and the text have]",
        ),
    ] = None,
    windows: Annotated[
        int,
        typer.Option(
            "--windows",
            metavar="N",
            min=1,
            help="Read the text so often, from evenly spaced places on, and average.",
        ),
    ] = 1,
    peer: Annotated[
        list[Peer] | None,
        typer.Option(
            "--peer", metavar="llama.cpp|transformers", help="Its loss of the same tokens too. Repeatable."
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw the curve.")] = None,
) -> None:
    """Measure how well a model predicts a long text, by how much it has read of it.

    The average negative log-likelihood of the tokens up to each position, with the curve α·x^β + γ fitted to
    it.  With --windows each piece of the text stands at every position once, so that hard and easy passages
    weigh alike everywhere; --peer is measured on the first reading.
    """
    session = begin(ctx, flags)

    from gemcli.bench import nll as bench
    from gemcli.bench.haystack import haystack
    from gemcli.bench.loaded import check_reach, get_ready
    from gemcli.bench.nll_peer import peer_losses
    from gemcli.bench.plot import check_plot, draw_nll
    from gemcli.bench.speed import require
    from gemcli.errors import UsageError
    from gemcli.events import Progress, Warning
    from gemcli.hub.resolve import resolve
    from gemcli.ui import emit_json, emit_table, emit_text, open_ui
    from model.card import describe

    check_plot(plot)
    peers = [each.value for each in dict.fromkeys(peer or [])]
    require(peers)
    with open_ui(quiet=flags["quiet"], verbose=flags["verbose"]) as show:
        found = resolve(model, offline=flags["offline"], on_event=show)
        card = describe(found.path)
        tokenizer = card.tokenizer
        start = [tokenizer.bos_id] if tokenizer.add_bos and tokenizer.bos_id is not None else []
        wanted = sizes.read_size(tokens) if tokens else None
        # The last token is predicted, and never read.
        reach = len(start) + (wanted or 1) - 1
        how = check_reach(found.name, card, reach, flags["attention"], show)
        hay = haystack(tokenizer, files or [], show)
        ids = hay.once(wanted, card.window - len(start))
        if len(ids) < 2 or windows > len(ids):
            raise UsageError(f"{hay.name} has {len(ids):,} tokens, which is too short", "Name longer files.")
        read = bench.readings(ids, windows, start)
        loaded = get_ready(
            found.name,
            card,
            len(read[0]) - 1,
            flags["device"],
            show,
            attention=how,
            kv_bits=int(flags["kv_bits"]),
        )
        ours = _measure(loaded, read, found.name, show)
        said = bench.report(ours, model=found.name, text=hay.name) | {
            "attention": how,
            "kv_bits": int(flags["kv_bits"]),
        }
        if not said["falls"]:
            show(Warning("the curve does not fall everywhere: more --windows even out the text"))
        for number, each in enumerate(peers):
            show(Progress("measure", number, len(peers), "peers", each))
            theirs = peer_losses(each, found.path, read[0])
            said.setdefault("peers", {})[each] = bench.beside(ours[0], theirs)
        if plot:
            draw_nll(said, plot)
    if session.output != "text":
        emit_json(said)
        return
    emit_table(("position", "cumulative nll", "fit"), bench.lines(said), right=(0, 1, 2))
    emit_text("\n".join(["", *bench.summary(said)]))


def _measure(
    model: Model, readings: Sequence[Sequence[int]], name: str, show: Callable[[Event], Any]
) -> NDArray[np.float32]:
    """Losses f32 [readings, T] of all tokens but each reading's first."""
    import numpy as np

    from gemcli.events import Progress
    from model.engine.likelihood import losses

    total, rows = sum(len(each) - 1 for each in readings), []
    for each in readings:
        before = sum(map(len, rows))
        rows.append(
            losses(
                model.engine,
                each,
                lambda done, _, before=before: show(
                    Progress("measure", before + done, total, "tokens", name)
                ),
            )
        )
    return np.stack(rows)
