"""Which frames are looked at: near the asked times, bounded, key frames for an overview only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemcli.ingest.moments import MOST, choose

HOUR = np.arange(0, 3600, 1 / 30)
KEYS = HOUR[::250]


def test_one_frame_a_second_is_the_default() -> None:
    choice = choose(HOUR, KEYS, 0, 60)
    assert HOUR[choice.places] == pytest.approx(np.arange(60), abs=1 / 60)


def test_a_long_video_is_bounded_and_spread_evenly_over_key_frames() -> None:
    choice = choose(HOUR, KEYS, 0, 3600)
    assert 0.9 * MOST <= len(choice.places) <= MOST
    assert (choice.wanted, choice.bound) == (3600, MOST)
    assert np.diff(HOUR[choice.places]).max() <= 2 * choice.step + 1e-6
    assert np.isin(HOUR[choice.places], KEYS).mean() > 0.6


def test_an_asked_rate_is_kept_exactly_and_not_bounded() -> None:
    choice = choose(HOUR, KEYS, 0, 3600, fps=0.1)
    assert HOUR[choice.places] == pytest.approx(np.arange(0, 3600, 10), abs=1 / 60)
    assert len(choose(HOUR, KEYS, 0, 3600, fps=1).places) == 3600


def test_a_number_of_frames_is_kept() -> None:
    choice = choose(HOUR[:300], KEYS[:2], 0, 10, fps=None, most=4)
    assert HOUR[choice.places] == pytest.approx([0, 2.5, 5, 7.5], abs=1 / 60)


def test_a_rate_beyond_the_videos_own_gives_each_frame_once() -> None:
    assert choose(HOUR[:30], KEYS[:1], 0, 1, fps=1000).places.tolist() == list(range(30))


def test_a_stretch_between_two_frames_shows_the_one_before() -> None:
    assert choose(np.array([0.0, 10.0]), np.array([0.0]), 4, 6).places.tolist() == [0]


@given(
    times=st.lists(st.floats(0, 100), min_size=1, max_size=60, unique=True),
    start=st.floats(0, 100),
    length=st.floats(0.01, 100),
    fps=st.none() | st.floats(0.01, 100),
    most=st.none() | st.integers(1, 50),
)
def test_every_choice_is_bounded_rising_and_inside(
    times: list[float], start: float, length: float, fps: float | None, most: int | None
) -> None:
    shown = np.array(sorted(times))
    choice = choose(shown, shown[::5], start, start + length, fps, most)
    assert 1 <= len(choice.places) <= max(1, choice.bound)
    assert (np.diff(choice.places) > 0).all()
    assert choice.places.min() >= 0
    assert choice.places.max() < len(shown)
    inside = (shown >= start - 1e-6) & (shown < start + length)
    assert inside[choice.places].all() or not inside.any()
