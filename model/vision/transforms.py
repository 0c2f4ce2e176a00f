"""How a stored tensor becomes a parameter: its shape in the file, and what is done to its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Transform:
    """From file to tree.

    Attributes:
        stored: the parameter's shape (of one layer) → the shape that it has in the file.
        apply: the file's numbers → the parameter's.
    """

    stored: Callable[[Shape], Shape]
    apply: Callable[[Floats], Floats]


def _plain(shape: Shape) -> Shape:
    return shape


def _reversed(shape: Shape) -> Shape:
    return shape[::-1]


def _kernel(shape: Shape) -> Shape:
    """[D, 3·patch²] as the kernel [D, 3, patch, patch] of a convolution."""
    side = _side(shape)
    return (shape[0], 3, side, side)


def _axis_second(shape: Shape) -> Shape:
    return (shape[1], shape[0], *shape[2:])


def _one(shape: Shape) -> Shape:
    return (*shape, 1)


def _side(shape: Shape) -> int:
    return isqrt(shape[-1] // 3)


def _colours_last(stored: Floats) -> Floats:
    """[…, 3, patch, patch] → […, 3·patch²] with the three colours of a pixel together."""
    return np.moveaxis(stored, -3, -1).reshape(*stored.shape[:-3], -1)


def _columns_colours_last(stored: Floats) -> Floats:
    side = _side(stored.shape)
    return _colours_last(stored.reshape(*stored.shape[:-1], 3, side, side))


PLAIN = Transform(_plain, lambda stored: stored)
TRANSPOSED = Transform(_reversed, lambda stored: stored.T)
PLUS_ONE = Transform(_plain, lambda stored: stored + np.float32(1))
KERNEL = Transform(_kernel, _colours_last)
BY_COLOUR = Transform(_plain, _columns_colours_last)
"""The last axis goes through a patch's pixels once for each colour."""
AXIS_SECOND = Transform(_axis_second, lambda stored: stored.swapaxes(0, 1))
SINGLE = Transform(_one, lambda stored: stored[..., 0])
"""A number that is stored as an array of one."""
