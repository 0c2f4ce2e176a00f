"""The one product that layers call.  They never ask how a weight is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array

from model.nn.grouped import GroupedArray, widened
from model.nn.packed import PackedArray, product
from model.nn.qarray import QArray, integer_product, whole

Weight = Array | QArray | PackedArray | GroupedArray


@dataclass(frozen=True, slots=True)
class Numerics:
    """Which product types to use; static, part of a compiled program's identity.

    Attributes:
        gemm: type of the operands where there are many rows; the sum is always f32.
        integer_rows: with at most this many rows a `QArray` goes through the integer product; 0: never.
        grouped_rows: with at most this many rows a `GroupedArray` is multiplied where it lies, by
            `model.nn.few`; 0: never.
    """

    gemm: Literal["float32", "bfloat16"] = "float32"
    integer_rows: int = 2
    grouped_rows: int = 0


DEFAULT = Numerics()


def few_rows(backend: str, *, plain: bool = False) -> tuple[int, list[str]]:
    """What `Numerics.grouped_rows` may be on a machine, and why not more, in a sentence.

    Args:
        backend: as JAX names it.
        plain: without any kernel: on several devices, or where every bit counts.
    """
    if backend != "gpu" or plain:
        return 0, []
    from model.nn import few

    why = few.trial()
    return (few.MOST, []) if why is None else (0, [f"products of few rows cannot use their kernel: {why}"])


def linear(x: Array, weight: Weight, numerics: Numerics) -> Array:
    """``x @ weight.T`` with an f32 result.

    Args:
        x: f32 [T, in].
        weight: [out, in].
        numerics: which product to use.

    Returns:
        f32 [T, out].
    """
    if isinstance(weight, PackedArray):
        return product(x, weight)
    if isinstance(weight, GroupedArray):
        if x.shape[0] <= numerics.grouped_rows:
            from model.nn import few  # its library takes a fifth of a second to import

            if few.can_multiply(weight):
                return few.product(x, weight)
        return _float_product(x, widened(weight, jnp.dtype(numerics.gemm)), numerics)
    if not isinstance(weight, QArray):
        return _float_product(x, weight, numerics)
    if x.shape[0] <= numerics.integer_rows:
        return integer_product(x, weight)
    matrix, scales = whole(weight)
    return _float_product(x, matrix, numerics) * scales[None]


def outputs(weight: Weight, start: int, stop: int) -> Weight:
    """Rows start … stop of a matrix [out, in]: the weight of some of its outputs."""
    if isinstance(weight, (QArray, PackedArray, GroupedArray)):
        return weight.outputs(start, stop)
    return weight[start:stop]


def split(x: Array, sizes: Sequence[int], hands: int = 1) -> list[Array]:
    """The parts of a fused product [T, Σ sizes].

    Args:
        x: with the parts in order, or dealt: each of `hands` devices has its share of all, side by side.
        sizes: of the parts.
        hands: devices that they are dealt to (`model.weights.shard.dealt`); 1: they are in order.
    """
    ends = list(accumulate(sizes))[:-1]
    if hands == 1:
        return jnp.split(x, ends, axis=-1)
    apart = jnp.split(x.reshape(x.shape[0], hands, -1), [end // hands for end in ends], axis=-1)
    return [part.reshape(x.shape[0], -1) for part in apart]


def rows(table: Weight, index: Array) -> Array:
    """Rows f32 [T, in] of a matrix at `index` int [T]; an embedding look-up."""
    if isinstance(table, (QArray, PackedArray, GroupedArray)):
        return table.rows(index)
    return table[index].astype(jnp.float32)


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
