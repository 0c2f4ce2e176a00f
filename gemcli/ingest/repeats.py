"""Frames that show what was just shown: a picture is compared with the last that counted, on a small grid.

Comparing with the last that counted, not with the last seen, lets a slow change through once it has become
one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import PIL.Image

#: Cells of the grid in each direction.
GRID = 16

#: Grey levels (of 255) by which the whole picture differs on average when it is new: noise stays below.
MEAN_LEVELS = 2.5

#: Grey levels by which one cell differs when it alone makes the picture new: a line of text that appears
#: on a slide, a thing that moves before a still background.
CELL_LEVELS = 20.0


class Repeats:
    """Tells new pictures of one sequence from near-duplicates of the one before, and counts the latter.

    Attributes:
        dropped: pictures that were no news.
    """

    def __init__(self, mean_levels: float = MEAN_LEVELS, cell_levels: float = CELL_LEVELS) -> None:
        self.dropped = 0
        self._mean = mean_levels
        self._cell = cell_levels
        self._last: np.ndarray | None = None

    def is_new(self, image: PIL.Image.Image) -> bool:
        """Whether a picture of any size and mode shows something else than the last one that was new."""
        grid = _grid(image)
        if self._last is not None:
            change = np.abs(grid - self._last)
            if change.mean() < self._mean and change.max() < self._cell:
                self.dropped += 1
                return False
        self._last = grid
        return True


def _grid(image: PIL.Image.Image) -> np.ndarray:
    """Mean grey levels, f32 [GRID, GRID]."""
    from PIL import Image as pillow

    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    # Made smaller before it is made grey, which is a fraction of the work.
    small = image.resize((GRID, GRID), pillow.Resampling.BOX, reducing_gap=1.0).convert("L")
    return np.asarray(small, np.float32)
