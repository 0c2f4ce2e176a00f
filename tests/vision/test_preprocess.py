"""Pictures become patches: order of rows, columns and colours, range of values, padding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import seeing

from model.arch.vision import vision_spec_from_hf
from model.vision.patches import EMPTY, cut, padded
from model.vision.preprocess import prepare, prepare_frame, scanned
from model.vision.spec import PanAndScan, Square, VisionSpec


def spec(name: str) -> VisionSpec:
    found = vision_spec_from_hf(seeing.CONFIGS[name])
    assert found is not None
    return found


def test_patches_go_row_by_row_with_colours_together() -> None:
    image = np.arange(4 * 6 * 3, dtype=np.float32).reshape(4, 6, 3)
    patches = cut(image, 2, 1)
    assert patches.tokens == 6
    assert patches.positions.tolist() == [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]]
    for pixels, (x, y) in zip(patches.pixels, patches.positions, strict=True):
        np.testing.assert_array_equal(pixels.reshape(2, 2, 3), image[2 * y : 2 * y + 2, 2 * x : 2 * x + 2])


@pytest.mark.parametrize("name", seeing.NAMES)
@pytest.mark.parametrize("size", [(67, 45), (20, 300), (1, 1), (3000, 2)])
def test_every_picture_becomes_patches(name: str, size: tuple[int, int]) -> None:
    seen = spec(name)
    patches = prepare(seen, seeing.picture(*size), seeing.budget(name))
    assert patches.pixels.dtype == np.float32
    assert patches.pixels.shape == (len(patches.positions), seen.patch_size)
    assert patches.tokens * seen.merged == len(patches.pixels)
    columns, rows = patches.positions.max(0) + 1
    assert columns * rows == len(patches.positions)
    low = -1 if isinstance(seen.resize, Square) else 0
    assert low <= patches.pixels.min() <= patches.pixels.max() <= 1


def test_black_and_white_are_the_ends_of_the_range() -> None:
    for name, black in (("gemma3", -1), ("gemma4-clipped", 0), ("gemma4-unified", 0)):
        for shade, value in ((0, black), (255, 1)):
            image = np.full((9, 7, 3), shade, np.uint8)
            assert set(np.unique(prepare(spec(name), image).pixels)) == {np.float32(value)}


def test_a_picture_of_the_right_size_stays_as_it_is() -> None:
    image = seeing.picture(24, 24)
    patches = prepare(spec("gemma3"), image)
    grid = patches.pixels.reshape(6, 6, 4, 4, 3).swapaxes(1, 2).reshape(24, 24, 3)
    np.testing.assert_array_equal(np.round((grid * 0.5 + 0.5) * 255), image)


def test_padding_fills_up_to_the_next_budget() -> None:
    seen = spec("gemma4-clipped")
    for size, budget, room in (((60, 60), 70, 70), ((33, 20), 280, 280), ((1000, 9), 140, 140)):
        patches = prepare(seen, seeing.picture(*size), budget)
        ready = padded(seen, patches)
        assert len(ready.pixels) == len(ready.positions) == room * 9
        real = len(patches.pixels)
        np.testing.assert_array_equal(ready.pixels[:real], patches.pixels)
        np.testing.assert_array_equal(ready.positions[:real], patches.positions)
        assert (ready.positions[real:] == EMPTY).all()
        assert not ready.pixels[real:].any()


def test_a_frame_takes_the_budget_of_frames() -> None:
    image = seeing.picture(64, 48)
    seen = spec("gemma4-clipped")
    assert prepare_frame(seen, image).tokens == prepare(seen, image, 70).tokens < prepare(seen, image).tokens
    assert prepare_frame(spec("gemma3"), image).tokens == 9


def test_a_long_picture_is_scanned_where_the_model_does_that() -> None:
    image = seeing.picture(40, 10)
    rule = PanAndScan(least_side=10)
    seen = replace(spec("gemma3"), resize=Square(24, pan_and_scan=rule))
    whole, *crops = scanned(seen, image)
    assert whole is image
    np.testing.assert_array_equal(np.concatenate(crops, axis=1), image)
    assert [crop.shape for crop in crops] == [(10, 10, 3)] * 4
    assert scanned(spec("gemma4-clipped"), image) == [image]


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)],
)
def test_what_is_no_picture_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"uint8 \[H, W, 3\]"):
        prepare(spec("gemma3"), image)
