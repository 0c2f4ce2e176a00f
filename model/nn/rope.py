"""Rotary position embedding (arXiv 2104.09864), rotate-half form, exact at a million positions.

An f32 product of position and frequency is off by up to 0.04 rad at 1 M.  A position is therefore split into
a high and a low part; the cosines and sines of each come from a small table made in f64, and the angle
addition formulas put them together.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from model.config import RopeSpec

_LOW = 1024  # positions in the low table; as many high parts reach 2^20


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RopeTable:
    """Cosines and sines for one `RopeSpec` and head size.

    Attributes:
        high: f32 [ceil(context/1024), 2, H/2], of the multiples of 1024.
        low: f32 [1024, 2, H/2], of 0…1023.
    """

    high: Array
    low: Array

    def angles(self, positions: Array) -> tuple[Array, Array]:
        """Cosine and sine, each f32 [T, H/2], of every position's angles."""
        high, low = self.high[positions // _LOW], self.low[positions % _LOW]
        cos = high[:, 0] * low[:, 0] - high[:, 1] * low[:, 1]
        sin = high[:, 1] * low[:, 0] + high[:, 0] * low[:, 1]
        return cos, sin


def rope_table(spec: RopeSpec, head_dim: int, context: int) -> RopeTable:
    """Tables that cover positions 0…context-1."""
    frequencies = spec.theta ** (-np.arange(0, head_dim, 2, dtype=np.float64) / head_dim) / spec.factor

    def table(positions: np.ndarray) -> Array:
        angles = positions[:, None].astype(np.float64) * frequencies
        return jnp.asarray(np.stack([np.cos(angles), np.sin(angles)], axis=1), dtype=jnp.float32)

    return RopeTable(table(np.arange(-(-context // _LOW)) * _LOW), table(np.arange(_LOW)))


def rotate(x: Array, angles: tuple[Array, Array]) -> Array:
    """Turn the pairs (i, i + H/2) of every head.

    Args:
        x: f32 [T, N, H].
        angles: cosine and sine, each f32 [T, H/2].
    """
    cos, sin = (part[:, None, :] for part in angles)
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
