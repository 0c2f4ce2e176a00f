"""``gemcli bench speed``: prefill, decoding, memory and start-up, beside other engines."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemcli.bench import sizes
from gemcli.commands.bench_nll import Peer
from gemcli.commands.flags import Flags, reporting
from gemcli.commands.session import begin

if TYPE_CHECKING:
    from gemcli.bench.ceiling import Ceiling
    from gemcli.bench.speed import Match, Result
    from gemcli.events import Event
    from gemcli.hub.resolve import Resolved
    from model.card import ModelCard


@reporting("quiet", "verbose", "attention", "device", "offline")
def speed(
    ctx: typer.Context,
    flags: Flags,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="MODEL",
            help="A name from `gemcli models list`, a GGUF file, or hf:OWNER/REPO[:QUANT]. Repeatable.",
        ),
    ] = None,
    peer: Annotated[
        list[Peer] | None,
        typer.Option("--peer", metavar="llama.cpp|transformers", help="Measure it too. Repeatable."),
    ] = None,
    prompt_tokens: Annotated[
        str,
        typer.Option(
            "--prompt-tokens",
            metavar="N,…",
            callback=sizes.sizes,
            help="Lengths of the prompt, like 2048 or 4K,8K,32K.",
        ),
    ] = "2K",
    tokens: Annotated[
        int, typer.Option("--tokens", metavar="N", min=2, help="Tokens to write after it.")
    ] = 32,
    runs: Annotated[
        int, typer.Option("--runs", metavar="N", min=1, help="Runs of each engine, in turn with the others.")
    ] = 5,
    clients: Annotated[
        int | None,
        typer.Option(
            "--clients", metavar="N", min=2, max=256, help="Answer so many at once too, beside one by one."
        ),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            "--text", metavar="FILE", help="UTF-8 text to make the prompt of.  [default: Python's help]"
        ),
    ] = None,
    speculate: Annotated[
        bool,
        typer.Option(
            "--speculate",
            help="Answer some questions with and without looking ahead too: quotes, summaries, code, prose.",
        ),
    ] = False,
    draft_model: Annotated[
        str | None, typer.Option("--draft-model", metavar="MODEL", help="The same with this draft model too.")
    ] = None,
    start: Annotated[
        bool,
        typer.Option(
            "--start",
            help="Time whole commands too: the help, and a second question about a text of the longest "
            "--prompt-tokens, alone and through a server.",
        ),
    ] = False,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw the figures.")] = None,
) -> None:
    """Measure prefill, decoding and memory, beside other engines in the same run.

    All engines get the same file, prompt, threads and room.  Prefill ends when the first token is known, and
    the figures are medians.  GFLOP/s counts the arithmetic that the prompt needs, GB/s the bytes of the file
    and of 16-bit keys and values that each token needs; "of best" compares them with a matrix product and a
    read of memory, measured first.  With three lengths or more it is told how well the time grows as the
    arithmetic does.  A prompt beyond 32K is not read once before it counts, as others are: decoding includes
    compiling in its first run.
    """
    session = begin(ctx, flags)

    from gemcli.bench import speed as bench
    from gemcli.bench import table
    from gemcli.bench.ceiling import ceiling
    from gemcli.bench.crowd import crowd_of
    from gemcli.bench.engines import OURS
    from gemcli.bench.loaded import check_reach
    from gemcli.bench.plot import check_plot, draw_speed
    from gemcli.bench.speculation import WRITTEN
    from gemcli.described import card_of
    from gemcli.events import Progress, Warning
    from gemcli.hub.resolve import resolve
    from gemcli.ui import emit_json, emit_table, emit_text, open_ui

    check_plot(plot)
    peers = [each.value for each in dict.fromkeys(peer or [])]
    bench.require(peers)
    engines = [OURS, *peers]
    specs = model or [os.environ.get("GEMCLI_MODEL") or None]
    rows: list[dict[str, Any]] = []
    crowds: dict[str, dict[str, Any]] = {}
    with open_ui(quiet=flags["quiet"], verbose=flags["verbose"]) as show:
        found = [resolve(spec, offline=flags["offline"], on_event=show) for spec in dict.fromkeys(specs)]
        lengths = sizes.read_sizes(prompt_tokens)
        cards = [card_of(each.path) for each in found]
        longest = lengths[-1] + tokens
        ways = [
            check_reach(each.name, card, longest, flags["attention"], show)
            for each, card in zip(found, cards, strict=True)
        ]
        matches = [
            (each, way, match)
            for each, card, way in zip(found, cards, ways, strict=True)
            for match in _matches(each.name, card, text, lengths, tokens, runs)
        ]
        total = 1 + sum(match.steps(len(engines)) for *_, match in matches)
        show(Progress("measure", 0, total, "steps", "this machine"))
        best = ceiling(flags["device"])
        done = 1
        show(Progress("measure", done, total, "steps", "this machine"))
        for each, way, match in matches:

            def report(engine: str, step: str, match: Match = match) -> None:
                nonlocal done
                done += 1
                show(Progress("measure", done, total, "steps", f"{match.model}, {engine}, {step}"))

            results = bench.compare(
                match, engines, bench.starter(each.path, match.context, flags["device"], way), report
            )
            rows += _rows(each.path, match, results, best)
            for doubt in bench.doubts(match, results):
                show(Warning(doubt))
        if clients:
            for each in found:
                crowds[each.name] = crowd_of(each, clients, tokens, text, flags["device"], show)
        drafts = {
            each.name: _speculation(each, draft_model, flags, max(tokens, WRITTEN), runs, text, show)
            for each in (found if speculate or draft_model else ())
        }
        started = {
            each.name: _starts(each, card, lengths[-1], flags, runs, text, show)
            for each, card in (zip(found, cards, strict=True) if start else ())
        }
    said = {
        "machine": bench.machine(engines, best, flags["device"]),
        "rows": rows,
        "ratios": bench.ratios(rows),
        "growth": bench.growth(rows),
    }
    if clients:
        said["clients"] = crowds
    if drafts:
        said["speculation"] = drafts
    if started:
        said["start"] = started
    if plot:
        draw_speed(said, plot)
    if session.output != "text":
        emit_json(said)
        return
    emit_table(table.HEADER, table.lines(rows), right=table.NUMBERS)
    emit_text("\n".join(["", *table.summary(said)]))
    if drafts:
        emit_text("")
        emit_table(table.DRAFTS_HEADER, table.drafts_lines(drafts), right=table.DRAFTS_NUMBERS)
    if started:
        emit_text("")
        emit_table(table.STARTS_HEADER, table.starts_lines(started), right=table.STARTS_NUMBERS)


def _matches(
    name: str, card: ModelCard, source: Path | None, lengths: Sequence[int], tokens: int, runs: int
) -> list[Match]:
    """What is measured of a model; raises before anything is, where a prompt cannot be had."""
    from gemcli.bench.speed import Match
    from gemcli.bench.text import prompt, text_of

    ids = prompt(card.tokenizer, text_of(source), lengths[-1])
    return [Match(name, ids[:length], tokens, runs) for length in lengths]


def _speculation(
    found: Resolved,
    draft: str | None,
    flags: Flags,
    tokens: int,
    runs: int,
    source: Path | None,
    show: Callable[[Event], None],
) -> list[dict[str, Any]]:
    """See `gemcli.bench.speculation.compare`."""
    from gemcli.bench.speculation import compare
    from gemcli.bench.text import text_of
    from gemcli.request import Request

    base = Request(
        "",
        model=str(found.path),
        max_tokens=tokens,
        device=flags["device"],
        offline=flags["offline"],
        attention=flags["attention"],
        log=False,
    )
    return compare(base, text_of(source), draft, runs, _telling(found.name, "steps", show))


def _rows(path: Path, match: Match, results: Sequence[Result], best: Ceiling) -> list[dict[str, Any]]:
    from gemcli.bench import floors
    from gemcli.bench.speed import row
    from gemcli.described import card_of

    config = card_of(path).config
    flops = floors.prompt_flops(config, len(match.ids))
    read = floors.decode_bytes(config, floors.weights_bytes(path, config), match.context)
    return [row(match, result, flops, read, best) for result in results]


def _starts(
    found: Resolved,
    card: ModelCard,
    length: int,
    flags: Flags,
    runs: int,
    source: Path | None,
    show: Callable[[Event], None],
) -> list[dict[str, Any]]:
    """See `gemcli.bench.start.starts`."""
    from gemcli.bench.start import starts
    from gemcli.bench.text import prompt, text_of

    document = card.tokenizer.decode(prompt(card.tokenizer, text_of(source), length))
    told = _telling(found.name, "commands", show)
    return starts(found.path, document, runs, flags["device"], flags["attention"], told)


def _telling(model: str, unit: str, show: Callable[[Event], None]) -> Callable[[str], None]:
    """Shows what comes next, where nobody knows how much there is of it."""
    from gemcli.events import Progress

    return lambda what: show(Progress("measure", 0, None, unit, f"{model}, {what}"))
