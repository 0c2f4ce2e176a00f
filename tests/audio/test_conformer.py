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
from model.audio.params import abstract, is_info
from model.audio.spec import AudioSpec, ConformerSpec, MelSpec, Reading
from model.nn.linear import Numerics

EXACT = Numerics(integer_rows=0)
PADDED = 240

run = jax.jit(encode, static_argnames=("spec", "numerics"), compiler_options=QUICK)


def spectrogram(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((frames, 128)).astype(np.float32)


def soft(made: Any, mels: np.ndarray, behind: np.ndarray | None = None) -> np.ndarray:
    """Soft tokens of a spectrogram with zeros, or something else, behind it: one program for all lengths."""
    spec, params = made
    filled = np.zeros((PADDED, 128), np.float32) if behind is None else behind.copy()
    filled[: len(mels)] = mels
    return np.asarray(run(params, spec.encoder, filled, len(mels), numerics=EXACT))[: -(-len(mels) // 4)]


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


def test_half_a_minute_through_the_released_encoder_is_so_many_tokens():
    encoder = ConformerSpec(MelSpec())
    spec = AudioSpec(encoder, 2560)
    params = jax.tree.map(
        lambda info: jax.ShapeDtypeStruct(info.shape, np.float32), abstract(spec), is_leaf=is_info
    )
    soft = jax.eval_shape(
        lambda given, mels: encode(given, encoder, mels, 2999, EXACT),
        params,
        jax.ShapeDtypeStruct((3000, 128), np.float32),
    )
    assert (soft.shape, soft.dtype) == ((750, 2560), np.float32)


def test_the_readings_differ_from_the_thirteenth_token_on(tiny_audio: Callable[..., Any]):
    mels = spectrogram(100)
    one, other = (soft(tiny_audio(reading=reading), mels) for reading in ("transformers", "google"))
    np.testing.assert_allclose(one[:12], other[:12], atol=1e-5)
    assert (np.abs(one[12:] - other[12:]).max(-1) > 1e-3).all()


@pytest.mark.parametrize("frames", [45, 48])
def test_what_lies_behind_the_frames_has_no_influence(tiny_audio: Callable[..., Any], frames: int):
    made, mels = tiny_audio(), spectrogram(96)
    spec, params = made
    exactly = np.asarray(run(params, spec.encoder, mels[:frames], frames, numerics=EXACT))
    filled = soft(made, mels[:frames], 9 * spectrogram(PADDED, 5))
    assert filled.shape == exactly.shape
    np.testing.assert_allclose(filled, exactly, atol=2e-5)


def test_a_token_knows_its_past_as_far_as_it_is_said_and_nothing_of_its_future(
    tiny_audio: Callable[..., Any],
):
    made = tiny_audio()
    mels = spectrogram(PADDED)
    plain = soft(made, mels)
    later = mels.copy()
    later[4 * 50 :] += 1
    changed = np.abs(soft(made, later) - plain).max(-1)
    assert (changed[:50] == 0).all()
    assert (changed[50:] > 0).all()
    earlier = mels.copy()
    earlier[0] += 1
    changed = np.abs(soft(made, earlier) - plain).max(-1)
    assert made[0].encoder.lead == 46
    assert (changed[:46] > 0).all()
    assert (changed[46:] == 0).all()
