"""Every text family, tiny and random, through the real loader: transformers' logits, however computed."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from model.arch.gguf import config_from_gguf
from model.arch.hf import config_from_hf
from model.arch.hf_naming import naming_from_hf
from model.cache.state import State, init_state
from model.config import ModelConfig
from model.decoder.decoder import Decoder, Media
from model.formats.gguf import open_gguf
from model.formats.safetensors import open_safetensors
from model.nn.linear import Numerics
from model.weights.load import load_params
from model.weights.params import Params

GOLDEN = Path(__file__).parent / "golden"
CLOSE = 1e-4
SLOTS = 128
NAMES = tuple(sorted(path.stem.removeprefix("family-") for path in GOLDEN.glob("family-*.npz")))

Arrays = dict[str, Any]


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def golden(name: str) -> Arrays:
    with np.load(GOLDEN / f"family-{name}.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def folder(name: str, golden: Arrays, families: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint that the golden was made from."""
    from_one = families.FAMILIES[name][0] in ("gemma", "gemma2", "gemma3", "gemma3_text")
    tensors = families.weights(json.loads(str(golden["shapes"])), norms_from_one=from_one)
    return families.write(tmp_path_factory.mktemp(name), str(golden["config"]), tensors)


@pytest.fixture(scope="module")
def loaded(folder: Path) -> tuple[ModelConfig, Params]:
    described = json.loads((folder / "config.json").read_text())
    with open_safetensors(folder) as file:
        config = config_from_hf(described, file.tensors)
        naming = naming_from_hf(described, file.tensors)
        return config, load_params(file, config, naming, precision="float32")


@partial(jax.jit, static_argnums=0, compiler_options=tiny.QUICK)
def step(
    decoder: Decoder, params: Params, ropes: Any, state: State, ids: Any, count: Any, media: Media | None
) -> tuple[jax.Array, State]:
    hidden, state = decoder.hidden(params, ropes, state, ids, count, media)
    return decoder.logits(params, hidden), state


def logits(config: ModelConfig, params: Params, families: ModuleType, name: str) -> np.ndarray:
    """f32 [T, V], computed in chunks of (tokens, size compiled for)."""
    decoder = Decoder(config, Numerics(integer_rows=0))
    ropes = decoder.rope_tables(SLOTS)
    state, done, parts = init_state(config, SLOTS, 32), 0, []
    text = families.ids(name)
    is_soft = (text == families.PLACEHOLDER) & (name in families.WITH_IMAGE)
    rows = np.zeros((len(text), config.width), np.float32)
    rows[is_soft] = families.soft()[: is_soft.sum()]
    for taken, size in CUT:
        here, spare = slice(done, done + taken), size - taken
        media = None
        if is_soft.any() and size > 1:
            media = Media(
                jnp.asarray(np.pad(rows[here], ((0, spare), (0, 0)))),
                jnp.asarray(np.pad(is_soft[here], (0, spare))),
                jnp.asarray(np.pad(np.where(is_soft[here], 0, -1), (0, spare), constant_values=-1)),
            )
        chunk = jnp.asarray(np.pad(text[here], (0, spare)))
        got, state = step(decoder, params, ropes, state, chunk, jnp.int32(taken), media)
        parts.append(np.asarray(got)[:taken])
        done += taken
    assert done == len(text)
    return np.concatenate(parts)


# A chunk of several windows and an image, a short one, then token by token.
CUT = [(29, 32), (3, 32), *[(1, 1)] * 13]


def test_the_logits_of_the_reference(
    name: str, loaded: tuple[ModelConfig, Params], golden: Arrays, families: ModuleType
) -> None:
    assert np.abs(golden["logits"]).max() > 1
    np.testing.assert_allclose(logits(*loaded, families, name), golden["logits"], rtol=0, atol=CLOSE)


def test_the_same_model_as_gguf(name: str, loaded: tuple[ModelConfig, Params], tmp_path: Path) -> None:
    """The same architecture and the same weights, so the same logits."""
    config, params = loaded
    config = replace(config, adjacent_pairs=config.architecture == "llama")
    path = tiny.write_gguf(tmp_path / "m.gguf", tiny.metadata_of(config), tiny.tensors_of(config, params))
    with open_gguf(path) as file:
        described = config_from_gguf(file.metadata, file.tensors)
        again = load_params(file, described, precision="float32")
    # Its keys cannot say another query scale than the released models', and hold numbers in f32.
    layers = tuple(
        tiny.with_attention(mine, query_scale=tiny.attention_of(theirs).query_scale)
        for mine, theirs in zip(described.layers, config.layers, strict=True)
    )
    assert described.norm_eps == pytest.approx(config.norm_eps)
    described = replace(described, layers=layers, norm_eps=config.norm_eps)
    assert described == config
    assert jax.tree.structure(again) == jax.tree.structure(params)
    for mine, theirs in zip(jax.tree.leaves(again), jax.tree.leaves(params), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.slow
@pytest.mark.usefixtures("transformers")
def test_the_golden_is_what_the_reference_says(
    name: str, golden: Arrays, families: ModuleType, families_reference: ModuleType, tmp_path: Path
) -> None:
    live = families_reference.Reference(families, name, tmp_path)
    assert live.shapes == json.loads(str(golden["shapes"]))
    np.testing.assert_allclose(live.logits(), golden["logits"], rtol=0, atol=CLOSE / 10)
