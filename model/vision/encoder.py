"""Patches → soft tokens, whichever encoder the model has; few programs, one for each budget."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from model.nn.linear import DEFAULT, Numerics
from model.vision import axial, direct, siglip
from model.vision.params import AxialParams, DirectParams, SiglipParams, VisionParams
from model.vision.patches import Patches, padded
from model.vision.spec import Axial, Direct, Siglip, VisionSpec


def encode(
    params: VisionParams, spec: VisionSpec, pixels: Array, positions: Array, numerics: Numerics = DEFAULT
) -> Array:
    """Soft tokens of one picture's patches, projected and not scaled.

    Args:
        params: the weights.
        spec: what they are of.
        pixels: f32 [P, 3·patch²].
        positions: int32 [P, 2], column and row; -1 in padding, which comes last.
        numerics: product types.

    Returns:
        f32 [P/pool², D_text]; of these the picture's own come first.
    """
    match spec.encoder, params:
        case Siglip() as encoder, SiglipParams():
            return siglip.encode(params, spec, encoder, pixels, numerics)
        case Axial() as encoder, AxialParams():
            return axial.encode(params, spec, encoder, pixels, positions, numerics)
        case Direct() as encoder, DirectParams():
            return direct.encode(params, spec, encoder, pixels, positions, numerics)
        case _:
            raise AssertionError("the parameters are of another encoder")


class Encoder:
    """An encoder ready to run.

    Args:
        params: the weights.
        spec: what they are of.
        numerics: product types.
        options: of the compiler.
    """

    def __init__(
        self,
        params: VisionParams,
        spec: VisionSpec,
        numerics: Numerics = DEFAULT,
        options: Mapping[str, bool | int | str] | None = None,
    ) -> None:
        self.spec = spec
        self._params = params
        self._run = _program(spec, numerics, tuple(sorted((options or {}).items())))

    @property
    def programs(self) -> int:
        """For how many shapes encoders like this one have been compiled."""
        return self._run._cache_size()

    def __call__(self, patches: Patches) -> NDArray[np.float32]:
        """Soft tokens f32 [n, D_text] of one picture, n being `patches.tokens`."""
        ready = padded(self.spec, patches)
        return np.asarray(self._run(self._params, ready.pixels, ready.positions))[: patches.tokens]


@cache
def _program(spec: VisionSpec, numerics: Numerics, options: tuple[tuple[str, bool | int | str], ...]) -> Any:
    def run(params: VisionParams, pixels: Array, positions: Array) -> Array:
        return encode(params, spec, pixels, positions, numerics)

    return jax.jit(run, compiler_options=dict(options) or None)
