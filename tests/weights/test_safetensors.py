"""Checkpoints of floats: every place found by its name, rounded in pieces to the bits asked for."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest
import tiny

from model.config import AttentionSpec, ModelConfig
from model.errors import FormatError
from model.formats.safetensors import open_safetensors
from model.nn import packed
from model.nn.grouped import GroupedArray, widened
from model.nn.packed import PackedArray
from model.weights import load as module
from model.weights.hf_names import HFNames, names_in
from model.weights.load import load_params
from model.weights.params import Params, stacks
from model.weights.quantize import quantize

NAMES = HFNames("model.", "lm_head.weight", norms_from_one=True)
CONFIGS = {"llama": tiny.llama(), "qwen": tiny.qwen(), "gemma": tiny.gemma(8)}


def tensors_of(config: ModelConfig, params: Params, naming: HFNames = NAMES) -> dict[str, np.ndarray]:
    """A checkpoint's tensors f32 of a model's parameters, cut apart as Hugging Face keeps them."""
    found: dict[str, np.ndarray] = {}

    def take(source: Any, whole: np.ndarray) -> None:
        part = whole[source.first : source.first + source.shape[0]] - source.plus
        found[source.name] = np.asarray(part, np.float32).reshape(source.stored or source.shape)

    for place in (field.name for field in fields(Params) if field.name != "stacks"):
        if getattr(params, place) is not None:
            take(naming.top(config, place), tiny.f64(getattr(params, place)))
    for stack, pattern in zip(stacks(config), params.stacks, strict=True):
        for place, layer in enumerate(pattern):
            for field in fields(layer):
                if (array := getattr(layer, field.name)) is None:
                    continue
                for repeat in range(stack.repeats):
                    for source in naming.in_layer(config, stack.layer(repeat, place), field.name):
                        take(source, tiny.f64(array)[repeat])
    return found


def write(path: Path, tensors: dict[str, np.ndarray], kind: Any = np.float32) -> Path:
    name = {np.float32: "F32", np.float16: "F16", ml_dtypes.bfloat16: "BF16"}[kind]
    header, at = {}, 0
    for key, array in tensors.items():
        size = array.size * np.dtype(kind).itemsize
        header[key] = {"dtype": name, "shape": list(array.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    body = b"".join(array.astype(kind).tobytes() for array in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def load(
    path: Path, config: ModelConfig, precision: Any = "float32", naming: HFNames = NAMES, **more
) -> Params:
    with open_safetensors(path) as file:
        return load_params(file, config, naming, precision=precision, **more)


@pytest.mark.parametrize("name", CONFIGS)
def test_float32_is_exactly_the_file(tmp_path: Path, name: str) -> None:
    config = CONFIGS[name]
    params = tiny.random_params(config)
    got = load(write(tmp_path / "m.safetensors", tensors_of(config, params)), config)
    for left, right in zip(jax.tree.leaves(got), jax.tree.leaves(params), strict=True):
        np.testing.assert_allclose(left, right, atol=2e-7)  # a norm's 1 + w is rounded once


@pytest.mark.parametrize("prefix", ["", "model.", "model.language_model.", "language_model.model."])
def test_the_decoder_is_found_wherever_it_lies(tmp_path: Path, prefix: str) -> None:
    config = CONFIGS["gemma"]
    naming = HFNames(prefix, "lm_head.weight", norms_from_one=True)
    tensors = tensors_of(config, tiny.random_params(config), naming)
    assert names_in(tensors, norms_from_one=True) == naming
    tensors["model.vision_tower.patch.weight"] = np.zeros((2, 2), np.float32)
    tensors["lm_head.weight"] = tensors[f"{prefix}embed_tokens.weight"]
    load(write(tmp_path / "m.safetensors", tensors), config, naming=naming)


def test_everything_that_is_wrong_is_listed_at_once(tmp_path: Path) -> None:
    config = CONFIGS["llama"]
    tensors = tensors_of(config, tiny.random_params(config))
    del tensors["model.norm.weight"]
    tensors["model.layers.1.mlp.down_proj.weight"] = np.zeros((3, 5), np.float32)
    tensors["model.layers.0.self_attn.z_proj.weight"] = np.zeros((3, 5), np.float32)
    with pytest.raises(FormatError) as caught:
        load(write(tmp_path / "m.safetensors", tensors), config)
    for said in (
        "missing: model.norm.weight",
        "model.layers.1.mlp.down_proj.weight has shape [3, 5], expected [32, 64]",
        "unknown: model.layers.0.self_attn.z_proj.weight",
    ):
        assert said in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_every_tensor_with_numbers_that_are_none_is_listed(tmp_path: Path, bad: float) -> None:
    config = CONFIGS["llama"]
    tensors = tensors_of(config, tiny.random_params(config))
    damaged = ("model.layers.0.mlp.up_proj.weight", "model.layers.2.input_layernorm.weight")
    for name in damaged:
        tensors[name].reshape(-1)[3] = bad
    with pytest.raises(FormatError) as caught:
        load(write(tmp_path / "m.safetensors", tensors), config, "quantized")
    assert all(f"{name} holds numbers that are not finite" in str(caught.value) for name in damaged)
    assert str(caught.value).count("finite") == 2


def test_an_embedding_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="embed_tokens"):
        names_in({"model.norm.weight": 0})


def is_stored(leaf: object) -> bool:
    return isinstance(leaf, (PackedArray, GroupedArray))


def widen(leaf: Any) -> Any:
    """A parameter's value f32, however it is stored; of a matrix in no stack too."""
    if isinstance(leaf, PackedArray):
        return np.stack([packed.unpack(each) for each in np.asarray(leaf.data)])
    return np.asarray(widened(leaf, np.float32)) if isinstance(leaf, GroupedArray) else np.asarray(leaf)


WIDE = replace(
    tiny.gemma(8),
    width=64,
    layers=tuple(replace(spec, ffw=96) for spec in tiny.gemma(8).layers),
)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("precision", ["packed", "grouped"])
@pytest.mark.parametrize("pieces", ["whole", "pieces"])
def test_floats_are_rounded_alike_in_either_form_and_in_any_pieces(
    tmp_path: Path, precision: str, bits: int, pieces: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pieces == "pieces":
        monkeypatch.setattr(module, "_AT_ONCE", 1000)
    params = tiny.random_params(WIDE)
    got = load(write(tmp_path / "m.safetensors", tensors_of(WIDE, params)), WIDE, precision, bits=bits)
    kinds = {type(leaf) for leaf in jax.tree.leaves(got, is_leaf=is_stored) if is_stored(leaf)}
    assert kinds == {PackedArray if precision == "packed" else GroupedArray}
    layers = zip(got.stacks, params.stacks, strict=True)
    pairs = [
        (getattr(a, n), getattr(b, n), n)
        for s, t in layers
        for a, b in zip(s, t, strict=True)
        for n in vars(a)
    ]
    for left, right, name in [(got.embed, params.embed, "embed"), *pairs]:
        if not is_stored(left):
            continue
        exact = np.asarray(right, np.float32)
        want = quantize(exact.reshape(-1, exact.shape[-1]), 8 if name == "embed" else bits).dequantize()
        # Scales are kept in 16 bits.
        np.testing.assert_allclose(
            widen(left).reshape(want.shape), want, atol=np.abs(exact).max() * 2e-3, err_msg=name
        )


@pytest.mark.parametrize("kind", [np.float16, ml_dtypes.bfloat16])
def test_files_of_16_bits(tmp_path: Path, kind: Any) -> None:
    config = CONFIGS["llama"]
    params = tiny.random_params(config)
    tensors = tensors_of(config, params)
    got = load(write(tmp_path / "m.safetensors", tensors, kind), config)
    np.testing.assert_array_equal(got.embed, np.asarray(params.embed).astype(kind).astype(np.float32))


def test_a_laid_out_copy_is_kept_and_made_again_when_a_file_of_the_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, copies = tmp_path / "model", tmp_path / "copies"
    folder.mkdir()
    tensors = tensors_of(WIDE, tiny.random_params(WIDE))
    write(folder / "model.safetensors", tensors)
    read: list[str] = []
    fill: Callable[..., int] = module._fill_one
    monkeypatch.setattr(module, "_fill_one", lambda *given: read.append("one") or fill(*given))
    first = load(folder, WIDE, "packed", bits=8, copies=copies)
    count = len(read)
    again = load(folder, WIDE, "packed", bits=8, copies=copies)
    assert len(read) == count > 0
    np.testing.assert_array_equal(first.embed.data, again.embed.data)
    load(folder, WIDE, "packed", bits=4, copies=copies)
    assert len(read) == 2 * count, "other bits are another copy"
    tensors["model.norm.weight"] += 1
    write(folder / "model.safetensors", {**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"]})
    load(folder, WIDE, "packed", bits=4, copies=copies)
    assert len(read) == 3 * count


def test_layers_that_borrow_may_have_been_trained_beside_projections_of_their_own() -> None:
    spec = CONFIGS["llama"].layers[0]
    assert isinstance(spec.mixer, AttentionSpec)
    config = replace(CONFIGS["llama"], layers=(spec, replace(spec, mixer=replace(spec.mixer, source=0))))
    assert NAMES.is_superfluous(config, "model.layers.1.self_attn.v_proj.weight")
    assert not NAMES.is_superfluous(config, "model.layers.0.self_attn.v_proj.weight")
    assert not NAMES.is_superfluous(config, "model.layers.7.self_attn.v_proj.weight")


def test_a_copy_is_not_taken_for_other_weights_of_the_same_size_and_time(tmp_path: Path) -> None:
    folder, copies = tmp_path / "model", tmp_path / "copies"
    folder.mkdir()
    tensors = tensors_of(WIDE, tiny.random_params(WIDE))
    file = write(folder / "model.safetensors", tensors)
    os.utime(file, (1, 1))
    first = load(folder, WIDE, "packed", bits=8, copies=copies)
    tensors["model.norm.weight"] += 1
    write(file, tensors)
    os.utime(file, (1, 1))
    again = load(folder, WIDE, "packed", bits=8, copies=copies)
    assert not np.array_equal(first.final_norm, again.final_norm)
