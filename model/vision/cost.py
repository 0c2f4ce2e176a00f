"""How many soft tokens a picture of a size takes.  Nothing is loaded for this: a plan can count with it."""

from __future__ import annotations

from model.vision.size import crops, frame_budget, resized
from model.vision.spec import Square, VisionSpec


def image_tokens(spec: VisionSpec, width: int, height: int, budget: int | None = None) -> int:
    """How many soft tokens a picture of W×H pixels takes, framing apart.

    Args:
        spec: the model's sight.
        width, height: of the picture, at least 1.
        budget: soft tokens at most; None: as the model has it for pictures.

    Raises:
        ValueError: the model knows no such budget, or the picture is empty.
    """
    new_width, new_height = resized(spec, width, height, budget)
    return (new_width // spec.unit) * (new_height // spec.unit)


def frame_tokens(spec: VisionSpec, width: int, height: int, budget: int | None = None) -> int:
    """How many soft tokens a frame of a video takes; `budget` None: as the model has it for frames."""
    return image_tokens(spec, width, height, frame_budget(spec) if budget is None else budget)


def scanned_tokens(spec: VisionSpec, width: int, height: int) -> int:
    """How many soft tokens a picture takes together with the crops of it that the model would look at."""
    more = len(crops(spec.resize.pan_and_scan, width, height)) if isinstance(spec.resize, Square) else 0
    return image_tokens(spec, width, height) * (1 + more)
