"""Weights as the file's own integers with a scale (and a minimum) for each group, for any device.

What an accelerator computes with: a byte or half a byte a weight in its memory, widened next to the product.
On a CPU `model.nn.packed` holds the same numbers in the order that its kernel reads; this is also its
definition in terms of the array library.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array, lax


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class GroupedArray:
    """A matrix ``weight = values * scales - mins``, or a stack of them.

    Attributes:
        values: int8, int4 or uint4 [..., out, in].
        scales: f16 [..., out, groups]; `in / groups` neighbouring columns share one.
        mins: as `scales`; None where the values are centred on zero.
        multipliers: f32 [..., out], a power of two that every scale and minimum of a row is to be multiplied
            by: it brings them into f16's range.
        layer: int [], which matrix of a stack [L, out, in] is meant; None: what is there.
    """

    values: Array
    scales: Array
    mins: Array | None
    multipliers: Array
    layer: Array | None = None

    def at(self, layer: Array) -> GroupedArray:
        """One matrix of a stack; it is not taken out before it is known by what it is multiplied."""
        return replace(self, layer=layer)

    def taken(self) -> GroupedArray:
        """The matrix that is meant, without its stack."""
        if self.layer is None:
            return self
        index, stack = self.layer, replace(self, layer=None)
        return jax.tree.map(lambda part: lax.dynamic_index_in_dim(part, index, keepdims=False), stack)

    def rows(self, index: Array) -> Array:
        """Rows f32 [T, in] at `index` int [T]; an embedding look-up."""
        return widened(jax.tree.map(lambda part: part[index], self.taken()), jnp.float32)

    def outputs(self, start: int, stop: int) -> GroupedArray:
        """Rows start … stop of a matrix."""
        if (start, stop) == (0, self.values.shape[-2]):
            return self
        return jax.tree.map(lambda part: part[start:stop], self.taken())


def widened(weight: GroupedArray, dtype: jnp.dtype | type) -> Array:
    """The weights [..., out, in] as floats of a type; computed in f32 and rounded once."""
    weight = weight.taken()
    *stack, out, columns = weight.values.shape
    grouped = weight.values.astype(jnp.float32).reshape(*stack, out, weight.scales.shape[-1], -1)
    wide = grouped * weight.scales.astype(jnp.float32)[..., None]
    if weight.mins is not None:
        wide = wide - weight.mins.astype(jnp.float32)[..., None]
    return (wide * weight.multipliers[..., None, None]).astype(dtype).reshape(*stack, out, columns)


def from_nibbles(pairs: Array, *, signed: bool) -> Array:
    """Values of 4 bits [..., in] from bytes u8 [..., in / 2] that hold two each, the first one low."""
    kind = jnp.int4 if signed else jnp.uint4
    return lax.bitcast_convert_type(pairs, kind).reshape(*pairs.shape[:-1], -1)
