"""Sizes and costs: budgets filled and never overrun, aspect kept, crops that cover a long picture."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.arch.vision import GEMMA3_FRAMING, GEMMA4_FRAMING
from model.vision.cost import frame_tokens, image_tokens, scanned_tokens
from model.vision.size import crops, resized
from model.vision.spec import Axial, Budget, PanAndScan, Siglip, Square, VisionSpec

FLEXIBLE = VisionSpec(
    patch=16,
    pool=3,
    width=768,
    text_width=2560,
    norm_eps=1e-6,
    resize=Budget(),
    encoder=Axial(layers=16, heads=12, head_dim=64, ffw=3072),
    framing=GEMMA4_FRAMING,
)
FIXED = VisionSpec(
    patch=14,
    pool=4,
    width=1152,
    text_width=2560,
    norm_eps=1e-6,
    resize=Square(896),
    encoder=Siglip(layers=27, heads=16, ffw=4304),
    framing=GEMMA3_FRAMING,
)

sides = st.integers(1, 20_000)
budgets = st.sampled_from(Budget().choices)


@given(sides, sides, budgets)
@example(1, 20_000, 70)
@example(20_000, 1, 1120)
def test_a_budget_is_filled_and_never_overrun(width: int, height: int, budget: int) -> None:
    new_width, new_height = resized(FLEXIBLE, width, height, budget)
    assert new_width % 48 == new_height % 48 == 0
    assert min(new_width, new_height) >= 48
    tokens = image_tokens(FLEXIBLE, width, height, budget)
    assert tokens == new_width * new_height // 48**2
    assert budget / 3 < tokens <= budget


@given(st.integers(200, 4000), st.integers(200, 4000), budgets)
def test_the_aspect_is_kept_to_within_one_token(width: int, height: int, budget: int) -> None:
    new_width, new_height = resized(FLEXIBLE, width, height, budget)
    scale = (budget * 48**2 / (width * height)) ** 0.5
    assert 0 <= scale * width - new_width < 48 + 1e-6
    assert 0 <= scale * height - new_height < 48 + 1e-6


@pytest.mark.parametrize(
    ("width", "height", "budget", "size"),
    [  # by hand: √(T·2304/(W·H)) times each side, rounded down to whole 48s
        (1920, 1080, None, (1056, 576)),
        (640, 480, None, (912, 672)),
        (100, 100, 70, (384, 384)),
        (480, 640, 1120, (1344, 1824)),
        (10_000, 10, 70, (70 * 48, 48)),
        (1, 100, 70, (48, 70 * 48)),
        (3, 100, 70, (48, 48 * 48)),
    ],
)
def test_sizes(width: int, height: int, budget: int | None, size: tuple[int, int]) -> None:
    assert resized(FLEXIBLE, width, height, budget) == size


def test_a_frame_has_a_budget_of_its_own() -> None:
    assert image_tokens(FLEXIBLE, 1920, 1080) == 22 * 12
    assert frame_tokens(FLEXIBLE, 1920, 1080) == image_tokens(FLEXIBLE, 1920, 1080, 70) == 11 * 6
    assert frame_tokens(FLEXIBLE, 1920, 1080, 280) == 22 * 12
    assert frame_tokens(FIXED, 1920, 1080) == 256


@given(sides, sides)
def test_a_square_is_a_square_whatever_the_picture(width: int, height: int) -> None:
    assert resized(FIXED, width, height) == (896, 896)
    assert image_tokens(FIXED, width, height) == 256


def test_what_cannot_be_asked_for_is_refused() -> None:
    with pytest.raises(ValueError, match=r"100 tokens .* knows 70, 140, 280, 560, 1120"):
        resized(FLEXIBLE, 10, 10, 100)
    with pytest.raises(ValueError, match="budget cannot be chosen"):
        resized(FIXED, 10, 10, 280)
    for width, height in ((0, 10), (10, 0)):
        with pytest.raises(ValueError, match="holds nothing"):
            resized(FLEXIBLE, width, height)


@given(sides, sides)
def test_crops_cover_a_long_picture_without_overlap(width: int, height: int) -> None:
    rule = PanAndScan()
    boxes = crops(rule, width, height)
    if not boxes:
        assert scanned_tokens(FIXED, width, height) == 256
        return
    assert max(width, height) / min(width, height) >= 1.2
    assert 2 <= len(boxes) <= 4
    assert scanned_tokens(FIXED, width, height) == 256 * (1 + len(boxes))
    assert sum((right - left) * (bottom - top) for left, top, right, bottom in boxes) == width * height
    wide = width >= height
    for left, top, right, bottom in boxes:
        assert (top, bottom) == (0, height) if wide else (left, right) == (0, width)
        assert min(right - left, bottom - top) > 0


@pytest.mark.parametrize(
    ("width", "height", "count"),
    [
        (1000, 1000, 0),
        (1000, 900, 0),
        (1000, 800, 2),
        (400, 300, 0),
        (600, 300, 2),
        (3000, 700, 4),
        (300, 6000, 4),
    ],
)
def test_how_many_crops(width: int, height: int, count: int) -> None:
    assert len(crops(PanAndScan(), width, height)) == count
    assert len(crops(PanAndScan(), height, width)) == count
