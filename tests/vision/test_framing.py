"""What stands around soft tokens, and the clock of a video."""

from __future__ import annotations

import pytest

from model.arch.vision import GEMMA3_FRAMING, GEMMA4_FRAMING
from model.vision.framing import Marked, Text, as_text, clock, frame, frame_indices, image, scanned, video

SOFT = "<image_soft_token>"


def test_a_picture_between_its_markers() -> None:
    assert image(GEMMA4_FRAMING, 3) == [
        Marked(GEMMA4_FRAMING.begin),
        Marked(GEMMA4_FRAMING.image, 3, soft=True),
        Marked(GEMMA4_FRAMING.end),
    ]
    assert as_text(image(GEMMA4_FRAMING, 2)) == "<|image><|image|><|image|><image|>"


def test_text_around_a_picture_is_text_of_its_neighbours() -> None:
    first, *_, last = image(GEMMA3_FRAMING, 2)
    assert first == last == Text("\n\n")
    assert as_text(image(GEMMA3_FRAMING, 2)) == f"\n\n<start_of_image>{SOFT * 2}<end_of_image>\n\n"


def test_a_picture_and_its_crops() -> None:
    one = f"\n\n<start_of_image>{SOFT}<end_of_image>\n\n"
    assert as_text(scanned(GEMMA3_FRAMING, [1])) == one
    assert as_text(scanned(GEMMA3_FRAMING, [1, 1, 1])) == (
        f"Here is the original image {one} and here are some crops to help you see better {one} {one}"
    )


def test_frames_come_with_their_time() -> None:
    shown = video(GEMMA4_FRAMING, [(2, 0.0), (1, 61.9)])
    assert as_text(shown) == "00:00 <|image><|video|><|video|><image|> 01:01 <|image><|video|><image|>"
    assert [piece.count for piece in shown if isinstance(piece, Marked) and piece.soft] == [2, 1]


def test_without_frames_of_its_own_a_model_sees_pictures() -> None:
    assert as_text(frame(GEMMA3_FRAMING, 1, 5, first=True)) == (
        f"00:05 \n\n<start_of_image>{SOFT}<end_of_image>\n\n"
    )


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "00:00"), (59.99, "00:59"), (60, "01:00"), (3599, "59:59"), (3725.5, "62:05")]
)
def test_the_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_frames_are_taken_at_even_distances() -> None:
    assert frame_indices(100, 4) == [0, 25, 50, 75]
    assert frame_indices(10, 4) == [0, 2, 5, 7]
    assert frame_indices(3, 32) == [0, 1, 2]
    assert len(frame_indices(1000)) == 32
    assert frame_indices(0) == []
