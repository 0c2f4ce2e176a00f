"""Which frames of a video are looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

#: Frames in a second where the person asks for no rate.
FPS = 1.0

#: Frames of one video at most, where the person asks for neither a rate nor a number.
MOST = 600

#: Frames of one video at most, whatever is asked for: each costs memory before it is decoded.
BOUND = 50_000

#: Seconds between two frames from which on an overview takes frames that are decoded by themselves.
OVERVIEW = 5.0


@dataclass(frozen=True, slots=True)
class Choice:
    """The frames that were chosen.

    Attributes:
        places: i64 [n], rising: their places among all.
        step: seconds between two of them, as intended.
        wanted: how many the rate alone would give.
        bound: how many there may be.
    """

    places: np.ndarray
    step: float
    wanted: int
    bound: int


def choose(
    times: np.ndarray,
    keys: np.ndarray,
    start: float,
    end: float,
    fps: float | None = None,
    most: int | None = None,
) -> Choice:
    """The frames nearest to evenly spaced times from `start` until `end`, each once.

    Where the rate is not the person's and there are seconds between two frames, a frame that needs no other
    to be decoded is taken in place of a near one.

    Args:
        times: f64 [n], rising: when each frame is shown.
        keys: f64 [m], rising: the times of those that need no other.
        start, end: seconds.
        fps: frames in a second.
        most: frames at most.
    """
    length = max(0.0, end - start)
    rate = fps or FPS
    wanted = max(1, math.ceil(length * rate - 1e-6))
    bound = min(BOUND, most or (MOST if fps is None else BOUND))
    count = min(wanted, bound)
    step = 1 / rate if count == wanted else length / count
    asked = start + np.arange(count) * step
    inside = np.flatnonzero((times >= start - 1e-6) & (times < end))
    if not len(inside):
        # Between two frames: what is seen then is the one before.
        place = max(0, int(np.searchsorted(times, start, "right")) - 1)
        return Choice(np.array([place]), step, 1, bound)
    places = inside[0] + nearest(times[inside], asked)
    if fps is None and step >= OVERVIEW and len(keys):
        near = keys[nearest(keys, asked)]
        usable = (np.abs(near - asked) <= step / 2) & (near >= start - 1e-6) & (near < end)
        places = np.where(usable, np.searchsorted(times, near), places)
    return Choice(np.unique(places), step, wanted, bound)


def nearest(rising: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """For each of `asked` the place of the nearest in `rising` (not empty)."""
    after = np.clip(np.searchsorted(rising, asked), 0, len(rising) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(rising[before] - asked) <= np.abs(rising[after] - asked), before, after)
