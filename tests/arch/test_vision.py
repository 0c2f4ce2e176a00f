"""The sight of released models, from both kinds of description; what is refused, and how."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import seeing
from seeing import LARGE, SIGLIP, SMALL, UNIFIED

from model.arch.vision import vision_spec_from_hf, vision_spec_from_mmproj
from model.errors import FormatError, UnsupportedModelError
from model.vision.framing import as_text, image
from model.vision.params import parameters
from model.vision.spec import Axial, Budget, Direct, Siglip, Square, VisionSpec


def spec_of(config: dict[str, Any]) -> VisionSpec:
    found = vision_spec_from_hf(config)
    assert found is not None
    return found


def test_gemma_3() -> None:
    spec = spec_of(SIGLIP)
    assert (spec.patch, spec.pool, spec.width, spec.text_width) == (14, 4, 1152, 2560)
    assert spec.encoder == Siglip(layers=27, heads=16, ffw=4304)
    assert spec.resize == Square(896)
    framing = spec.framing
    assert (framing.begin.id, framing.end.id, framing.image.id) == (255_999, 256_000, 262_144)
    # 417 M by arXiv 2503.19786, table 1, and the projector.
    assert parameters(spec) == pytest.approx(417e6 + 1152 * 2560, rel=0.01)


def test_gemma_4_small() -> None:
    spec = spec_of(SMALL)
    assert spec.encoder == Axial(layers=16, heads=12, head_dim=64, ffw=3072, clipped=True)
    assert (spec.unit, spec.patch_size, spec.merged) == (48, 768, 9)
    framing = spec.framing
    assert framing.frame is not None
    assert (framing.begin.id, framing.image.id, framing.end.id, framing.frame.id) == (
        255_999,
        258_880,
        258_882,
        258_884,
    )
    layers = 16 * (4 * 768**2 + 3 * 768 * 3072 + 4 * 768 + 2 * 64)
    assert parameters(spec) == layers + 768 * 768 + 2 * 10_240 * 768 + 768 * 2560


def test_gemma_4_large() -> None:
    spec = spec_of(LARGE)
    assert spec.encoder == Axial(layers=27, heads=16, head_dim=72, ffw=4304, standardized=True)
    layers = 27 * (4 * 1152**2 + 3 * 1152 * 4304 + 4 * 1152 + 2 * 72)
    assert parameters(spec) == layers + 768 * 1152 + 2 * 10_240 * 1152 + 2 * 1152 + 1152 * 5376


def test_gemma_4_unified() -> None:
    spec = spec_of(UNIFIED)
    assert spec.encoder == Direct(positions=1120)
    assert (spec.patch, spec.pool, spec.unit, spec.patch_size) == (48, 1, 48, 6912)
    d = 3840
    assert parameters(spec) == 2 * 6912 + 6912 * d + d + 4 * d + 2 * 1120 * d + d * d


def test_a_model_that_cannot_see() -> None:
    assert vision_spec_from_hf({"model_type": "gemma3_text"}) is None
    assert vision_spec_from_hf(SMALL | {"vision_config": None}) is None
    assert (
        vision_spec_from_mmproj({"general.architecture": "clip", "clip.has_audio_encoder": True}, {}) is None
    )


@pytest.mark.parametrize(
    ("base", "changes", "message"),
    [
        (SIGLIP, {"model_type": "paligemma"}, "'paligemma' is not supported"),
        (SIGLIP, {"vision_config.hidden_act": "gelu"}, "hidden_act = 'gelu' is not supported"),
        (SMALL, {"vision_config.hidden_activation": "silu"}, "hidden_activation = 'silu'"),
        (SMALL, {"vision_config.num_key_value_heads": 4}, "num_key_value_heads = 4 is not supported"),
        (SMALL, {"vision_config.rope_parameters": {"rope_type": "yarn"}}, "rope_type = 'yarn'"),
    ],
)
def test_what_we_do_not_run(base: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        vision_spec_from_hf(changed(base, changes))


@pytest.mark.parametrize(
    ("base", "changes", "message"),
    [
        (SIGLIP, {"mm_tokens_per_image": 255}, "64×64 patches cannot be pooled to 255"),
        (SIGLIP, {"vision_config.num_attention_heads": 7}, "7 attention heads do not divide"),
        (SIGLIP, {"vision_config.patch_size": 0}, "patch_size should be a positive whole number"),
        (SIGLIP, {"vision_config.layer_norm_eps": "small"}, "layer_norm_eps should be a positive number"),
        (SIGLIP, {"text_config": None}, "has no text_config"),
        (SIGLIP, {"vision_config.patch_size": 1000}, "0×0 patches"),
        (SMALL, {"vision_config.head_dim": 6}, "cannot be turned along two axes"),
    ],
)
def test_nonsense(base: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        vision_spec_from_hf(changed(base, changes))


def changed(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    config = copy.deepcopy(base)
    for path, value in changes.items():
        *sections, key = path.split(".")
        place = config
        for section in sections:
            place = place[section]
        place[key] = value
    return config


def tensors_of(name: str) -> dict[str, Any]:
    arrays = seeing.mmproj_tensors(seeing.checkpoint(name).tensors)
    return {name: SimpleNamespace(shape=array.shape) for name, array in arrays.items()}


@pytest.mark.parametrize(
    ("name", "changes", "error", "message"),
    [
        ("gemma3", {"general.architecture": "gemma3"}, FormatError, "not an mmproj file"),
        ("gemma3", {"clip.projector_type": "pixtral"}, UnsupportedModelError, "'pixtral' is not supported"),
        ("gemma3", {"clip.vision.embedding_length": 31}, FormatError, "encoder of width 31"),
        ("gemma3", {"clip.vision.block_count": 10_000}, FormatError, "block_count is 10,000"),
        ("gemma3", {"clip.vision.projector.scale_factor": 5}, FormatError, "cannot be pooled"),
        ("gemma4-clipped", {"clip.vision.attention.head_count": 5}, FormatError, "5 attention heads"),
        ("gemma4-unified", {"clip.vision.embedding_length": None}, FormatError, "embedding_length"),
    ],
)
def test_mmproj_files_that_are_refused(
    name: str, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        vision_spec_from_mmproj(seeing.mmproj_metadata(name) | changes, tensors_of(name))


@pytest.mark.parametrize(
    ("name", "tensor", "shape", "message"),
    [
        ("gemma3", "mm.input_projection.weight", (32,), "expected 2 axes"),
        ("gemma4-clipped", "v.position_embd.weight", (32,), "expected 3 axes"),
        ("gemma4-unified", "v.patch_embd.weight", (), "expected 2 axes"),
        ("gemma4-unified", "v.patch_embd.weight", (32, 430), "no square of coloured pixels"),
    ],
)
def test_tensors_of_no_sense(name: str, tensor: str, shape: tuple[int, ...], message: str) -> None:
    tensors = tensors_of(name) | {tensor: SimpleNamespace(shape=shape)}
    with pytest.raises(FormatError, match=message):
        vision_spec_from_mmproj(seeing.mmproj_metadata(name), tensors)


def test_the_processors_own_settings() -> None:
    settings = {
        "image_processor": {"max_soft_tokens": 560, "resample": 3},
        "video_processor": {"max_soft_tokens": 140},
    }
    spec = vision_spec_from_hf(SMALL, settings)
    assert spec is not None
    assert spec.resize == Budget(image=560, frame=140)
    flat = {
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.3, 0.2, 0.1],
        "size": {"height": 896, "width": 896},
    }
    spec = vision_spec_from_hf(SIGLIP, flat)
    assert spec is not None
    assert spec.resize == Square(896, mean=(0.4, 0.5, 0.6), std=(0.3, 0.2, 0.1))
    for wrong in ({"max_soft_tokens": 281}, {"resample": 2}):
        with pytest.raises(UnsupportedModelError):
            vision_spec_from_hf(SMALL, wrong)
    for wrong in ({"size": {"height": 512, "width": 512}}, {"resample": 3}):
        with pytest.raises(UnsupportedModelError):
            vision_spec_from_hf(SIGLIP, wrong)
    with pytest.raises(FormatError, match="no image_processor"):
        vision_spec_from_hf(SIGLIP, {"image_processor": "SiglipImageProcessor"})
    for wrong in ({"image_mean": [1, 2]}, {"image_std": [1, 0, 1]}, {"image_mean": 0.5}):
        with pytest.raises(FormatError, match="three"):
            vision_spec_from_hf(SIGLIP, wrong)


def test_googles_own_reading() -> None:
    spec, theirs = spec_of(SMALL), vision_spec_from_hf(SMALL, reading="google")
    assert theirs is not None
    assert theirs.resize == Budget(image=1120)
    assert as_text(image(theirs.framing, 1)) == f"\n\n{as_text(image(spec.framing, 1))}\n\n"
    assert vision_spec_from_hf(SIGLIP, reading="google") == spec_of(SIGLIP)
    name = "gemma4-clipped"
    metadata, tensors = seeing.mmproj_metadata(name), tensors_of(name)
    found = vision_spec_from_mmproj(metadata, tensors, reading="google")
    assert found is not None
    assert found.framing == theirs.framing


def test_an_mmproj_files_colours() -> None:
    metadata = seeing.mmproj_metadata("gemma3") | {"clip.vision.image_mean": [0.1, 0.2, 0.3]}
    spec = vision_spec_from_mmproj(metadata, tensors_of("gemma3"))
    assert spec is not None
    assert spec.resize == Square(24, mean=(0.1, 0.2, 0.3))
    with pytest.raises(FormatError, match=r"clip\.vision\.image_std should be three positive numbers"):
        vision_spec_from_mmproj(metadata | {"clip.vision.image_std": [0, 1, 1]}, tensors_of("gemma3"))


def test_the_projector_must_be_there() -> None:
    tensors = tensors_of("gemma3")
    del tensors["mm.input_projection.weight"]
    with pytest.raises(FormatError, match=r"mm\.input_projection\.weight"):
        vision_spec_from_mmproj(seeing.mmproj_metadata("gemma3"), tensors)
