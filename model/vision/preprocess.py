"""Pictures as uint8 pixels → patches, exactly as the reference's Pillow processors make them.

Sources: image_processing_pil_gemma3.py, image_processing_pil_gemma4.py and
image_processing_gemma4_unified.py of transformers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.vision import size
from model.vision.patches import Patches, cut
from model.vision.spec import Square, VisionSpec


def prepare(spec: VisionSpec, image: NDArray[np.uint8], budget: int | None = None) -> Patches:
    """Resize a picture and cut it into patches.

    Args:
        spec: the model's sight.
        image: uint8 [H, W, 3], red, green, blue.
        budget: soft tokens at most, one of the model's; None: as the model has it for pictures.

    Raises:
        ValueError: not such an array, an empty picture, or a budget that the model does not know.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"a picture is uint8 [H, W, 3], not {image.dtype} {list(image.shape)}")
    height, width = image.shape[:2]
    to = size.resized(spec, width, height, budget)
    small = _resize(image, to, smooth=isinstance(spec.resize, Square))
    # In f64 and then rounded, as the reference does it.
    pixels = (small.astype(np.float64) * (1 / 255)).astype(np.float32)
    if isinstance(spec.resize, Square):
        mean, std = (np.asarray(three, np.float32) for three in (spec.resize.mean, spec.resize.std))
        pixels = (pixels - mean) / std
    return cut(pixels, spec.patch, spec.pool)


def prepare_frame(spec: VisionSpec, image: NDArray[np.uint8], budget: int | None = None) -> Patches:
    """As `prepare`, of a frame of a video; `budget` None: as the model has it for frames."""
    return prepare(spec, image, budget or size.frame_budget(spec))


def scanned(spec: VisionSpec, image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """A picture, and its crops where it is long and the model looks at such; uint8 [H, W, 3] each."""
    if not isinstance(spec.resize, Square):
        return [image]
    height, width = image.shape[:2]
    boxes = size.crops(spec.resize.pan_and_scan, width, height)
    return [image, *(image[top:bottom, left:right] for left, top, right, bottom in boxes)]


def _resize(image: NDArray[np.uint8], to: tuple[int, int], *, smooth: bool) -> NDArray[np.uint8]:
    """Pillow's bilinear filter where `smooth`, else its bicubic one; both look at every pixel."""
    from PIL import Image

    if to == (image.shape[1], image.shape[0]):
        return image
    kind = Image.Resampling.BILINEAR if smooth else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(image).resize(to, kind))
