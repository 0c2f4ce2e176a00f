"""Configurations and mmproj metadata become the hearing they describe; what is foreign is refused by name."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import hearing
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.arch.audio import audio_spec_from_hf, audio_spec_from_mmproj
from model.audio.params import parameters
from model.audio.spec import AudioSpec, ConformerSpec, Marks, MelSpec, RawSpec
from model.errors import FormatError, ModelError, UnsupportedModelError
from model.formats.gguf import open_gguf

E4B: dict[str, Any] = {"audio_config": {"model_type": "gemma4_audio"}, "text_config": {"hidden_size": 2560}}


def changed(**changes: Any) -> dict[str, Any]:
    return E4B | {"audio_config": E4B["audio_config"] | changes}


def test_the_released_encoders():
    """The audio tower that E2B and E4B share: 12 layers of 1024, some 0.3 billion weights."""
    spec = audio_spec_from_hf(E4B)
    assert spec == AudioSpec(ConformerSpec(MelSpec()), 2560, Marks(256_000, 258_881, 258_883))
    assert spec is not None
    assert parameters(spec) == 304_824_608 + 1536 * 2560
    unified = audio_spec_from_hf(hearing.UNIFIED | {"text_config": {"hidden_size": 3840}})
    assert unified == AudioSpec(RawSpec(640), 3840)
    assert unified is not None
    assert parameters(unified) == 640 * 3840


def test_a_model_that_does_not_hear():
    assert audio_spec_from_hf({"audio_config": None, "text_config": {"hidden_size": 8}}) is None
    assert audio_spec_from_hf({"text_config": {"hidden_size": 8}}) is None
    assert audio_spec_from_mmproj({"clip.has_vision_encoder": True}, {}) is None


def test_the_processor_decides_the_front_end():
    spec = audio_spec_from_hf(E4B, {"feature_extractor": {"feature_size": 80, "frame_length_ms": 32}})
    assert spec is not None
    assert isinstance(spec.encoder, ConformerSpec)
    assert spec.encoder.mel == MelSpec(bins=80, frame=512, fft=512)
    flat = audio_spec_from_hf(E4B, {"mel_floor": 0.01, "fft_overdrive": True})
    assert flat is not None
    assert isinstance(flat.encoder, ConformerSpec)
    assert flat.encoder.mel == MelSpec(floor=0.01, fft=1024)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (changed(hidden_act="gelu"), "hidden_act"),
        (changed(attention_context_right=3), "attention_context_right"),
        (changed(attention_context_left=20), "attention_context_left"),
        (changed(attention_chunk_size=10**6, attention_context_left=10**6 + 1), "attention_chunk_size"),
        (changed(subsampling_conv_channels=[8, 8, 8]), "subsampling_conv_channels"),
        (changed(model_type="gemma3n_audio"), "gemma3n_audio"),
        ({"audio_config": {"model_type": "gemma4_unified_audio", "audio_embed_dim": 639}}, "639"),
    ],
)
def test_what_we_do_not_run_is_refused_by_name(config: dict[str, Any], said: str):
    with pytest.raises(UnsupportedModelError, match=said):
        audio_spec_from_hf({"text_config": {"hidden_size": 8}} | config)


@pytest.mark.parametrize(
    ("processor", "said"),
    [
        ({"preemphasis": 0.97}, "preemphasis"),
        ({"sampling_rate": 8000}, "8000"),
        ({"dither": 1e-4}, "dither"),
        ({"min_frequency": 20.0}, "min_frequency"),
        ({"per_bin_mean": [0.0]}, "per_bin_mean"),
        ({"hop_length": 80}, "hop_length"),
    ],
)
def test_front_ends_that_we_do_not_run(processor: dict[str, Any], said: str):
    with pytest.raises(UnsupportedModelError, match=said):
        audio_spec_from_hf(E4B, {"feature_extractor": processor})


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (changed(num_hidden_layers=0), "num_hidden_layers"),
        (changed(rms_norm_eps="small"), "rms_norm_eps"),
        (changed(num_attention_heads=7), "7 heads"),
        (E4B | {"text_config": {}}, "text_config: hidden_size"),
    ],
)
def test_nonsense_is_refused_by_name(config: dict[str, Any], said: str):
    with pytest.raises(FormatError, match=said):
        audio_spec_from_hf(config)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"projector_type": "ultravox"}, "ultravox"),
        ({"embedding_length": None}, "embedding_length"),
        ({"attention__head_count": 5}, "5 heads"),
    ],
)
def test_other_projectors_are_refused_by_name(tmp_path: Path, changes: dict[str, Any], said: str):
    path = hearing.mmproj(tmp_path / "m.gguf", hearing.CONFIG, hearing.weights(hearing.CONFIG), **changes)
    with open_gguf(path) as file, pytest.raises((FormatError, UnsupportedModelError), match=said):
        audio_spec_from_mmproj(file.metadata, file.tensors)


@pytest.mark.parametrize(
    "processor",
    [{"hop_length_ms": 0.001}, {"frame_length_ms": 1e9}, {"frame_length_ms": 5}, {"frame_length_ms": 1e308}],
)
def test_front_ends_that_make_no_spectrogram(processor: dict[str, Any]):
    with pytest.raises(FormatError, match="make no spectrogram"):
        audio_spec_from_hf(E4B, processor)


def test_a_tensor_that_decides_a_shape_may_not_be_missing():
    with pytest.raises(FormatError, match=r"mm\.a\.input_projection"):
        audio_spec_from_mmproj({"clip.has_audio_encoder": True, "clip.audio.projector_type": "gemma4a"}, {})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**40) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
_AUDIO = (
    "attention_chunk_size",
    "attention_context_left",
    "conv_kernel_size",
    "hidden_size",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "output_proj_dims",
    "residual_weight",
    "rms_norm_eps",
    "subsampling_conv_channels",
)
_EXTRACTOR = (
    "feature_size",
    "frame_length_ms",
    "hop_length",
    "hop_length_ms",
    "max_frequency",
    "mel_floor",
    "sampling_rate",
)


@given(st.dictionaries(st.sampled_from(_AUDIO), _JSON), st.dictionaries(st.sampled_from(_EXTRACTOR), _JSON))
def test_nonsense_of_any_kind_is_an_error_of_ours(audio: dict[str, Any], extractor: dict[str, Any]):
    with suppress(ModelError):
        spec = audio_spec_from_hf(changed(**audio), {"feature_extractor": extractor})
        assert spec is None or spec.tokens_per_second >= 1


@given(_JSON, _JSON, _JSON)
def test_nonsense_in_place_of_a_configuration_is_one_too(audio: Any, text: Any, extractor: Any):
    with suppress(ModelError):
        audio_spec_from_hf({"audio_config": audio, "text_config": text}, {"feature_extractor": extractor})
