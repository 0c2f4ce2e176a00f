"""Quantized weights as one pytree, and the one product that layers call.

Layers never ask how a weight is stored: `linear` takes a plain array or a `QArray` and picks the product
that is fast for the number of rows.  With few rows the weights are read once, so the product is of integers:
every activation row becomes *two* int8 rows, the rounded value and what rounding left over, which keeps about
16 bits of it.  The second row is free, because an integer product of one row takes a slow path and must be
padded anyway (measured: one row 0.6, two rows 17 billion weights per second on two cores).  With many rows the
weights are widened once and a float product runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array

_INT8_MAX = 127.0
# Rounding leaves at most half a step; one int8 row spans it in steps this many times finer.
_RESIDUAL = 2 * _INT8_MAX


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class QArray:
    """An int8 matrix with one scale a row: ``weight[n, k] = values[n, k] * scales[n]``.

    Attributes:
        values: int8 [..., out, in].
        scales: f32 [..., out].
    """

    values: Array
    scales: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the matrix it stands for."""
        return self.values.shape

    def rows(self, index: Array) -> Array:
        """Rows [*index, in] in f32; an embedding look-up."""
        return self.values[index].astype(jnp.float32) * self.scales[index][..., None]


Weight = Array | QArray


@dataclass(frozen=True, slots=True)
class Numerics:
    """Which product types to use; static, part of a compiled program's identity.

    Attributes:
        gemm: type of the operands where there are many rows; the sum is always f32.
        integer_rows: with at most this many rows a `QArray` goes through the integer product; 0: never.
    """

    gemm: Literal["float32", "bfloat16"] = "float32"
    integer_rows: int = 2


def quantize_rows(weight: Array) -> QArray:
    """Round a matrix to int8 with one scale a row.

    Args:
        weight: f32 [..., out, in].
    """
    scales = jnp.max(jnp.abs(weight), axis=-1) / _INT8_MAX
    inverse = jnp.where(scales > 0, 1.0 / jnp.where(scales > 0, scales, 1.0), 0.0)
    return QArray(jnp.round(weight * inverse[..., None]).astype(jnp.int8), scales)


def linear(x: Array, weight: Weight, numerics: Numerics) -> Array:
    """``x @ weight.T`` with an f32 result.

    Args:
        x: f32 [T, in].
        weight: [out, in].
        numerics: which product to use.

    Returns:
        f32 [T, out].
    """
    if isinstance(weight, QArray):
        if x.shape[0] <= numerics.integer_rows:
            return _integer_product(x, weight)
        return _float_product(x, weight.values, numerics) * weight.scales
    return _float_product(x, weight, numerics)


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
    step = jnp.max(jnp.abs(x), axis=-1, keepdims=True) / _INT8_MAX
    step = jnp.maximum(step, jnp.finfo(jnp.float32).tiny)
    scaled = x / step
    coarse = jnp.round(scaled)
    fine = jnp.round((scaled - coarse) * _RESIDUAL)
    both = jnp.concatenate([coarse, fine]).astype(jnp.int8)
    product = jax.lax.dot_general(
        both, weight.values, (((1,), (1,)), ((), ())), preferred_element_type=jnp.int32
    ).astype(jnp.float32)
    return (product[:rows] + product[rows:] * (1 / _RESIDUAL)) * step * weight.scales
