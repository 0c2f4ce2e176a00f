"""The conformer against its plain definition, and what padding and the future may do to it: nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hearing
import jax
import numpy as np
import pytest
from tiny import QUICK

from model.audio.conformer import encode
from model.audio.spec import Reading
from model.nn.linear import Numerics

EXACT = Numerics(integer_rows=0)

run = jax.jit(encode, static_argnames=("spec", "numerics"), compiler_options=QUICK)


def spectrogram(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((frames, 128)).astype(np.float32)


def soft(made: Any, mels: np.ndarray, frames: int | None = None) -> np.ndarray:
    spec, params = made
    frames = len(mels) if frames is None else frames
    out = run(params, spec.encoder, mels, frames, numerics=EXACT)
    return np.asarray(out)[: -(-frames // 4)]


@pytest.mark.parametrize("frames", [1, 47, 150])
@pytest.mark.parametrize(
    ("config", "reading", "keys"),
    [
        (hearing.CONFIG, "transformers", 12),
        (hearing.UNCLIPPED, "transformers", 12),
        (hearing.CONFIG, "google", 13),
    ],
    ids=["clipped", "unclipped", "thirteen keys"],
)
def test_it_computes_its_definition(
    tiny_audio: Callable[..., Any], config: dict[str, Any], reading: Reading, keys: int, frames: int
):
    mels = spectrogram(frames)
    wanted = hearing.conformer(config, hearing.weights(config), mels, keys)
    got = soft(tiny_audio(config, reading), mels)
    assert got.shape == wanted.shape == (-(-frames // 4), hearing.TEXT)
    np.testing.assert_allclose(got, wanted, atol=1e-4)


def test_the_readings_differ_from_the_thirteenth_token_on(tiny_audio: Callable[..., Any]):
    mels = spectrogram(100)
    one, other = (soft(tiny_audio(reading=reading), mels) for reading in ("transformers", "google"))
    np.testing.assert_allclose(one[:12], other[:12], atol=1e-5)
    assert (np.abs(one[12:] - other[12:]).max(-1) > 1e-3).all()


@pytest.mark.parametrize("frames", [45, 46, 47, 48])
def test_what_lies_behind_the_frames_has_no_influence(tiny_audio: Callable[..., Any], frames: int):
    made, mels = tiny_audio(), spectrogram(96)
    exactly = soft(made, mels[:frames])
    filled = soft(made, np.concatenate([mels[:frames], 9 * spectrogram(192 - frames, 5)]), frames)
    assert filled.shape == exactly.shape
    np.testing.assert_allclose(filled, exactly, atol=2e-5)


def test_a_token_knows_its_past_as_far_as_it_is_said_and_one_frame_of_its_future(
    tiny_audio: Callable[..., Any],
):
    made = tiny_audio()
    mels = spectrogram(4 * 80)
    plain = soft(made, mels)
    later = mels.copy()
    later[4 * 60 :] += 1
    changed = np.abs(soft(made, later) - plain).max(-1)
    assert (changed[:59] == 0).all()
    assert (changed[59:] > 0).all()
    earlier = mels.copy()
    earlier[:4] += 1
    changed = np.abs(soft(made, earlier) - plain).max(-1)
    reach = made[0].encoder.lead
    assert reach == 46
    assert (changed[: reach - 1] > 0).all()
    assert (changed[reach:] == 0).all()
