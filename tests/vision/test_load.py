"""Weights from both formats: the same tree, every name that checkpoints have, all problems in one error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gguf
import jax
import numpy as np
import pytest
import seeing
import tiny
from checkpoints import InMemory

from model.arch.vision import vision_spec_from_hf, vision_spec_from_mmproj
from model.errors import FormatError
from model.formats.gguf import open_gguf
from model.vision.encoder import Encoder
from model.vision.load import load_vision
from model.vision.params import VisionParams, abstract
from model.vision.preprocess import prepare
from model.vision.spec import Siglip, VisionSpec
from model.weights.params import ArrayInfo


def spec_of(name: str) -> VisionSpec:
    found = vision_spec_from_hf(seeing.CONFIGS[name])
    assert found is not None
    return found


def same(one: VisionParams, other: VisionParams, atol: float = 0) -> None:
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(left, right, rtol=0, atol=atol)


@pytest.mark.parametrize("name", seeing.NAMES)
def test_the_tree_is_the_abstract_one(name: str) -> None:
    spec = spec_of(name)
    params = load_vision(seeing.checkpoint(name), spec)
    infos = jax.tree.leaves(abstract(spec), is_leaf=lambda leaf: isinstance(leaf, ArrayInfo))
    assert [leaf.shape for leaf in jax.tree.leaves(params)] == [info.shape for info in infos]
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize("name", seeing.NAMES)
def test_an_mmproj_file_gives_the_same_weights(name: str, tmp_path: Path) -> None:
    spec, checkpoint = spec_of(name), seeing.checkpoint(name)
    with open_gguf(seeing.write_mmproj(tmp_path / "mmproj.gguf", name, checkpoint.tensors)) as file:
        found = vision_spec_from_mmproj(file.metadata, file.tensors)
        assert found is not None
        assert found.encoder == spec.encoder
        assert found.norm_eps == pytest.approx(spec.norm_eps)
        assert (found.patch, found.pool, found.width, found.text_width, found.resize) == (
            spec.patch,
            spec.pool,
            spec.width,
            spec.text_width,
            spec.resize,
        )
        # The one that is added to a norm before it is saved is rounded once more.
        same(load_vision(file, found), load_vision(checkpoint, spec), atol=1e-6)


@pytest.mark.parametrize("name", seeing.NAMES)
def test_both_formats_see_the_same(name: str, tmp_path: Path) -> None:
    spec, checkpoint = spec_of(name), seeing.checkpoint(name)
    patches = prepare(spec, seeing.picture(61, 33), seeing.budget(name))
    soft = Encoder(load_vision(checkpoint, spec), spec, options=tiny.QUICK)(patches)
    with open_gguf(seeing.write_mmproj(tmp_path / "mmproj.gguf", name, checkpoint.tensors)) as file:
        found = vision_spec_from_mmproj(file.metadata, file.tensors)
        assert found is not None
        again = Encoder(load_vision(file, found), spec, options=tiny.QUICK)(patches)
    assert np.abs(soft).max() > 0.5
    np.testing.assert_allclose(again, soft, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("gemma3", "model.", ""),
        ("gemma3", "vision_tower.", "vision_tower.vision_model."),
        ("gemma4-unified", "model.vision_embedder.", "model.embed_vision."),
        (
            "gemma4-unified",
            "model.embed_vision.embedding_projection",
            "model.embed_vision.multimodal_embedder.embedding_projection",
        ),
    ],
)
def test_other_versions_names(name: str, old: str, new: str) -> None:
    checkpoint = seeing.checkpoint(name)
    plain = {
        tensor.replace("vision_model.", "").replace("vision_tower", "model.vision_tower")
        if name == "gemma3" and not tensor.startswith("model.")
        else tensor: array
        for tensor, array in checkpoint.tensors.items()
    }
    renamed = {tensor.replace(old, new, 1): array for tensor, array in plain.items()}
    assert set(renamed) != set(plain)
    same(load_vision(InMemory(renamed), spec_of(name)), load_vision(checkpoint, spec_of(name)))


def test_the_first_converters_swapped_names(tmp_path: Path) -> None:
    checkpoint = seeing.checkpoint("gemma3")
    tensors = seeing.mmproj_tensors(checkpoint.tensors)
    swap = {"ffn_up": "ffn_down", "ffn_down": "ffn_up"}
    swapped = {
        ".".join(swap.get(part, part) for part in name.split(".")): array for name, array in tensors.items()
    }
    path = seeing.write(tmp_path / "old.gguf", seeing.mmproj_metadata("gemma3"), swapped)
    with open_gguf(path) as file:
        spec = vision_spec_from_mmproj(file.metadata, file.tensors)
        assert spec is not None
        same(load_vision(file, spec), load_vision(checkpoint, spec), atol=1e-6)


@pytest.mark.parametrize(
    "kind", [gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.BF16]
)
def test_smaller_types_are_read(kind: gguf.GGMLQuantizationType, tmp_path: Path) -> None:
    name = "gemma4-standardized"
    tensors = seeing.mmproj_tensors(seeing.checkpoint(name).tensors)
    rounded = {
        tensor: gguf.dequantize(gguf.quantize(array, kind), kind) if seeing.can_be(array, kind) else array
        for tensor, array in tensors.items()
    }
    metadata = seeing.mmproj_metadata(name)
    small = seeing.write(tmp_path / "small.gguf", metadata, tensors, kind)
    large = seeing.write(tmp_path / "large.gguf", metadata, rounded)
    assert small.stat().st_size < large.stat().st_size
    with open_gguf(small) as one, open_gguf(large) as other:
        spec = vision_spec_from_mmproj(one.metadata, one.tensors)
        assert spec is not None
        same(load_vision(one, spec), load_vision(other, spec), atol=1e-6)


def test_matrices_in_half_the_room() -> None:
    checkpoint, spec = seeing.checkpoint("gemma4-clipped"), spec_of("gemma4-clipped")
    full, half = load_vision(checkpoint, spec), load_vision(checkpoint, spec, matrices="bfloat16")
    infos = jax.tree.leaves(abstract(spec), is_leaf=lambda leaf: isinstance(leaf, ArrayInfo))
    for info, leaf in zip(infos, jax.tree.leaves(half), strict=True):
        assert leaf.dtype == ("bfloat16" if info.kind == "matrix" else "float32")
    patches = prepare(spec, seeing.picture(61, 33), seeing.BUDGET)
    one, other = (Encoder(params, spec, options=tiny.QUICK)(patches) for params in (full, half))
    assert 0 < np.abs(one - other).max() < 0.2


def test_all_problems_are_in_one_error() -> None:
    arrays = seeing.checkpoint("gemma4-standardized").tensors
    missing, wrong = sorted(name for name in arrays if name.endswith("q_proj.linear.weight"))
    del arrays[missing]
    arrays[wrong] = arrays[wrong][:, :5]
    arrays["model.vision_tower.extra.weight"] = np.zeros(3, np.float32)
    arrays["model.language_model.norm.weight"] = np.zeros(3, np.float32)
    with pytest.raises(FormatError) as caught:
        load_vision(InMemory(arrays), spec_of("gemma4-standardized"))
    message = str(caught.value)
    assert message.startswith("memory: ")
    assert f"missing: {missing}" in message
    assert f"{wrong} has shape [32, 5], expected [32, 32]" in message
    assert "unknown: model.vision_tower.extra.weight" in message
    assert "language_model" not in message
    assert len(message.splitlines()) == 4


def test_what_is_missing_is_called_by_the_files_own_prefix() -> None:
    arrays = {
        name.replace("vision_tower.", "vision_tower.vision_model."): array
        for name, array in seeing.checkpoint("gemma3").tensors.items()
    }
    missing = "vision_tower.vision_model.encoder.layers.1.layer_norm2.bias"
    del arrays[missing]
    with pytest.raises(FormatError) as caught:
        load_vision(InMemory(arrays), spec_of("gemma3"))
    assert str(caught.value).splitlines()[1:] == [f"  missing: {missing}"]


def test_what_is_not_used_may_be_there() -> None:
    checkpoint, spec = seeing.checkpoint("gemma3"), spec_of("gemma3")
    more = {
        "vision_tower.head.attention.in_proj_weight": np.zeros((2, 2), np.float32),
        "vision_tower.embeddings.position_ids": np.zeros((1, 36), np.float32),
    }
    same(load_vision(InMemory(checkpoint.tensors | more), spec), load_vision(checkpoint, spec))


def test_more_layers_than_tensors_are_refused_before_any_is_looked_for() -> None:
    spec = spec_of("gemma3")
    assert isinstance(spec.encoder, Siglip)
    with pytest.raises(FormatError, match="memory: 1,000,000,000 layers"):
        load_vision(seeing.checkpoint("gemma3"), replace(spec, encoder=replace(spec.encoder, layers=10**9)))


def test_numbers_that_are_not_finite_are_listed() -> None:
    arrays = seeing.checkpoint("gemma4-clipped").tensors
    bound, matrix, norm = (
        next(name for name in sorted(arrays) if name.endswith(end))
        for end in ("input_max", "down_proj.linear.weight", "input_layernorm.weight")
    )
    arrays[bound] = np.array(np.inf, np.float32)
    load_vision(InMemory(arrays), spec_of("gemma4-clipped"))
    arrays[bound] = np.array(np.nan, np.float32)
    arrays[matrix][1, 2] = np.nan
    arrays[norm][0] = np.inf
    with pytest.raises(FormatError) as caught:
        load_vision(InMemory(arrays), spec_of("gemma4-clipped"))
    for name in (bound, matrix, norm):
        assert f"{name} holds numbers that are not finite" in str(caught.value)
