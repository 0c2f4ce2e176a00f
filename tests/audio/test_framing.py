"""The tokens around a sound, and its times."""

from __future__ import annotations

import pytest

from model.audio.framing import framed, marked, stamp
from model.audio.spec import AudioSpec, Marks, RawSpec
from model.audio.windows import windows

MARKS = Marks(begin=7, soft=8, end=9)
SPEC = AudioSpec(RawSpec(), 40, MARKS)


@pytest.mark.parametrize(
    ("second", "text"), [(0, "00:00"), (29, "00:29"), (61.9, "01:01"), (3599, "59:59"), (6000, "100:00")]
)
def test_times_are_minutes_and_seconds(second: float, text: str):
    assert stamp(second) == text


def test_the_released_marks():
    assert marked(Marks(), 2) == [256_000, 258_881, 258_881, 258_883]


def test_a_short_sound_has_no_time():
    assert list(framed(MARKS, windows(SPEC, 1280))) == [[7, 8, 8, 9]]
    assert list(framed(MARKS, ())) == []


def test_a_stretch_of_a_recording_has_its_time():
    assert list(framed(MARKS, windows(SPEC, 1), offset=65.5)) == ["01:05 ", [7, 8, 9]]


def test_each_window_of_a_long_sound_has_its_time():
    pieces = list(framed(MARKS, windows(SPEC, 61 * 16_000), offset=3.0))
    assert pieces[0::2] == ["00:03 ", " 00:33 ", " 01:03 "]
    assert [len(ids) for ids in pieces[1::2]] == [752, 752, 27]
