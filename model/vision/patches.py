"""A picture as the encoder wants it: patches and where each lies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.vision.spec import Budget, VisionSpec

EMPTY = -1
"""Both coordinates of a patch that is padding."""


@dataclass(frozen=True)
class Patches:
    """The patches of one picture, row by row.

    Attributes:
        pixels: f32 [P, 3·patch²], each row by row, colours of a pixel together.
        positions: int32 [P, 2], column and row of each; (`EMPTY`, `EMPTY`) is padding, at the end.
        tokens: soft tokens that they make.
    """

    pixels: NDArray[np.float32]
    positions: NDArray[np.int32]
    tokens: int


def cut(image: NDArray[np.float32], patch: int, pool: int) -> Patches:
    """Cut a picture f32 [H, W, 3], whose sides are whole numbers of `patch`·`pool`, into patches.

    Source: `convert_image_to_patches` of transformers' image_processing_pil_gemma4.py.
    """
    height, width, colours = image.shape
    rows, columns = height // patch, width // patch
    assert (rows * patch, columns * patch, 3) == (height, width, colours), "the picture was not resized"
    grid = image.reshape(rows, patch, columns, patch, colours).swapaxes(1, 2)
    y, x = np.divmod(np.arange(rows * columns, dtype=np.int32), np.int32(columns))
    return Patches(
        np.ascontiguousarray(grid.reshape(rows * columns, -1)),
        np.stack([x, y], axis=-1),
        rows * columns // pool**2,
    )


def padded(spec: VisionSpec, patches: Patches) -> Patches:
    """The same with padding up to the next of the model's budgets, so that few shapes are ever compiled."""
    if not isinstance(spec.resize, Budget):
        return patches
    room = next(budget for budget in spec.resize.choices if budget >= patches.tokens) * spec.merged
    more = room - len(patches.pixels)
    return replace(
        patches,
        pixels=np.pad(patches.pixels, ((0, more), (0, 0))),
        positions=np.pad(patches.positions, ((0, more), (0, 0)), constant_values=EMPTY),
    )
