"""How large a picture becomes before it is cut into patches, and what is cropped out of a long one.

Source: `get_aspect_ratio_preserving_size` of transformers' image_processing_pil_gemma4.py, and
`pan_and_scan` of image_processing_pil_gemma3.py.
"""

from __future__ import annotations

import math

from model.vision.spec import Budget, PanAndScan, Square, VisionSpec


def resized(spec: VisionSpec, width: int, height: int, budget: int | None = None) -> tuple[int, int]:
    """Width and height, in pixels, of what a picture of W×H pixels becomes.

    Args:
        spec: the model's sight.
        width, height: of the picture, at least 1.
        budget: soft tokens at most; None: as the model has it for pictures.

    Raises:
        ValueError: the model knows no such budget, or the picture is empty.
    """
    if width < 1 or height < 1:
        raise ValueError(f"a picture of {width}×{height} pixels holds nothing to look at")
    if isinstance(spec.resize, Square):
        if budget is not None:
            raise ValueError("every picture takes as many tokens in this model; a budget cannot be chosen")
        return spec.resize.side, spec.resize.side
    return _filling(spec.unit, _budget(spec.resize, budget), width, height)


def frame_budget(spec: VisionSpec) -> int | None:
    """The budget of a frame of a video where none is asked for; None in a model without budgets."""
    return spec.resize.frame if isinstance(spec.resize, Budget) else None


def crops(rule: PanAndScan, width: int, height: int) -> list[tuple[int, int, int, int]]:
    """The crops of a long picture as (left, top, right, bottom), in reading order; often none."""
    long, short = max(width, height), min(width, height)
    if long / short < rule.ratio:
        return []
    count = min(math.floor(long / rule.least_side), math.floor(long / short + 0.5))
    count = min(max(count, 2), rule.most)
    step = math.ceil(long / count)
    if min(step, short) < rule.least_side:
        return []
    ends = [(start, min(start + step, long)) for start in range(0, step * count, step)]
    if width >= height:
        return [(start, 0, end, height) for start, end in ends]
    return [(0, start, width, end) for start, end in ends]


def _budget(rule: Budget, asked: int | None) -> int:
    budget = rule.image if asked is None else asked
    if budget not in rule.choices:
        known = ", ".join(map(str, rule.choices))
        raise ValueError(f"{budget} tokens for a picture cannot be chosen; this model knows {known}")
    return budget


def _filling(unit: int, budget: int, width: int, height: int) -> tuple[int, int]:
    # The order of the operations is the reference's, so that rounding falls on the same side.
    factor = math.sqrt(budget * unit**2 / (height * width))
    rows, columns = math.floor(factor * height / unit), math.floor(factor * width / unit)
    if rows == 0:
        rows, columns = 1, min(math.floor(width / height), budget)
    elif columns == 0:
        rows, columns = min(math.floor(height / width), budget), 1
    return columns * unit, rows * unit
