"""Floating-point weights → integers of 8 or 4 bits in groups of 32, as a GGUF would hold them.

With 8 bits a group has a scale (`Q8_0`); with 4 a scale and a minimum (`Q4_1`), which plain rounding to the
extremes would waste: both are searched.  Several widths of the grid are tried, each one's integers are given
the scale and minimum that fit them best by least squares, and the best of all is kept.  This is the search of
ggml-quants.c (`make_qkx2_quants`) with every weight counting alike.  What is integers already is never
quantized again.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from model.formats.ggml import Blocks

Bits = Literal[8, 4]

GROUP = 32

_LEVELS = 15.0  # steps of a grid of 4 bits
_TRIED = 12  # widths of the grid around the extremes'
_NARROWEST, _STEP = -1.0, 0.15  # of the number of steps between the extremes
_AT_ONCE = 1 << 22  # weights; the temporaries of the search are a few times as large


def quantize(weight: NDArray[np.float32], bits: Bits) -> Blocks:
    """Round a matrix to integers.

    Args:
        weight: f32 [out, in], `in` a multiple of 32.
        bits: 8 (a scale for each group) or 4 (a scale and a minimum).

    Returns:
        values int8 [out, in]; scales and mins f32 [out, in / 32], which f16 holds exactly but for a factor of
        a power of two.
    """
    rows, columns = weight.shape
    values = np.empty((rows, columns), np.int8)
    scales = np.empty((rows, columns // GROUP), np.float32)
    mins = np.empty_like(scales) if bits == 4 else None
    step = max(1, _AT_ONCE // columns)
    for first in range(0, rows, step):
        part = slice(first, min(first + step, rows))
        taken = part.stop - first
        block = weight[part]
        if taken < step and rows > step:  # one compiled program for all pieces
            block = np.pad(block, ((0, step - taken), (0, 0)))
        found = _round(block, bits)
        values[part], scales[part] = (np.asarray(each)[:taken] for each in found[:2])
        if mins is not None:
            mins[part] = np.asarray(found[2])[:taken]
    return Blocks(values, scales, mins, GROUP)


@partial(jax.jit, static_argnums=1)
def _round(weight: Array, bits: Bits) -> tuple[Array, Array, Array]:
    grouped = weight.reshape(weight.shape[0], -1, GROUP)
    values, scales, mins = _eight(grouped) if bits == 8 else _four(grouped)
    return values.astype(jnp.int8).reshape(weight.shape), scales, mins


def _eight(x: Array) -> tuple[Array, Array, Array]:
    peak = jnp.abs(x).max(-1)
    scale = peak / 127
    values = jnp.round(x * jnp.where(scale > 0, 1 / jnp.where(scale > 0, scale, 1), 0)[..., None])
    return values, scale, jnp.zeros_like(scale)


def _four(x: Array) -> tuple[Array, Array, Array]:
    """Values 0 … 15 with ``x ≈ value · scale - min``."""
    low = jnp.minimum(x.min(-1), 0)
    span = x.max(-1) - low
    usable = span > 0
    safe = jnp.where(usable, span, 1)

    def grid(steps: Array) -> Array:
        return jnp.clip(jnp.round((x - low[..., None]) * (steps / safe)[..., None]), 0, _LEVELS)

    def error(values: Array, scale: Array, least: Array) -> Array:
        return jnp.square(values * scale[..., None] + least[..., None] - x).sum(-1)

    def attempt(index: Array, best: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        values = grid(_LEVELS + _NARROWEST + _STEP * index.astype(jnp.float32))
        # Least squares of x = value · scale + least.
        sum_v, sum_vv = values.sum(-1), jnp.square(values).sum(-1)
        sum_x, sum_vx = x.sum(-1), (values * x).sum(-1)
        determinant = GROUP * sum_vv - jnp.square(sum_v)
        solvable = determinant > 0
        divisor = jnp.where(solvable, determinant, 1)
        scale = (GROUP * sum_vx - sum_v * sum_x) / divisor
        least = (sum_vv * sum_x - sum_v * sum_vx) / divisor
        # A minimum above zero is not stored: then the line goes through zero.
        through = jnp.where(sum_vv > 0, sum_vx / jnp.where(sum_vv > 0, sum_vv, 1), 0)
        scale, least = jnp.where(least > 0, through, scale), jnp.minimum(least, 0)
        wrong = jnp.where(solvable & (scale > 0), error(values, scale, least), jnp.inf)
        better = wrong < best[0]
        return (
            jnp.where(better, wrong, best[0]),
            jnp.where(better[..., None], values, best[1]),
            jnp.where(better, scale, best[2]),
            jnp.where(better, least, best[3]),
        )

    values, scale = grid(jnp.full_like(low, _LEVELS)), span / _LEVELS
    start = (error(values, scale, low), values, scale, low)
    _, values, scale, least = jax.lax.fori_loop(0, _TRIED, attempt, start)
    return values, scale, -least
