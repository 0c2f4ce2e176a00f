"""Pictures of print made fit for OCR: even paper, dark on light; and whether the print stands in columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

_FLAT = 0.75  # how much darker the paper may be in one place than in another


def flattened(grey: PIL.Image.Image) -> PIL.Image.Image:
    """The picture with its paper equally bright everywhere, and dark on light; others are left alone.

    The paper's brightness is that of the brightest points nearby, smoothed.
    """
    import numpy as np
    import PIL.Image
    from PIL import ImageFilter, ImageOps

    if np.median(np.asarray(grey)) < 96:  # light on dark
        grey = ImageOps.invert(grey)
    step = max(1, max(grey.size) // 400)
    small = grey.reduce(step)
    reach = max(3, (max(small.size) // 20) | 1)
    paper = small.filter(ImageFilter.MaxFilter(min(reach, 31))).filter(ImageFilter.GaussianBlur(reach))
    low, high = np.percentile(np.asarray(paper), (2, 98))
    if high < 1 or low / high > _FLAT:
        return grey
    ground: np.ndarray = np.asarray(paper.resize(grey.size, PIL.Image.Resampling.BICUBIC), dtype=np.float32)
    even = np.asarray(grey, dtype=np.float32) / np.maximum(ground, 16) * 255
    return PIL.Image.fromarray(np.clip(even, 0, 255).astype(np.uint8))


def has_columns(grey: PIL.Image.Image) -> bool:
    """Whether print stands in columns: a clear strip in the middle, and much print on either side of it."""
    import numpy as np

    small = grey.resize((200, max(20, round(200 * grey.height / grey.width))))
    ink = np.asarray(small) < 200
    rows = ink[ink.any(axis=1)]
    if len(rows) < 10:
        return False
    inked = np.flatnonzero(rows.any(axis=0))
    left, right = int(inked[0]), int(inked[-1]) + 1
    width = right - left
    clear = rows.mean(axis=0) <= 0.15  # headings may run across
    for at in range(left + width // 4, right - width // 4):
        if clear[at : at + 3].all():
            sides = rows[:, left:at], rows[:, at + 3 : right]
            if all(side.any(axis=1).mean() > 0.4 and side.mean() > 0.12 for side in sides):
                return True
    return False
