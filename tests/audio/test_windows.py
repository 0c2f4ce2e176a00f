"""Windows: every second once, in order, none too long; what is kept is what the whole sound would give."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.audio.spec import AudioSpec, ConformerSpec, MelSpec, RawSpec
from model.audio.windows import cut, overlap, windows

E4B = AudioSpec(ConformerSpec(MelSpec()), 2560)
SPECS = {
    "conformer": E4B,
    "thirteen keys": replace(E4B, encoder=ConformerSpec(MelSpec(), reading="google")),
    "deep": replace(E4B, encoder=ConformerSpec(MelSpec(), layers=48)),
    "raw": AudioSpec(RawSpec(), 3840),
}


@pytest.mark.parametrize("name", SPECS)
@given(samples=st.integers(0, 16_000 * 400))
def test_every_token_is_kept_once_and_in_its_place(name: str, samples: int):
    spec = SPECS[name]
    found = windows(spec, samples)
    assert sum(window.keep for window in found) == spec.encoder.tokens(samples)
    place = 0
    for window in found:
        assert window.keep > 0
        assert 0 <= window.first < window.last <= samples
        assert window.last - window.first <= 30 * 16_000
        assert window.start * 25 == place
        assert window.first * 25 // 16_000 + window.skip == place
        assert window.skip + window.keep <= spec.encoder.tokens(window.last - window.first)
        place += window.keep


@given(samples=st.integers(16_000 * 31, 16_000 * 200))
def test_kept_tokens_know_all_of_their_past_and_future(samples: int):
    """But for the sound's own ends, none is so near to a window's that it would differ."""
    for window in windows(E4B, samples):
        assert window.first == 0 or window.skip >= E4B.encoder.lead
        inside = E4B.encoder.tokens(window.last - window.first) - window.skip - window.keep
        assert window.last == samples or inside >= E4B.encoder.tail


def test_the_released_encoder_looks_back_eight_seconds():
    assert E4B.encoder.lead == 181
    assert overlap(E4B) == (8, 1)
    assert overlap(SPECS["thirteen keys"]) == (8, 1)
    assert overlap(SPECS["deep"]) == (15, 1)
    assert overlap(SPECS["raw"]) == (0, 0)


def test_a_minute_and_a_half():
    found = windows(E4B, 90 * 16_000)
    assert [(w.first // 16_000, w.last // 16_000, w.start) for w in found] == [
        (0, 30, 0),
        (21, 51, 29),
        (42, 72, 50),
        (63, 90, 71),
    ]
    assert [w.start for w in windows(SPECS["raw"], 90 * 16_000)] == [0, 30, 60]


def test_half_a_minute_is_one_window_and_nothing_is_none():
    assert len(windows(E4B, 480_000)) == 1
    assert windows(E4B, 480_000)[0].keep == 750
    assert len(windows(E4B, 480_001)) == 2
    assert windows(E4B, 160) == ()
    assert windows(SPECS["raw"], 0) == ()


@pytest.mark.parametrize("name", SPECS)
@given(seconds=st.floats(0, 130), blocks=st.lists(st.integers(0, 16_000 * 70), max_size=5))
def test_a_sound_in_blocks_is_cut_alike(name: str, seconds: float, blocks: list[int]):
    spec, samples = SPECS[name], int(seconds * 16_000)
    sound = np.arange(samples, dtype=np.float32)
    places = [0, *sorted(min(place, samples) for place in blocks), samples]
    parts = [sound[one:other] for one, other in pairwise(places)]
    found = list(cut(spec, parts))
    assert tuple(window for window, _ in found) == windows(spec, samples)
    for window, held in found:
        assert np.array_equal(held, sound[window.first : window.last])
