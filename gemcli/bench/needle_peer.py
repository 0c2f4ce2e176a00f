"""Another engine asked the same prompts, in a process of its own: a miss of its own is no fault of ours.

Run as ``python -m gemcli.bench.needle_peer ENGINE MODEL CONTEXT``.  It writes a line of JSON when it is
ready, then ``{"said": […]}`` for each line ``{"ids": […], "tokens": n, "stop": […]}``, until stdin ends.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from gemcli.bench.engines import threads
from gemcli.bench.needle import Peer
from gemcli.bench.process import Child, module_command
from gemcli.bench.replies import open_replies

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.card import ModelCard

Continue = Callable[[Sequence[int], int, Sequence[int]], list[int]]
"""Prompt, most tokens, and those that end an answer → the likeliest tokens."""


def llama_cpp(path: Path, context: int) -> Continue:
    """By llama.cpp; what a prompt shares with the one before is not read again."""
    import llama_cpp as api  # pyright: ignore[reportMissingImports]

    model = api.Llama(
        str(path), n_ctx=context, n_threads=threads(), n_threads_batch=threads(), flash_attn=True,
        swa_full=True, verbose=False,
    )  # fmt: skip

    def answer(ids: Sequence[int], tokens: int, stop: Sequence[int]) -> list[int]:
        said: list[int] = []
        for token in islice(model.generate(list(ids), temp=0.0, repeat_penalty=1.0), tokens):
            if token in stop:
                break
            said.append(token)
        return said

    return answer


PEERS: Mapping[str, Callable[[Path, int], Continue]] = {"llama.cpp": llama_cpp}


@contextmanager
def peer_of(engine: str, card: ModelCard, context: int, room: int) -> Iterator[Peer]:
    """A peer with the model, which ends with the block.

    Args:
        engine: one of `PEERS`.
        card: the model.
        context: tokens of the longest prompt with its answer.
        room: tokens of an answer at most.

    Raises:
        GemcliError, OutOfMemoryError: it failed, also in an answer.
    """
    tokenizer = card.tokenizer
    command = module_command("gemcli.bench.needle_peer", engine, str(card.path), str(context))
    with Child(engine, command) as child:

        def answer(ids: NDArray[np.int32]) -> tuple[str, float]:
            began = time.perf_counter()
            reply = child.ask(ids=ids.tolist(), tokens=room, stop=sorted(tokenizer.eog_ids))
            return tokenizer.decode(reply["said"]), time.perf_counter() - began

        yield answer


def main(engine: str, path: str, context: str) -> None:
    """Load, then answer until stdin ends."""
    replies = open_replies()
    answer = PEERS[engine](Path(path), int(context))
    print(json.dumps({}), file=replies, flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        said = answer(wanted["ids"], wanted["tokens"], wanted["stop"])
        print(json.dumps({"said": said}), file=replies, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
