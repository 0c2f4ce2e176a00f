"""``gemcli bench needle``: how much a model finds of what is hidden in a long text."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gemcli.bench import sizes
from gemcli.commands import options
from gemcli.commands.flags import Flags, reporting
from gemcli.commands.session import begin

if TYPE_CHECKING:
    from gemcli.bench.needle_text import Clip
    from model.load import Model


_SHOWN = 5  # missed needles


class NeedlePeer(StrEnum):
    """Engines that are asked the same prompts."""

    LLAMA_CPP = "llama.cpp"


@reporting("quiet", "verbose", "kv_bits", "attention", "seed", "device", "offline")
def needle(
    ctx: typer.Context,
    flags: Flags,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILES", help="The text to hide in.  [default: Python's help]"),
    ] = None,
    model: options.Model = None,
    lengths: Annotated[
        str | None,
        typer.Option(
            "--lengths",
            metavar="N,…",
            callback=sizes.sizes,
            help="Tokens of the prompts, like 4K,31K.  [default: 4K, 8K, … up to the window]",
        ),
    ] = None,
    depths: Annotated[
        str,
        typer.Option(
            "--depths", metavar="D,…", callback=sizes.shares, help="How far in the needle stands: 0 to 1."
        ),
    ] = "0.1,0.5,0.9",
    trials: Annotated[
        int, typer.Option("--trials", metavar="N", min=1, help="Needles at each length and depth.")
    ] = 1,
    kind: Annotated[
        Literal["single", "multi-key", "multi-value", "image", "audio"],
        typer.Option(
            "--kind",
            metavar="single|multi-key|multi-value|image|audio",
            help="One pass key; one of four keys; four values of one key; a number in a picture; words in a "
            "recording.",
        ),
    ] = "single",
    clip: Annotated[
        list[str] | None,
        typer.Option("--clip", metavar="FILE=WORDS", help="A recording, and words said in it. Repeatable."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume", metavar="FILE", help="Add every answer to FILE, and ask nothing that it has."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw the heat map.")
    ] = None,
    peer: Annotated[
        list[NeedlePeer] | None,
        typer.Option("--peer", metavar="llama.cpp", help="Ask it the same prompts too."),
    ] = None,
    through_cache: Annotated[
        bool,
        typer.Option(
            "--through-cache",
            help="Answer again from what is kept of each prompt on disk, and compare.",
        ),
    ] = False,
) -> None:
    """Hide pass keys in a long text and count how many a model finds.

    Every prompt has exactly so many tokens.  What prompts share is read once, so many depths and trials cost
    little more than one.  Several kinds and runs may share a --resume file.
    """
    session = begin(ctx, flags)

    from gemcli.bench import needle as bench
    from gemcli.bench.haystack import haystack
    from gemcli.bench.loaded import check_reach, get_ready, identity
    from gemcli.bench.needle_insert import check, inserter
    from gemcli.bench.needle_peer import peer_of
    from gemcli.bench.needle_prompt import Prompts
    from gemcli.bench.needle_reader import own_shelf, reader
    from gemcli.bench.needle_text import SENSES
    from gemcli.bench.plot import check_plot, draw_needle
    from gemcli.bench.resume import Rows
    from gemcli.bench.speed import require
    from gemcli.errors import UsageError
    from gemcli.events import Note, Progress
    from gemcli.hub.resolve import resolve
    from gemcli.ui import emit_json, emit_text, open_ui
    from gemcli.ui.heat import emit_heat
    from model.card import describe

    check_plot(plot)
    peers = [each.value for each in dict.fromkeys(peer or [])]
    require(peers)
    if peers and kind in SENSES:
        raise UsageError(f"--peer is asked about text, and --kind {kind} is none", "Leave one of them out.")
    clips = _clips(clip or [])
    with open_ui(quiet=flags["quiet"], verbose=flags["verbose"]) as show, ExitStack() as stack:
        found = resolve(model, offline=flags["offline"], on_event=show)
        card = describe(found.path)
        check(card, found.name, kind, clips)
        room = bench.ROOM[kind]
        given = sizes.read_sizes(lengths) if lengths else sizes.usual_sizes(card.window, room)
        longest = given[-1] + room
        how = check_reach(found.name, card, longest, flags["attention"], show)
        hay = haystack(card.tokenizer, files or [], show)
        loaded: list[Model] = []  # once something is to be read

        def ready() -> Model:
            if not loaded:
                shelf = stack.enter_context(own_shelf(through_cache, found.name))
                bits = int(flags["kv_bits"])
                loaded.append(
                    get_ready(
                        found.name,
                        card,
                        longest,
                        flags["device"],
                        show,
                        attention=how,
                        kv_bits=bits,
                        shelf=shelf,
                    )
                )
            return loaded[0]

        prompts = Prompts(card, hay, inserter(card, lambda: ready().senses, show))
        wanted = bench.trials(given, sizes.read_shares(depths), trials)
        about = {
            "model": identity(found.path),
            "text": hay.digest(given[-1]),
            "kind": kind,
            "seed": flags["seed"],
            "kv_bits": flags["kv_bits"],
            "attention": [how, None if how == "dense" else max(longest, card.window)],
            "through_cache": through_cache,
            "clips": [[each.said, identity(Path(each.path))] for each in clips],
            "peers": peers,
        }
        kept = Rows(resume, bench.fingerprint(about), bench.TRIAL) if resume else None
        rows = [row for row in kept.rows if bench.trial_of(row) in wanted] if kept else []
        done = {bench.trial_of(row) for row in rows}
        steps = bench.walk([each for each in wanted if each not in done], kind, flags["seed"], clips, prompts)
        if hay.size is not None and hay.size < given[-1]:
            show(Note(f"{hay.name} has {hay.size:,} tokens, and is repeated to fill {given[-1]:,}"))
        if done:
            show(Note(f"{len(done):,} of {len(wanted):,} answers are in {resume}"))
        if steps:
            read = reader(ready(), longest, room)
            for row in bench.run(
                steps,
                prompts,
                read,
                lambda done, total: show(Progress("measure", done, total, "tokens", found.name)),
                {name: stack.enter_context(peer_of(name, card, longest, room)) for name in peers},
            ):
                rows.append(row)
                if kept:
                    kept.add(row)
        rows.sort(key=lambda row: wanted.index(bench.trial_of(row)))
        cells = bench.cells(rows, wanted)
        said = {
            "model": found.name,
            "attention": how,
            "kind": kind,
            "kv_bits": int(flags["kv_bits"]),
            "text": hay.name,
            "cells": cells,
            "recall": bench.recall(cells),
            "answers": rows,
        }
        if through_cache:
            said["through_cache"] = bench.through_cache(rows)
        if peers:
            said["peers"] = bench.of_peers(rows)
        if plot:
            draw_needle(said, plot)
    if session.output != "text":
        emit_json(said)
        return
    by_place = {(each["length"], each["depth"]): (each["correct"], each["trials"]) for each in cells}
    deep = sorted({each.depth for each in wanted})
    emit_heat(
        "depth",
        [sizes.size_name(each) for each in given],
        [(f"{depth:g}", [by_place.get((length, depth)) for length in given]) for depth in deep],
    )
    emit_text("\n".join(["", *_summary(said)]))


def _summary(said: dict[str, Any]) -> list[str]:
    right, all_of_them = (sum(each[name] for each in said["cells"]) for name in ("correct", "trials"))
    seconds = sum(each["seconds"] for each in said["cells"])
    missed = [each for each in said["answers"] if not each["correct"]]
    lines = [
        f"missed at {sizes.size_name(each['length'])}, depth {each['depth']:g}: expected "
        f"{', '.join(each['expected'])}, got {' '.join(each['answer'].split())[:60]!r}"
        for each in missed[:_SHOWN]
    ]
    if len(missed) > _SHOWN:
        lines.append(f"and {len(missed) - _SHOWN:,} more (-o json has all)")
    if again := said.get("through_cache"):
        lines.append(
            f"through the cache: {again['identical']} of {again['trials']} answers are the same, "
            f"{again['correct']} right; {again['cached_tokens']:,} tokens were not computed again"
        )
    lines += [
        f"{name}, the same prompts: {each['correct']} of {each['trials']} right, {each['identical']} answers "
        f"the same, {each['seconds']:,.0f} s"
        for name, each in said.get("peers", {}).items()
    ]
    return [
        *lines,
        f"{said['model']}, {said['kind']}, {said['attention']} attention: {right} of {all_of_them} right, "
        f"{seconds:,.0f} s",
    ]


def _clips(given: Sequence[str]) -> tuple[Clip, ...]:
    """The recordings that were named.

    Raises:
        UsageError: one is not FILE=WORDS.
        InputError: there is no such file.
    """
    from gemcli.bench.needle_text import Clip
    from gemcli.errors import InputError, UsageError

    clips = []
    for each in given:
        path, equals, words = each.rpartition("=")
        if not equals or not path or not words.strip():
            raise UsageError(f"--clip {each!r} is not FILE=WORDS", "For example: --clip talk.wav=harbour")
        if not Path(path).is_file():
            raise InputError(f"there is no file {path}")
        clips.append(Clip(path, " ".join(words.split())))
    return tuple(clips)
