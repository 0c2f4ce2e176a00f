"""Weights in 16 bits as one pytree: what the array library multiplies fastest without a kernel of our own.

A `QArray` holds every number as two int8: the rounded value and what
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

    def outputs(self, start: int, stop: int) -> QArray:
        """Rows start … stop of a matrix."""
        return QArray(self.values[:, start:stop], self.scales[start:stop])


def quantize(weight: Array) -> QArray:
    """Round a matrix f32 [..., out, in] to 16 bits with one scale a row."""
    parts, scales = _split(weight)
    return QArray(jnp.stack(parts, axis=-3), scales[..., 0])


def whole(weight: QArray) -> tuple[Array, Array]:
    """Whole numbers f32 [out, in], below 2^15 and so exact, and the factor f32 [out] of each row's sum."""
    coarse, fine = (part.astype(jnp.float32) for part in weight.values)
    return coarse * _FINE + fine, weight.scales / _FINE


def _split(x: Array) -> tuple[tuple[Array, Array], Array]:
    """Coarse and fine int8 parts of f32 [..., n, k], and the scale f32 [..., n, 1] of each row."""
    peak = jnp.max(jnp.abs(x), axis=-1, keepdims=True)
    scale = jnp.where(peak > 0, peak, 1.0) / _COARSE
    scaled = x / scale
    coarse = jnp.round(scaled)
    fine = jnp.round((scaled - coarse) * _FINE)
    return (coarse.astype(jnp.int8), fine.astype(jnp.int8)), scale


def integer_product(x: Array, weight: QArray) -> Array:
    """``x @ weight.T`` f32 [T, out] of few rows f32 [T, in], in integers."""
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
