"""Sight against transformers: pixels, positions, counts, features and soft tokens; live and by goldens."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import jax
import numpy as np
import pytest
import seeing
from tiny import QUICK

from model.arch.vision import vision_spec_from_hf, vision_spec_from_mmproj
from model.formats.gguf import open_gguf
from model.formats.safetensors import open_safetensors
from model.nn.linear import DEFAULT
from model.vision import axial, framing, siglip
from model.vision.cost import image_tokens
from model.vision.encoder import Encoder
from model.vision.load import load_vision
from model.vision.params import AxialParams, SiglipParams, VisionParams
from model.vision.patches import Patches
from model.vision.preprocess import prepare, scanned
from model.vision.spec import Axial, Direct, Siglip, VisionSpec

CLOSE = 1e-4
SIZES = [(67, 45), (300, 40), (33, 500), (1, 1), (1, 900), (1280, 720), (2000, 3)]


@cache
def spec_of(name: str) -> VisionSpec:
    found = vision_spec_from_hf(seeing.CONFIGS[name])
    assert found is not None
    return found


def tower(params: VisionParams, spec: VisionSpec, patches: Patches) -> np.ndarray | None:
    """Features before the projector, without padding; None where there is no encoder."""

    def run(params: VisionParams, pixels: jax.Array, positions: jax.Array) -> jax.Array:
        match spec.encoder, params:
            case Siglip() as encoder, SiglipParams():
                return siglip.features(params, spec, encoder, pixels, DEFAULT)
            case Axial() as encoder, AxialParams():
                found = axial.features(params, spec, encoder, pixels, positions, DEFAULT)
                return axial.pool(params, spec, found, positions)
        raise AssertionError("it has no encoder")

    if isinstance(spec.encoder, Direct):
        return None
    return np.asarray(jax.jit(run, compiler_options=QUICK)(params, patches.pixels, patches.positions))


def planes(spec: VisionSpec, patches: Patches) -> np.ndarray:
    """The picture [3, H, W] that the patches were cut from."""
    columns, rows = patches.positions.max(0) + 1
    grid = patches.pixels.reshape(rows, columns, spec.patch, spec.patch, 3).transpose(4, 0, 2, 1, 3)
    return grid.reshape(3, rows * spec.patch, columns * spec.patch)


# --- goldens ------------------------------------------------------------------------------------------------


@pytest.fixture(params=seeing.NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(seeing.GOLDEN / f"vision-{name}.npz") as stored:
        return dict(stored)


def test_patches_are_the_references(name: str, golden: dict[str, np.ndarray]) -> None:
    spec = spec_of(name)
    for number, size in enumerate(golden["sizes"].tolist()):
        patches = prepare(spec, seeing.picture(*size), seeing.budget(name))
        pixels, positions = golden[f"pixels_{number}"], golden[f"positions_{number}"]
        if name == "gemma3":
            np.testing.assert_array_equal(np.round((planes(spec, patches) * 0.5 + 0.5) * 255), pixels)
            continue
        real = positions[:, 0] >= 0
        np.testing.assert_array_equal(patches.positions, positions[real])
        np.testing.assert_array_equal(np.round(patches.pixels * 255), pixels[real])


def test_features_and_soft_tokens_are_the_references(name: str, golden: dict[str, np.ndarray]) -> None:
    spec = spec_of(name)
    params = load_vision(seeing.checkpoint(name), spec)
    encoder = Encoder(params, spec, options=QUICK)
    for number, size in enumerate(golden["sizes"].tolist()):
        patches = prepare(spec, seeing.picture(*size), seeing.budget(name))
        soft, theirs = encoder(patches), golden[f"soft_{number}"]
        assert soft.shape == theirs.shape
        assert np.abs(theirs).max() > 0.5
        assert np.abs(soft - theirs).max() <= CLOSE
        before = tower(params, spec, patches)
        if before is not None:
            assert np.abs(before - golden[f"tower_{number}"]).max() <= CLOSE


# --- live ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live(transformers: None, vision_reference: Callable[[], ModuleType]) -> ModuleType:
    """What the reference says, on one thread."""
    found = vision_reference()
    found.torch.set_num_threads(1)
    return found


RELEASED = {"gemma3": seeing.SIGLIP, "gemma4": seeing.SMALL, "unified": seeing.UNIFIED}


def released(name: str) -> VisionSpec:
    found = vision_spec_from_hf(RELEASED[name])
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("budget", [70, 280, 1120])
def test_live_patches_of_a_budget(live: ModuleType, size: tuple[int, int], budget: int) -> None:
    image = seeing.picture(*size)
    pixels, positions, tokens = live.grid(image, budget)
    ours = prepare(released("gemma4"), image, budget)
    assert ours.tokens == tokens == image_tokens(released("gemma4"), *size, budget)
    real = positions[:, 0] >= 0
    np.testing.assert_array_equal(ours.positions, positions[real])
    np.testing.assert_array_equal(ours.pixels, pixels[real])
    pixels, positions, tokens = live.merged(image, budget)
    ours = prepare(released("unified"), image, budget)
    assert ours.tokens == tokens
    np.testing.assert_array_equal(ours.positions, positions)
    np.testing.assert_array_equal(ours.pixels, pixels)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(67, 45), (1200, 500), (520, 2100), (900, 800)])
def test_live_squares_and_crops(live: ModuleType, size: tuple[int, int]) -> None:
    image = seeing.picture(*size)
    theirs = live.square(image, 896, crops=True)
    spec = released("gemma3")
    ours = [prepare(spec, each) for each in scanned(spec, image)]
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(planes(spec, one), other)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(67, 45), (1280, 720), (300, 40)])
def test_live_torchs_own_resize_differs_by_a_shade(live: ModuleType, size: tuple[int, int]) -> None:
    """Where torchvision is installed the reference resizes with torch instead of Pillow, nearly alike."""
    image = seeing.picture(*size)
    for name, mode in (("gemma3", "bilinear"), ("gemma4", "bicubic")):
        spec = released(name)
        ours = planes(spec, prepare(spec, image))
        shades = np.round((ours * 0.5 + 0.5 if name == "gemma3" else ours) * 255)
        theirs = live.interpolated(image, shades.shape[2], shades.shape[1], mode)
        apart = np.abs(shades - theirs.astype(float))
        assert apart.max() <= 2
        assert (apart > 0).mean() < 0.01
        assert (apart > 1).mean() < 1e-4


@pytest.mark.slow
def test_live_features_and_soft_tokens(name: str, live: ModuleType, tmp_path: Path) -> None:
    """A tiny model as transformers saves it, through our loader; and the same as an mmproj file."""
    model = live.save(name, tmp_path)
    spec = vision_spec_from_hf(live.saved_config(tmp_path))
    assert spec is not None
    assert spec == spec_of(name)
    with open_safetensors(tmp_path) as checkpoint:
        params = load_vision(checkpoint, spec)
        arrays = {tensor: checkpoint.read(tensor) for tensor in checkpoint.tensors if live.is_vision(tensor)}
    with open_gguf(seeing.write_mmproj(tmp_path / "mmproj.gguf", name, arrays)) as file:
        found = vision_spec_from_mmproj(file.metadata, file.tensors)
        assert found is not None
        encoders = [Encoder(weights, spec, options=QUICK) for weights in (params, load_vision(file, found))]
    for size in ((67, 45), (20, 200), (30, 30)):
        image = seeing.picture(*size, seed=size[0])
        pixels, positions = live.prepare(name, image)
        before, soft = live.encode(name, model, pixels, positions)
        patches = prepare(spec, image, seeing.budget(name))
        for encoder in encoders:
            assert np.abs(encoder(patches) - soft).max() <= CLOSE
        ours = tower(params, spec, patches)
        if ours is not None:
            assert np.abs(ours - before).max() <= CLOSE


@pytest.mark.slow
def test_live_text_around_pictures_and_frames(live: ModuleType) -> None:
    gemma3, gemma4 = released("gemma3").framing, released("gemma4").framing
    assert framing.as_text(framing.image(gemma4, 5)) == live.image_text("gemma4", 5)
    for crops in (0, 2, 4):
        ours = framing.as_text(framing.scanned(gemma3, [3] * (1 + crops)))
        assert ours == live.image_text("gemma3", 3, crops)
    indices = framing.frame_indices(5000, 7)
    shown = framing.video(gemma4, [(4, index / 29.97) for index in indices])
    assert framing.as_text(shown) == live.video_text(4, indices, 29.97)


@pytest.mark.slow
def test_live_the_golden_is_what_the_reference_says(
    name: str, golden: dict[str, np.ndarray], live: ModuleType, tmp_path: Path
) -> None:
    model = live.save(name, tmp_path)
    with open_safetensors(tmp_path) as checkpoint:
        saved = {tensor: info.shape for tensor, info in checkpoint.tensors.items() if live.is_vision(tensor)}
    shapes = (tuple(map(int, shape.split())) for shape in golden["shapes"].tolist())
    assert dict(zip(golden["names"].tolist(), shapes, strict=True)) == saved
    for number, size in enumerate(golden["sizes"].tolist()):
        before, soft = live.encode(name, model, *live.prepare(name, seeing.picture(*size)))
        np.testing.assert_allclose(before, golden[f"tower_{number}"], atol=CLOSE)
        np.testing.assert_allclose(soft, golden[f"soft_{number}"], atol=CLOSE)
