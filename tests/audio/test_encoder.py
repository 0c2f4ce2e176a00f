"""A waveform in, soft tokens out: windows add up to the whole sound, and few programs serve all lengths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hearing
import numpy as np
import pytest

from model.audio import encoder
from model.audio.encoder import AudioEncoder, bucket
from model.audio.mel import log_mels
from model.nn.linear import Numerics

EXACT = Numerics(integer_rows=0)


@pytest.mark.parametrize("samples", [161, 4001, 23_456])
def test_it_is_front_end_and_encoder(tiny_audio: Callable[..., Any], samples: int):
    spec, params = tiny_audio()
    waveform = hearing.sound(samples)
    mels, whole = log_mels(waveform, spec.encoder.mel, 16_000)
    wanted = hearing.conformer(hearing.CONFIG, hearing.weights(hearing.CONFIG), mels[whole])
    [heard] = AudioEncoder(params, spec, EXACT).hear(waveform)
    assert heard.soft.shape == (spec.encoder.tokens(samples), hearing.TEXT)
    np.testing.assert_allclose(np.asarray(heard.soft), wanted, atol=1e-4)


@pytest.mark.parametrize("config", [hearing.CONFIG, hearing.UNIFIED], ids=["conformer", "raw"])
def test_windows_make_up_the_whole_sound(tiny_audio: Callable[..., Any], config: dict[str, Any]):
    spec, params = tiny_audio(config)
    waveform = hearing.sound(int(7.37 * 16_000))
    short = AudioEncoder(params, replace(spec, seconds=5), EXACT)
    heard = list(short.listen(np.array_split(waveform, 7)))
    assert len(heard) > 1
    joined = np.concatenate([each.soft for each in heard])
    at_once = np.asarray(short.encode(waveform))
    assert joined.shape == at_once.shape
    np.testing.assert_allclose(joined, at_once, atol=2e-5)


def test_too_short_a_sound_is_nothing(tiny_audio: Callable[..., Any]):
    spec, params = tiny_audio()
    assert list(AudioEncoder(params, spec, EXACT).hear(hearing.sound(160))) == []


def test_few_programs_serve_all_lengths(tiny_audio: Callable[..., Any]):
    spec, params = tiny_audio()
    listener = AudioEncoder(params, spec, EXACT)
    listener.encode(hearing.sound(16_000))
    before = encoder._encode._cache_size()
    for samples in (200, 5000, 12_345, 30_000):
        listener.encode(hearing.sound(samples))
    assert encoder._encode._cache_size() == before
    assert {bucket(tokens) for tokens in range(1, 751)} == {48, 96, 192, 384, 768}
