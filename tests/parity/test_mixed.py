"""Words, pictures of odd aspect, frames and sounds in one prompt: transformers' logits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from model.arch.audio import audio_spec_from_hf
from model.arch.hf import config_from_hf
from model.arch.hf_naming import naming_from_hf
from model.arch.vision import vision_spec_from_hf
from model.audio.cost import soft_tokens
from model.audio.encoder import AudioEncoder
from model.audio.load import load_audio
from model.decoder.decoder import Decoder
from model.engine.engine import Engine
from model.formats.safetensors import open_safetensors
from model.nn.linear import Numerics
from model.prompt import Soft
from model.senses import Senses
from model.vision.cost import image_tokens
from model.vision.encoder import Encoder
from model.vision.load import load_vision
from model.weights.load import load_params

GOLDEN = Path(__file__).parent / "golden"
NAMES = tuple(sorted(path.stem.removeprefix("mixed-") for path in GOLDEN.glob("mixed-*.npz")))
CLOSE = 1e-4
BUDGET = 70
STEPS = 10
EXACT = Numerics(integer_rows=0)

Arrays = dict[str, Any]


def counter(described: dict[str, Any]) -> Callable[[tuple[str, Any]], int]:
    """Tells how many soft tokens a piece of a prompt takes, by the rules of config.json."""
    vision, audio = vision_spec_from_hf(described), audio_spec_from_hf(described)
    budget = None if described["model_type"] == "gemma3" else BUDGET

    def count(piece: tuple[str, Any]) -> int:
        kind, value = piece
        if kind == "sound":
            assert audio is not None
            return soft_tokens(audio, len(value))
        assert vision is not None
        return image_tokens(vision, value.shape[1], value.shape[0], budget)

    return count


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def golden(name: str) -> Arrays:
    with np.load(GOLDEN / f"mixed-{name}.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def folder(
    name: str,
    golden: Arrays,
    mixed: ModuleType,
    families: ModuleType,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    tensors = mixed.weights(json.loads(str(golden["shapes"])), from_one=mixed.norms_from_one(name))
    return families.write(tmp_path_factory.mktemp(name), str(golden["config"]), tensors)


@pytest.fixture(scope="module")
def asked(folder: Path, name: str, mixed: ModuleType) -> tuple[Engine, np.ndarray, list[Soft]]:
    """The engine, and the prompt as it takes it."""
    described = json.loads((folder / "config.json").read_text())
    with open_safetensors(folder) as file:
        config = config_from_hf(described, file.tensors)
        naming = naming_from_hf(described, file.tensors)
        params = load_params(file, config, naming, precision="float32")
        vision, audio = vision_spec_from_hf(described), audio_spec_from_hf(described)
        eye = vision and Encoder(load_vision(file, vision), vision, EXACT)
        ear = audio and AudioEncoder(load_audio(file, audio), audio, EXACT)
    senses = Senses(lambda: (eye, ear))
    budget = None if name == "gemma3" else BUDGET

    def rows(kind: str, value: np.ndarray) -> np.ndarray:
        if kind == "sound":
            return np.concatenate([each.rows for each in senses.hear([value])])
        return senses.see(value, frame=kind == "frame", budget=budget)

    ids, places = mixed.ids(name, counter(described))
    soft = []
    for begin, end, (kind, value) in places:
        soft.append(Soft(begin, rows(kind, value), kind != "sound"))
        assert soft[-1].end == end, "as many as were announced"
    return Engine(Decoder(config, EXACT), params, window=1024, cache_bits=32), ids, soft


def test_the_logits_of_the_reference(asked: tuple[Engine, np.ndarray, list[Soft]], golden: Arrays) -> None:
    engine, ids, soft = asked
    assert np.abs(golden["logits"]).max() > 1
    np.testing.assert_allclose(engine.score(ids.tolist(), soft), golden["logits"], rtol=0, atol=CLOSE)


def test_prefill_in_chunks_and_then_step_by_step(
    asked: tuple[Engine, np.ndarray, list[Soft]], golden: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks far smaller than the prompt, none of which divides a picture that is seen as a whole."""
    engine, ids, soft = asked
    monkeypatch.setattr("model.engine.plan.CHUNKS", (32, 64))
    monkeypatch.setattr("model.engine.plan.LARGEST", 64)
    text = ids.tolist()
    logits, state = engine.prefill(text[:-STEPS], engine.new_state(len(text)), soft=soft)
    got = [np.asarray(logits)]
    for token in text[-STEPS:-1]:
        logits, state = engine.prefill([token], state)
        got.append(np.asarray(logits))
    np.testing.assert_allclose(np.stack(got), golden["logits"][-STEPS - 1 : -1], rtol=0, atol=CLOSE)


@pytest.mark.slow
@pytest.mark.usefixtures("transformers")
def test_the_golden_is_what_the_reference_says(
    name: str,
    golden: Arrays,
    mixed: ModuleType,
    mixed_reference: ModuleType,
    families: ModuleType,
    families_reference: ModuleType,
    vision_reference: Callable[[], ModuleType],
    tmp_path: Path,
) -> None:
    live = mixed_reference.Reference(mixed, families, families_reference, name, tmp_path)
    assert live.shapes == json.loads(str(golden["shapes"]))
    ids, soft = mixed.ids(name, counter(json.loads(live.config)))
    logits = live.logits(ids, soft, vision_reference())
    np.testing.assert_allclose(logits, golden["logits"], rtol=0, atol=CLOSE / 10)
