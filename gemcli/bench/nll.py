"""How well a model predicts a long text, against how much of it the model has read.

A single reading says more about the text than about the model: some passages are harder than others, and each
stands at one position only.  So the text is read several times, each time beginning at another of as many
evenly spaced places and going on, behind its end, with its beginning.  Then every piece has stood at every
position once, and what is left in the average over the readings is the effect of what stood before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gemcli.bench.power_law import fit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PER_OCTAVE = 4
FIRST = 64
"""The first point: an average over fewer tokens is one over a few words."""

Losses = Callable[[Sequence[int]], "NDArray[np.float32]"]


def readings(ids: Sequence[int], count: int, start: Sequence[int]) -> list[list[int]]:
    """The text from `count` places on, each reading with the beginning that the model expects."""
    places = [number * len(ids) // count for number in range(count)]
    return [[*start, *ids[place:], *ids[:place]] for place in places]


def positions(tokens: int) -> list[int]:
    """Where the curve has points: evenly spaced in logarithm, the last at the end."""
    found = []
    for step in range(200):
        position = round(FIRST * 2 ** (step / PER_OCTAVE))
        if position >= tokens:
            break
        found.append(position)
    return [*found, tokens]


def report(losses: NDArray[np.float32], *, model: str, text: str) -> dict[str, Any]:
    """The contract's object.

    Args:
        losses: f32 [readings, T], in nats, of each token.
        model: its name.
        text: what was read, for people.
    """
    import numpy as np

    count, tokens = losses.shape
    running = np.cumsum(losses.mean(0, dtype=np.float64)) / np.arange(1, tokens + 1)
    places = positions(tokens)
    points = [{"position": place, "cumulative_nll": float(running[place - 1])} for place in places]
    curve = fit(places, [point["cumulative_nll"] for point in points])
    return {
        "model": model,
        "text": text,
        "tokens": tokens,
        "windows": count,
        "nll_per_token": float(losses.mean(dtype=np.float64)),
        "points": points,
        "falls": all(
            later["cumulative_nll"] < earlier["cumulative_nll"] for earlier, later in pairwise(points)
        ),
        "fit": None if curve is None else asdict(curve),
    }


def beside(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> dict[str, float]:
    """A peer's loss of the same tokens, and by which part of it ours differs."""
    own, other = float(ours.mean(dtype="f8")), float(theirs.mean(dtype="f8"))
    return {"nll_per_token": other, "difference": own / other - 1}


def lines(said: Mapping[str, Any]) -> list[list[str]]:
    """The points as rows of a table: position, loss, what the fit gives there."""
    curve = said["fit"]
    return [
        [
            f"{point['position']:,}",
            f"{point['cumulative_nll']:.4f}",
            "-"
            if curve is None
            else f"{curve['alpha'] * point['position'] ** curve['beta'] + curve['gamma']:.4f}",
        ]
        for point in said["points"]
    ]


def summary(said: Mapping[str, Any]) -> list[str]:
    """What stands below the table."""
    times = "" if said["windows"] == 1 else f" from {said['windows']} places"
    found = [
        f"{said['model']}: {said['nll_per_token']:.4f} nats a token over {said['tokens']:,} tokens of "
        f"{said['text']}{times}"
    ]
    for peer, other in said.get("peers", {}).items():
        found.append(f"{peer}: {other['nll_per_token']:.4f}; ours differs by {other['difference']:+.2%}")
    if (curve := said["fit"]) is not None:
        found.append(
            f"L(x) = {curve['alpha']:.4g} · x^{curve['beta']:.4g} + {curve['gamma']:.4g}, "
            f"R² = {curve['r2']:.4f}"
        )
    return found
