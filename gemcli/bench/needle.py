"""How often a model finds what is hidden in a long text: lengths × depths × trials.

What the prompts share is read once.  Trials are visited in the order of where their first needle stands, and
the text before it goes on from one to the next, also from a length to a longer one; so the tokens read are
those of the haystack up to the last needle, and of every prompt those behind its own.  With depths evenly
spread that is half of what reading every prompt alone would take, and each trial beyond the first costs what
stands behind its needle.  The seconds of a trial are those that it took in this order.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from gemcli.bench.needle_prompt import Layout, Prompts
from gemcli.bench.needle_text import Clip, Kind, Task, task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.prompt import Soft

ROOM: Mapping[Kind, int] = {"single": 32, "multi-key": 32, "multi-value": 64, "image": 32, "audio": 64}
"""Tokens of an answer at most."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says.

    Attributes:
        text: the answer.
        again: the answer from what was kept of the prompt on disk; None where nothing was kept.
        cached_tokens: of the prompt, which did not have to be computed again for it.
    """

    text: str
    again: str | None = None
    cached_tokens: int = 0


class Reader(Protocol):
    """A model that reads prompts, as `gemcli.bench.needle_reader` has it."""

    def __call__(
        self,
        ids: NDArray[np.int32],
        soft: Sequence[Soft],
        shared: int,
        marks: Sequence[int],
        tail: int,
        progress: Progress,
    ) -> Answer:
        """The answer to a prompt.

        Args:
            ids, soft: the prompt.
            shared: how many of its first tokens are those of the one before.
            marks: where later ones leave it.
            tail: where its question begins.
            progress: called with tokens read and to be read.
        """
        ...


Peer = Callable[["NDArray[np.int32]"], tuple[str, float]]
"""Prompt → another engine's answer, and the seconds that it took."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One prompt.

    Attributes:
        length: its tokens.
        depth: where the asked needle stands.
        number: counts the trials of a cell from 0.
    """

    length: int
    depth: float
    number: int


@dataclass(frozen=True, slots=True)
class Step:
    """A trial in the order of the walk.

    Attributes:
        trial, task, layout: what it is.
        shared: tokens that it takes over from the one before.
        marks: where later ones leave it.
    """

    trial: Trial
    task: Task
    layout: Layout
    shared: int
    marks: tuple[int, ...]

    @property
    def fresh(self) -> int:
        """Tokens that must be read for it."""
        return self.layout.length - self.shared


def trials(lengths: Sequence[int], depths: Sequence[float], count: int) -> list[Trial]:
    """All trials, cell by cell."""
    return [Trial(length, depth, number) for length in lengths for depth in depths for number in range(count)]


TRIAL = ("length", "depth", "trial")
"""What of a row of `run` tells its trial."""


def trial_of(row: Mapping[str, Any]) -> Trial:
    """The trial that a row of `run` is of."""
    return Trial(*(row[name] for name in TRIAL))


def walk(
    wanted: Sequence[Trial], kind: Kind, seed: int, clips: Sequence[Clip], prompts: Prompts
) -> list[Step]:
    """The trials in the order in which they share the most.

    Raises:
        UsageError: a length is too small for its question.
    """
    laid = []
    for each in wanted:
        asked = task(kind, each.length, each.depth, each.number, seed=seed, clips=clips)
        laid.append((each, asked, prompts.layout(asked, each.length)))
    laid.sort(key=lambda item: (item[2].branches, item[0].length))
    shared = [0, *(one[2].shares(other[2]) for one, other in pairwise(laid))]
    steps = []
    for number, (each, asked, layout) in enumerate(laid):
        marks, least = set(), layout.length
        for later in shared[number + 1 :]:
            least = min(least, later)
            if least <= shared[number]:
                break
            marks.add(least)
        steps.append(Step(each, asked, layout, shared[number], tuple(sorted(marks))))
    return steps


def run(
    steps: Sequence[Step],
    prompts: Prompts,
    read: Reader,
    progress: Progress,
    peers: Mapping[str, Peer] = MappingProxyType({}),
) -> Iterator[dict[str, Any]]:
    """Put every question; a row for each, as it is answered.

    Args:
        steps: from `walk`.
        prompts: the same as there.
        read: the model.
        progress: called with tokens read and to be read.
        peers: by name; asked after the model, with the same ids.
    """
    done, total = 0, sum(step.fresh for step in steps)
    for step in steps:
        ids, soft = prompts.build(step.layout)
        began = time.perf_counter()
        before = done
        answer = read(
            ids,
            soft,
            step.shared,
            step.marks,
            step.layout.length - len(step.layout.tail),
            lambda taken, _, before=before: progress(before + taken, total),
        )
        seconds = time.perf_counter() - began
        done += step.fresh
        progress(done, total)
        row = {
            "length": step.trial.length,
            "depth": step.trial.depth,
            "trial": step.trial.number,
            "expected": list(step.task.expect),
            "answer": answer.text,
            "correct": step.task.is_right(answer.text),
            "seconds": round(seconds, 3),
        }
        if answer.again is not None:
            row["through_cache"] = {
                "answer": answer.again,
                "correct": step.task.is_right(answer.again),
                "identical": answer.again == answer.text,
                "cached_tokens": answer.cached_tokens,
            }
        if peers:
            row["peers"] = {name: _beside(peer, ids, step.task, answer.text) for name, peer in peers.items()}
        yield row


def _beside(peer: Peer, ids: NDArray[np.int32], asked: Task, ours: str) -> dict[str, Any]:
    text, seconds = peer(ids)
    return {
        "answer": text,
        "correct": asked.is_right(text),
        "identical": text == ours,
        "seconds": round(seconds, 3),
    }


def cells(rows: Sequence[Mapping[str, Any]], wanted: Sequence[Trial]) -> list[dict[str, Any]]:
    """The contract's cells, in the order of the trials that were wanted."""
    by_cell: dict[tuple[int, float], list[Mapping[str, Any]]] = {
        (each.length, each.depth): [] for each in wanted
    }
    for each in rows:
        by_cell[each["length"], each["depth"]].append(each)
    return [
        {
            "length": length,
            "depth": depth,
            "trials": len(found),
            "correct": sum(each["correct"] for each in found),
            "seconds": round(sum(each["seconds"] for each in found), 3),
        }
        for (length, depth), found in by_cell.items()
    ]


def through_cache(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How the answers fared that were given again from what was kept on disk."""
    again = [each["through_cache"] for each in rows]
    return {"trials": len(again)} | {
        what: sum(each[what] for each in again) for what in ("correct", "identical", "cached_tokens")
    }


def of_peers(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """How other engines fared with the same prompts, by name."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        for name, said in row.get("peers", {}).items():
            found.setdefault(name, []).append(said)
    return {
        name: {
            "trials": len(said),
            "correct": sum(each["correct"] for each in said),
            "identical": sum(each["identical"] for each in said),
            "seconds": round(sum(each["seconds"] for each in said), 3),
        }
        for name, said in found.items()
    }


def recall(found: Sequence[Mapping[str, Any]]) -> float | None:
    """The part of all trials of these cells that were right; None of none."""
    count = sum(each["trials"] for each in found)
    return sum(each["correct"] for each in found) / count if count else None


def fingerprint(what: Mapping[str, Any]) -> str:
    """The same for two runs only if their answers would be the same."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
