"""Encoders: padding changes nothing, blocks of queries change nothing, few programs are compiled."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import seeing
from tiny import QUICK

from model.arch.vision import vision_spec_from_hf
from model.nn.linear import DEFAULT
from model.vision import parts
from model.vision.encoder import Encoder, encode
from model.vision.load import load_vision
from model.vision.params import VisionParams, abstract
from model.vision.preprocess import prepare
from model.vision.spec import VisionSpec
from model.weights.params import ArrayInfo

PADDED = [name for name in seeing.NAMES if name != "gemma3"]


@cache
def made(name: str) -> tuple[VisionSpec, VisionParams, Encoder]:
    spec = vision_spec_from_hf(seeing.CONFIGS[name])
    assert spec is not None
    params = load_vision(seeing.checkpoint(name), spec)
    return spec, params, Encoder(params, spec, options=QUICK)


@pytest.mark.parametrize("name", PADDED)
@pytest.mark.parametrize("size", [(64, 48), (1, 7)])
def test_padding_changes_nothing(name: str, size: tuple[int, int]) -> None:
    spec, params, encoder = made(name)
    patches = prepare(spec, seeing.picture(*size), seeing.BUDGET)
    assert patches.tokens < seeing.BUDGET, "this picture would not be padded"
    alone = jax.jit(encode, static_argnums=1, compiler_options=QUICK)(
        params, spec, patches.pixels, patches.positions
    )
    np.testing.assert_allclose(encoder(patches), alone, atol=1e-5)


@pytest.mark.parametrize("name", PADDED)
def test_every_picture_of_a_budget_runs_the_same_program(name: str) -> None:
    spec, _, encoder = made(name)
    before = encoder.programs
    for size in ((64, 48), (48, 64), (100, 11), (5, 5)):
        image = seeing.picture(*size)
        patches = prepare(spec, image, seeing.BUDGET)
        assert encoder(patches).shape == (patches.tokens, spec.text_width)
    assert encoder.programs - before <= 1


@pytest.mark.parametrize("name", seeing.NAMES)
def test_a_picture_is_not_its_mirror_image(name: str) -> None:
    """Positions count: the same patches elsewhere give other soft tokens."""
    spec, _, encoder = made(name)
    image = seeing.picture(60, 60)
    there, back = (
        encoder(prepare(spec, turned, seeing.budget(name))) for turned in (image, image.transpose(1, 0, 2))
    )
    side = int(len(there) ** 0.5)
    swapped = back.reshape(side, side, -1).swapaxes(0, 1).reshape(there.shape)
    assert np.abs(there - swapped).max() > 0.1


def test_blocks_of_queries_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    queries, keys, values = (jnp.asarray(rng.standard_normal((30, 2, 8)), jnp.float32) for _ in range(3))
    seen = jnp.asarray(rng.random(30) < 0.7)
    scores = np.einsum("qnh,pnh->nqp", *(np.asarray(x, np.float64) for x in (queries, keys))) * 0.3
    scores[:, :, ~np.asarray(seen)] = -np.inf
    likely = np.exp(scores - scores.max(-1, keepdims=True))
    likely /= likely.sum(-1, keepdims=True)
    expected = np.einsum("nqp,pnh->qnh", likely, np.asarray(values, np.float64)).reshape(30, -1)
    for block in (1, 7, 30, 512):
        monkeypatch.setattr(parts, "_BLOCK", block)
        found = jax.jit(parts.attend, static_argnums=3, compiler_options=QUICK)(
            queries, keys, values, 0.3, seen
        )
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_bounds_hold_what_goes_in_and_what_comes_out() -> None:
    from model.vision.params import Bounds, Dense

    weight = jnp.asarray([[2.0, 0.0], [0.0, 1.0]])
    x = jnp.asarray([[3.0, -5.0], [0.5, 0.25]])
    bounds = Bounds(*(jnp.float32(value) for value in (-1, 1, -0.5, 1.5)))
    clipped = parts.dense(x, Dense(weight, None, bounds), DEFAULT)
    np.testing.assert_allclose(clipped, [[1.5, -0.5], [1.0, 0.25]])
    endless = Bounds(*(jnp.float32(value) for value in (-np.inf, np.inf, -np.inf, np.inf)))
    plain = parts.dense(x, Dense(weight, jnp.asarray([1.0, 0.0]), endless), DEFAULT)
    np.testing.assert_allclose(plain, [[7.0, -5.0], [2.0, 0.25]])


def test_parameters_of_another_encoder_are_a_mistake() -> None:
    spec, _, _ = made("gemma3")
    _, params, _ = made("gemma4-unified")
    with pytest.raises(AssertionError, match="another encoder"):
        encode(params, spec, jnp.zeros((36, 48)), jnp.zeros((36, 2), jnp.int32))


@pytest.mark.parametrize(
    ("config", "patches", "soft"),
    [
        (seeing.SIGLIP, 4096, (256, 2560)),
        (seeing.SMALL, 280 * 9, (280, 2560)),
        (seeing.LARGE, 1120 * 9, (1120, 5376)),
        (seeing.UNIFIED, 1120, (1120, 3840)),
    ],
)
def test_released_sizes_fit_together(config: dict[str, Any], patches: int, soft: tuple[int, int]) -> None:
    spec = vision_spec_from_hf(config)
    assert spec is not None
    params = jax.tree.map(
        lambda info: jax.ShapeDtypeStruct(info.shape, jnp.float32),
        abstract(spec),
        is_leaf=lambda leaf: isinstance(leaf, ArrayInfo),
    )
    pixels = jax.ShapeDtypeStruct((patches, spec.patch_size), jnp.float32)
    positions = jax.ShapeDtypeStruct((patches, 2), jnp.int32)
    found = jax.eval_shape(lambda *args: encode(args[0], spec, *args[1:]), params, pixels, positions)
    assert (found.shape, found.dtype) == (soft, jnp.float32)
