"""What we hear against what transformers hears: as a golden, and live where it is installed."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import hearing
import numpy as np
import pytest
from checkpoints import InMemory

from model.arch.audio import audio_spec_from_hf, audio_spec_from_mmproj
from model.arch.hf import config_from_hf
from model.arch.hf_naming import naming_from_hf
from model.audio.cost import soft_tokens
from model.audio.encoder import AudioEncoder
from model.audio.load import load_audio
from model.audio.mel import log_mels
from model.audio.spec import ConformerSpec, MelSpec
from model.decoder.decoder import Decoder
from model.engine.engine import Engine
from model.formats.gguf import open_gguf
from model.formats.safetensors import open_safetensors
from model.nn.linear import Numerics
from model.prompt import Soft
from model.weights.load import load_params

GOLDEN = Path(__file__).parent / "golden" / "audio.npz"
KINDS = ("conformer", "unclipped", "raw")
EXACT = Numerics(integer_rows=0)
CLOSE = 1e-4

Arrays = Mapping[str, Any]


@pytest.fixture(scope="module")
def asked(audio_reference: ModuleType) -> ModuleType:
    return audio_reference


@pytest.fixture(scope="module")
def golden() -> Arrays:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def encoder(config: Mapping[str, Any]) -> AudioEncoder:
    spec = audio_spec_from_hf(config)
    assert spec is not None
    return AudioEncoder(load_audio(InMemory(hearing.weights(config)), spec), spec, EXACT)


def heard(listener: AudioEncoder, waveform: np.ndarray) -> np.ndarray:
    """All soft tokens of a sound, as many as were announced."""
    soft = np.concatenate([each.soft for each in listener.hear(waveform)])
    assert len(soft) == soft_tokens(listener.spec, len(waveform))
    return soft


# --- the golden ---------------------------------------------------------------------------------------------


def test_spectrograms_are_the_references(golden: Arrays, asked: ModuleType):
    for length in asked.LENGTHS:
        mels, whole = log_mels(hearing.sound(length), MelSpec(), 16_000)
        assert whole.tolist() == golden[f"{length}_mask"].tolist()
        np.testing.assert_allclose(mels[:: asked.EVERY], golden[f"{length}_mels"], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_soft_tokens_are_the_references(kind: str, golden: Arrays, asked: ModuleType):
    listener = encoder(asked.CONFIGS[kind])
    for length in asked.lengths(kind):
        wanted = golden[f"{kind}_{length}_soft"]
        got = heard(listener, hearing.sound(length))
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max() <= CLOSE


def test_a_recorded_sentence_is_heard_as_the_reference_hears_it(
    golden: Arrays, asked: ModuleType, material: Callable[[str], Path]
):
    waveform = asked.speech(material(asked.SENTENCE))
    mels, whole = log_mels(waveform, MelSpec(), 16_000)
    assert whole.tolist() == golden["jfk_mask"].tolist()
    np.testing.assert_allclose(mels[:: asked.EVERY], golden["jfk_mels"], atol=1e-5)
    got, wanted = heard(encoder(hearing.CONFIG), waveform), golden["conformer_jfk_soft"]
    assert got.shape == wanted.shape == (275, hearing.TEXT)
    assert np.abs(got - wanted).max() <= CLOSE


@pytest.fixture(scope="module", params=("conformer", "raw"))
def prompted(request: pytest.FixtureRequest) -> Arrays:
    with np.load(GOLDEN.with_name(f"audio-prompt-{request.param}.npz")) as arrays:
        return dict(arrays)


def test_prompts_of_text_and_sounds_are_read_as_by_the_reference(
    prompted: Arrays, asked: ModuleType, families: ModuleType, tmp_path: Path
):
    """The whole model from its checkpoint: the sounds through the encoder, all of it through the decoder."""
    shapes = json.loads(str(prompted["shapes"]))
    drawn = {name: hearing.drawn(name, shape) for name, shape in shapes.items()}
    folder = families.write(tmp_path / "model", str(prompted["config"]), drawn)
    described = json.loads((folder / "config.json").read_text())
    spec = audio_spec_from_hf(described)
    assert spec is not None
    with open_safetensors(folder) as file:
        config = config_from_hf(described, file.tensors)
        params = load_params(file, config, naming_from_hf(described, file.tensors), precision="float32")
        listener = AudioEncoder(load_audio(file, spec), spec, EXACT)
    rows = [heard(listener, waveform) for waveform in asked.heard_in_prompt()]
    ids = asked.prompt([len(each) for each in rows])
    assert ids.tolist() == prompted["ids"].tolist()
    places = np.flatnonzero((ids < 0) & (np.roll(ids, 1) >= 0)).tolist()
    soft = [Soft(place, each, is_block=False) for place, each in zip(places, rows, strict=True)]
    engine = Engine(Decoder(config, EXACT, "blocked"), params, window=256, cache_bits=32)
    got = engine.score(np.maximum(ids, 0).tolist(), soft)
    assert np.abs(prompted["logits"]).max() > 1
    assert np.abs(got - prompted["logits"]).max() <= CLOSE


# --- live ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=KINDS)
def live(request: pytest.FixtureRequest, asked: ModuleType, reference: ModuleType) -> tuple[str, Any]:
    """transformers with the same weights; with ``CI=true`` it must be there."""
    missing = [package for package in reference.PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        why = f"{', '.join(missing)} missing; the extra `parity` brings it"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)
    return request.param, asked.AudioReference(asked.CONFIGS[request.param])


@pytest.mark.slow
def test_features_and_counts_equal_the_live_processors(
    live: tuple[str, Any], asked: ModuleType, material: Callable[[str], Path]
):
    from model.audio.unified import pieces

    kind, theirs = live
    spec = audio_spec_from_hf(asked.CONFIGS[kind])
    assert spec is not None
    draw = np.random.default_rng(3)
    lengths = [*asked.LENGTHS, 480_000, *draw.integers(161, 60_000, 12).tolist()]
    sounds = [*map(hearing.sound, lengths), asked.speech(material(asked.SENTENCE))]
    for waveform in sounds:
        wanted, mask = theirs.features(waveform)
        if isinstance(spec.encoder, ConformerSpec):
            got, whole = log_mels(waveform, spec.encoder.mel, 16_000)
            assert whole.tolist() == mask.tolist()
        else:
            got = pieces(waveform, spec.encoder)
            assert mask.all()
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, atol=1e-6)
        assert soft_tokens(spec, len(waveform)) == theirs.placeholders(waveform)


@pytest.mark.slow
def test_soft_tokens_equal_the_live_models_from_either_file(
    live: tuple[str, Any], asked: ModuleType, tmp_path: Path
):
    """Its checkpoint through our readers, and the GGUF that is made of it."""
    kind, theirs = live
    folder = theirs.save(tmp_path / "model")
    described, processor = (
        json.loads((folder / name).read_bytes()) for name in ("config.json", "preprocessor_config.json")
    )
    spec = audio_spec_from_hf(described, processor)
    assert spec is not None
    with open_safetensors(folder) as checkpoint:
        params = load_audio(checkpoint, spec)
    path = hearing.mmproj(tmp_path / "m.gguf", asked.CONFIGS[kind], hearing.weights(asked.CONFIGS[kind]))
    with open_gguf(path) as file:
        converted = audio_spec_from_mmproj(file.metadata, file.tensors)
        assert converted == spec
        listeners = [AudioEncoder(each, spec, EXACT) for each in (params, load_audio(file, spec))]
    for length in (*asked.LENGTHS, 31_999):
        wanted = theirs.soft(hearing.sound(length))
        for listener in listeners:
            got = heard(listener, hearing.sound(length))
            assert got.shape == wanted.shape
            assert np.abs(got - wanted).max() <= CLOSE


@pytest.mark.slow
def test_the_golden_is_what_the_live_reference_says(live: tuple[str, Any], golden: Arrays, asked: ModuleType):
    kind, theirs = live
    if kind in asked.PROMPTED:
        with np.load(GOLDEN.with_name(f"audio-prompt-{kind}.npz")) as made:
            got = theirs.logits(made["ids"], asked.heard_in_prompt())
            np.testing.assert_allclose(got, made["logits"], atol=CLOSE / 2)
    for length in asked.lengths(kind):
        np.testing.assert_allclose(
            theirs.soft(hearing.sound(length)), golden[f"{kind}_{length}_soft"], atol=CLOSE / 2
        )
