"""Many clients of one engine at once beside one after another: what they gain; and no answer is mixed up.

A server that batches decodes the rows of many answers with one read of the weights, so that together they get
more tokens a second than one client alone (Orca, Yu et al., OSDI 2022).  Answers are greedy and must be the
same in both orders.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from gemcli.events import Event
    from gemcli.hub.resolve import Resolved
    from model.engine.engine import Engine

PROMPT = 64
"""Tokens of each client's own question."""


def prompts(ids: Sequence[int], clients: int) -> list[list[int]]:
    """A prompt of `PROMPT` tokens for each client, no two of the same place of a text.

    Args:
        ids: the text, at least ``clients * PROMPT`` tokens.
        clients: how many.
    """
    assert len(ids) >= clients * PROMPT, "the text is long enough"
    return [list(ids[at * PROMPT : (at + 1) * PROMPT]) for at in range(clients)]


def crowd(
    alone: Engine,
    together: Engine,
    asked: Sequence[Sequence[int]],
    tokens: int,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Ask everything one after another, then all at once.

    Args:
        alone: answers one prompt at a time.
        together: answers as many at once as there are prompts, as `model.engine.batching.Batcher`.
        asked: prompts.
        tokens: of every answer.
        report: told what was done.

    Returns:
        ``clients``, ``tokens_per_s`` of all of them together, ``alone_tokens_per_s`` of one, their ``ratio``,
        and how many answers were ``identical``.  Reading the prompts counts in both.
    """
    from model.sampling.sampler import Sampling

    def answer(engine: Engine, ids: Sequence[int]) -> list[int]:
        return list(engine.generate(ids, sampling=Sampling(), limit=tokens))

    def at_once() -> list[list[int]]:
        with ThreadPoolExecutor(len(asked)) as threads:
            return list(threads.map(lambda ids: answer(together, ids), asked))

    answer(alone, asked[0])  # compiles; not counted
    began = time.perf_counter()
    expected = []
    for number, ids in enumerate(asked, 1):
        expected.append(answer(alone, ids))
        report(f"client {number} alone")
    alone_s = time.perf_counter() - began
    at_once()  # compiles; not counted
    report("all at once, warm-up")
    began = time.perf_counter()
    said = at_once()
    together_s = time.perf_counter() - began
    report("all at once")
    written = len(asked) * tokens
    return {
        "clients": len(asked),
        "tokens_per_s": round(written / together_s, 2),
        "alone_tokens_per_s": round(written / alone_s, 2),
        "ratio": round(alone_s / together_s, 3),
        "identical": sum(one == other for one, other in zip(said, expected, strict=True)),
    }


def crowd_of(
    found: Resolved,
    clients: int,
    tokens: int,
    source: Path | None,
    device: str,
    show: Callable[[Event], None],
) -> dict[str, Any]:
    """`crowd` with a model that is loaded for it, and prompts made of a text.

    Args:
        found: the model.
        clients: how many.
        tokens: of every answer.
        source: a file with the text; None: `gemcli.bench.text.standing_text`.
        device: where to compute.
        show: gets progress.
    """
    from gemcli.bench.loaded import get_ready
    from gemcli.bench.text import prompt, text_of
    from gemcli.described import card_of
    from gemcli.events import Progress
    from model.engine.batching import batched

    card = card_of(found.path)
    asked = prompts(prompt(card.tokenizer, text_of(source), clients * PROMPT), clients)
    model = get_ready(found.name, card, PROMPT + tokens, device, show, attention="auto")
    together = batched(model, slots=clients, queue=clients)
    try:
        return crowd(
            model.engine,
            together.engine,
            asked,
            tokens,
            lambda step: show(Progress("measure", 0, None, "steps", f"{found.name}, {step}")),
        )
    finally:
        together.engine.close()  # type: ignore[attr-defined]
