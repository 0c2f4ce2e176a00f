"""The spectrogram: frames, filters and levels, against the definitions themselves."""

from __future__ import annotations

import hearing
import numpy as np
import pytest

from model.audio.mel import filters, hann, log_mels
from model.audio.spec import MelSpec

MEL = MelSpec()


@pytest.mark.parametrize(
    ("samples", "frames"),
    [(0, 0), (160, 0), (161, 1), (320, 1), (321, 2), (16_000, 99), (16_001, 100), (480_000, 2999)],
)
def test_frames_are_counted_without_a_sound(samples: int, frames: int):
    assert MEL.frames(samples) == frames
    levels, whole = log_mels(np.zeros(samples, np.float32), MEL, 16_000)
    assert int(whole.sum()) == frames
    assert levels.shape == (len(whole), 128)
    assert whole[:frames].all()


def test_each_frame_is_its_definition():
    """One frame by hand: window, transform, magnitudes, filters, logarithm."""
    waveform = hearing.sound(4000)
    levels, whole = log_mels(waveform, MEL, 16_000)
    padded = np.concatenate([np.zeros(160), waveform]).astype(np.float64)
    n = np.arange(320)
    for at in (0, 1, 7, int(whole.sum()) - 1):
        frame = padded[160 * at : 160 * at + 320] * (0.5 - 0.5 * np.cos(2 * np.pi * n / 320))
        turns = np.exp(-2j * np.pi * np.outer(np.arange(257), n) / 512)
        wanted = np.log(np.abs(turns @ frame) @ filters(MEL, 16_000) + 1e-3)
        np.testing.assert_allclose(levels[at], wanted, atol=1e-4)


def test_filters_are_triangles_of_height_one_on_the_mel_scale():
    bank = filters(MEL, 16_000)
    assert bank.shape == (257, 128)
    mels = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 130)
    edges = 700 * (10 ** (mels / 2595) - 1)
    hertz = np.arange(257) * 31.25
    for place in (0, 20, 90, 127):
        low, peak, high = edges[place : place + 3]
        wanted = np.interp(hertz, [low, peak, high], [0, 1, 0], left=0, right=0)
        np.testing.assert_allclose(bank[:, place], wanted, atol=1e-12)


def test_a_tone_is_loudest_in_its_filter():
    waveform = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    levels, whole = log_mels(waveform, MEL, 16_000)
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 130) / 2595) - 1)
    loudest = np.unique(levels[2 : whole.sum()].argmax(-1))
    assert len(loudest) == 1
    assert edges[loudest[0]] < 1000 < edges[loudest[0] + 2]


def test_silence_is_the_floor_and_what_is_behind_the_sound_is_zero():
    levels, whole = log_mels(np.zeros(1000, np.float32), MEL, 16_000)
    assert len(whole) == 6  # 1000 samples and the silence that makes them 1024
    np.testing.assert_allclose(levels[:5], np.log(1e-3), rtol=1e-6)
    levels, whole = log_mels(hearing.sound(1090), MEL, 16_000)
    assert not whole.all()
    assert (levels[~whole] == 0).all()


def test_the_window_is_periodic():
    window = hann(320)
    assert window[0] == 0
    assert window[160] == 1
    np.testing.assert_allclose(window[1:], window[:0:-1], atol=1e-7)
