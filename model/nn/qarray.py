"""Quantized weights as one pytree, and the one product that layers call.

Layers never ask how a weight is stored: `linear` takes a plain array or a `QArray` and picks the product that
is fast for the number of rows.  A `QArray` holds every number as two int8: the rounded value and what
rounding left over, about 16 bits in all.  One int8 a weight would do for speed but not for truth: with one
scale a row it moves the likelihoods of small models by 0.005 nats, enough to change what they say; two bring
that under 1e-4.

With few rows the weights are only read once, so the product is of integers and the activations are split in
the same way, into two rows.  The second row is free, because an integer product of one row takes a slow path
and must be padded anyway (measured: one row 0.6, two rows 17 billion weights per second on two cores).  With
many rows the weights are widened once and a float product runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array

_COARSE = 127.0  # steps of the coarse part on each side of zero
_FINE = 254.0  # steps of the fine part in one of the coarse: rounding leaves at most half a step


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class QArray:
    """A matrix in 16 bits a weight: ``weight[n, k] = (coarse[n, k] + fine[n, k] / 254) * scales[n]``.

    Attributes:
        values: int8 [..., 2, out, in], coarse and fine.
        scales: f32 [..., out].
    """

    values: Array
    scales: Array

    def rows(self, index: Array) -> Array:
        """Rows f32 [T, in] at `index` int [T]; an embedding look-up."""
        coarse, fine = (part[index].astype(jnp.float32) for part in self.values)
        return (coarse + fine / _FINE) * self.scales[index][..., None]


Weight = Array | QArray


def outputs(weight: Weight, start: int, stop: int) -> Weight:
    """Rows start … stop of a matrix [out, in]: the weight of some of its outputs."""
    if not isinstance(weight, QArray):
        return weight[start:stop]
    return QArray(weight.values[:, start:stop], weight.scales[start:stop])


@dataclass(frozen=True, slots=True)
class Numerics:
    """Which product types to use; static, part of a compiled program's identity.

    Attributes:
        gemm: type of the operands where there are many rows; the sum is always f32.
        integer_rows: with at most this many rows a `QArray` goes through the integer product; 0: never.
    """

    gemm: Literal["float32", "bfloat16"] = "float32"
    integer_rows: int = 2


DEFAULT = Numerics()


def quantize(weight: Array) -> QArray:
    """Round a matrix f32 [..., out, in] to 16 bits with one scale a row."""
    parts, scales = _split(weight)
    return QArray(jnp.stack(parts, axis=-3), scales[..., 0])


def linear(x: Array, weight: Weight, numerics: Numerics) -> Array:
    """``x @ weight.T`` with an f32 result.

    Args:
        x: f32 [T, in].
        weight: [out, in].
        numerics: which product to use.

    Returns:
        f32 [T, out].
    """
    if not isinstance(weight, QArray):
        return _float_product(x, weight, numerics)
    if x.shape[0] <= numerics.integer_rows:
        return _integer_product(x, weight)
    coarse, fine = (part.astype(jnp.float32) for part in weight.values)
    # Whole numbers below 2^15: exact in f32, and the scale costs one product a row.
    return _float_product(x, coarse * _FINE + fine, numerics) * (weight.scales / _FINE)[None]


def _split(x: Array) -> tuple[tuple[Array, Array], Array]:
    """Coarse and fine int8 parts of f32 [..., n, k], and the scale f32 [..., n, 1] of each row."""
    peak = jnp.max(jnp.abs(x), axis=-1, keepdims=True)
    scale = jnp.where(peak > 0, peak, 1.0) / _COARSE
    scaled = x / scale
    coarse = jnp.round(scaled)
    fine = jnp.round((scaled - coarse) * _FINE)
    return (coarse.astype(jnp.int8), fine.astype(jnp.int8)), scale


def _float_product(x: Array, weight: Array, numerics: Numerics) -> Array:
    kind = jnp.dtype(numerics.gemm)
    precision = jax.lax.Precision.HIGHEST if kind == jnp.float32 else None
    return jax.lax.dot_general(
        x.astype(kind),
        weight.astype(kind),
        (((1,), (1,)), ((), ())),
        precision=precision,
        preferred_element_type=jnp.float32,
    )


def _integer_product(x: Array, weight: QArray) -> Array:
    rows = x.shape[0]
    (coarse, fine), scale = _split(x)
    columns = weight.values.shape[1]
    product = jax.lax.dot_general(
        jnp.concatenate([coarse, fine]),
        weight.values.reshape(2 * columns, -1),
        (((1,), (1,)), ((), ())),
        preferred_element_type=jnp.int32,
    ).astype(jnp.float32)
    # Fine weights count a 254th, and so do fine activations.
    product = product[:, :columns] + product[:, columns:] / _FINE
    return (product[:rows] + product[rows:] / _FINE) * scale * weight.scales[None]
