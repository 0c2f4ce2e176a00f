"""RecurrentGemma as transformers writes it, through the real loader: the same logits, whole and by steps."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
import pytest
import tiny

from model.arch.hf import config_from_hf
from model.arch.hf_naming import naming_from_hf
from model.cache.state import State, init_state
from model.decoder.decoder import Decoder
from model.engine.engine import Engine
from model.formats.safetensors import open_safetensors
from model.nn.linear import Numerics
from model.weights.load import Precision, load_params

HERE = Path(__file__).parent
CLOSE = 1e-4

Arrays = dict[str, Any]


@pytest.fixture(scope="module")
def golden() -> Arrays:
    with np.load(HERE / "golden" / "griffin.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def ids(golden: Arrays) -> list[int]:
    return golden["ids"].tolist()


@pytest.fixture(scope="module")
def folder(golden: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint as it was written."""
    place = tmp_path_factory.mktemp("griffin")
    (place / "config.json").write_bytes(golden["config"].tobytes())
    (place / "model.safetensors").write_bytes(golden["weights"].tobytes())
    return place


def load(folder: Path, precision: Precision = "float32") -> Engine:
    described = json.loads((folder / "config.json").read_bytes())
    with open_safetensors(folder) as file:
        config = config_from_hf(described, file.tensors)
        naming = naming_from_hf(described, file.tensors)
        params = load_params(file, config, naming, precision=precision)
    exact = precision == "float32"
    decoder = Decoder(config, Numerics(integer_rows=0) if exact else Numerics())
    return Engine(decoder, params, window=256, cache_bits=32 if exact else 16)


@pytest.fixture(scope="module")
def engine(folder: Path) -> Engine:
    return load(folder)


def steps(engine: Engine, ids: list[int], prompt: int) -> np.ndarray:
    """Logits [T, V], the first `prompt` tokens at once and every other one by itself."""
    decoder, ropes = engine.decoder, engine.decoder.rope_tables(256)
    state, parts = init_state(decoder.config, 256, 32), []
    for first, last in [(0, prompt), *((at, at + 1) for at in range(prompt, len(ids)))]:
        tokens = np.array(ids[first:last], np.int32)
        logits, state = run(decoder, engine.params, ropes, state, tokens, np.int32(last - first))
        parts.append(np.asarray(logits))
    return np.concatenate(parts)


@partial(jax.jit, static_argnums=0, donate_argnums=3, compiler_options=tiny.QUICK)
def run(decoder: Decoder, params: Any, ropes: Any, state: State, tokens: Any, count: Any) -> Any:
    hidden, state = decoder.hidden(params, ropes, state, tokens, count)
    return decoder.logits(params, hidden), state


def test_a_text_at_once_gives_the_references_logits(engine: Engine, ids: list[int], golden: Arrays) -> None:
    window = engine.decoder.config.reach
    assert len(ids) > 6 * window
    np.testing.assert_allclose(engine.score(ids), golden["logits"], atol=CLOSE)


@pytest.mark.parametrize("prompt", [1, 3, 20])
def test_step_by_step_gives_the_references_logits(
    engine: Engine, ids: list[int], golden: Arrays, prompt: int
) -> None:
    """Prompts shorter than the convolution, and longer than the window."""
    np.testing.assert_allclose(steps(engine, ids, prompt), golden["logits"], atol=CLOSE)


def test_the_engine_continues_in_any_pieces(engine: Engine, ids: list[int], golden: Arrays) -> None:
    """Padded chunks of 32, 1 and the rest; the last row alone."""
    state, done = engine.new_state(len(ids)), 0
    for taken in (2, 1, 30, 19):
        logits, state = engine.prefill(ids[done : done + taken], state)
        done += taken
        np.testing.assert_allclose(logits, golden["logits"][done - 1], atol=CLOSE)
    assert done == len(ids)


def test_quantized_matrices_predict_nearly_the_same(folder: Path, ids: list[int], golden: Arrays) -> None:
    apart = np.abs(load(folder, "quantized").score(ids) - golden["logits"])
    assert 0 < apart.mean() < 2e-3


# --- live ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live(transformers: None, make_griffin: ModuleType) -> Any:
    """Other weights, and biases on q, k and v."""
    return make_griffin.Reference(seed=1, attention_bias=True)


@pytest.mark.slow
def test_other_weights_give_the_references_logits_live(live: Any, ids: list[int], tmp_path: Path) -> None:
    live.save(tmp_path)
    ours = load(tmp_path)
    np.testing.assert_allclose(ours.score(ids), live.logits(ids), atol=CLOSE)
    np.testing.assert_allclose(steps(ours, ids, 20), live.steps(ids, 20), atol=CLOSE)


@pytest.mark.slow
def test_the_golden_is_what_the_reference_says(make_griffin: ModuleType, live: Any, golden: Arrays) -> None:
    theirs = make_griffin.Reference().logits(golden["ids"].tolist())
    np.testing.assert_allclose(golden["logits"], theirs, atol=1e-5)
