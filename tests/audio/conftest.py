"""Tiny encoders with weights in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import hearing
import pytest
from checkpoints import InMemory

from model.arch.audio import audio_spec_from_hf
from model.audio.load import load_audio
from model.audio.params import AudioParams
from model.audio.spec import AudioSpec, Reading

Tiny = Callable[..., tuple[AudioSpec, AudioParams]]


@pytest.fixture
def tiny_audio() -> Tiny:
    """Specification and parameters of a configuration of `hearing`."""

    def make(
        config: Mapping[str, Any] = hearing.CONFIG, reading: Reading = "transformers"
    ) -> tuple[AudioSpec, AudioParams]:
        spec = audio_spec_from_hf(config, reading=reading)
        assert spec is not None
        return spec, load_audio(InMemory(hearing.weights(config)), spec)

    return make
