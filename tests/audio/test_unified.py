"""Raw pieces of sound against their definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hearing
import numpy as np
import pytest

from model.audio.spec import RawSpec
from model.audio.unified import pieces, project
from model.nn.linear import Numerics


@pytest.mark.parametrize("samples", [1, 639, 640, 641, 10_000])
def test_it_computes_its_definition(tiny_audio: Callable[..., Any], samples: int):
    spec, params = tiny_audio(hearing.UNIFIED)
    waveform = hearing.sound(samples)
    cut = pieces(waveform, spec.encoder)
    assert cut.shape == (spec.encoder.tokens(samples), 640)
    wanted = hearing.unified(hearing.weights(hearing.UNIFIED), waveform)
    got = project(params, spec.encoder, cut, Numerics(integer_rows=0))
    np.testing.assert_allclose(np.asarray(got), wanted, atol=1e-4)


def test_the_last_piece_is_filled_with_silence():
    cut = pieces(np.ones(700, np.float32), RawSpec())
    assert cut[1, :60].tolist() == [1] * 60
    assert not cut[1, 60:].any()
    assert pieces(np.zeros(0, np.float32), RawSpec()).shape == (0, 640)
