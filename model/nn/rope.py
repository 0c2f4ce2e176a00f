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
_FEW_TURNS, _MANY_TURNS = 1, 32  # in the trained window; YaRN's α and β


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RopeTable:
    """Cosines and sines for one `RopeSpec` and head size, of as many angles as there are turning pairs.

    Attributes:
        high: f32 [ceil(context/1024), 2, pairs], of the multiples of 1024.
        low: f32 [1024, 2, pairs], of 0…1023.
    """

    high: Array
    low: Array

    def angles(self, positions: Array) -> tuple[Array, Array]:
        """Cosine and sine, each f32 [T, pairs], of every position's angles."""
        high, low = self.high[positions // _LOW], self.low[positions % _LOW]
        cos = high[:, 0] * low[:, 0] - high[:, 1] * low[:, 1]
        sin = high[:, 1] * low[:, 0] + high[:, 0] * low[:, 1]
        return cos, sin


def rope_table(spec: RopeSpec, head_dim: int, context: int) -> RopeTable:
    """Tables that cover positions 0…context-1."""
    turning = spec.turning(head_dim)
    size = head_dim if spec.proportional else turning
    frequencies = spec.theta ** (-np.arange(0, turning, 2, dtype=np.float64) / size) / spec.factor
    if spec.stretch != 1:
        frequencies *= _slowed(spec, frequencies.size, size)

    def table(positions: np.ndarray) -> Array:
        angles = positions[:, None].astype(np.float64) * frequencies
        return jax.device_put(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))

    return RopeTable(table(np.arange(-(-context // _LOW)) * _LOW), table(np.arange(_LOW)))


def _slowed(spec: RopeSpec, pairs: int, size: int) -> np.ndarray:
    """What YaRN multiplies each pair's frequency by, f64 [pairs].

    (transformers, modeling_rope_utils.py, `_compute_yarn_parameters`: the paper's ramp, which is linear in
    the number of turns, is linear in the pair's index there, and so in what models are published with.)
    """

    def index(turns: float) -> float:
        """Of the pair that turns so often in the trained window."""
        return size * np.log(spec.trained / (turns * 2 * np.pi)) / (2 * np.log(spec.theta))

    first = max(np.floor(index(_MANY_TURNS)), 0)
    last = max(min(np.ceil(index(_FEW_TURNS)), size - 1), first + 1e-3)
    slow = np.clip((np.arange(pairs) - first) / (last - first), 0, 1)
    return 1 - slow + slow / spec.stretch


def rotate(x: Array, angles: tuple[Array, Array], apart: int | None = None) -> Array:
    """Turn pairs of every head's numbers; what has no angle stays as it is.

    Args:
        x: f32 [T, N, H].
        angles: cosine and sine, each f32 [T, pairs].
        apart: pair i is (i, i + apart); None: as many as there are pairs, so that the head's first numbers
            turn.
    """
    cos, sin = (part[:, None, :] for part in angles)
    pairs = cos.shape[-1]
    apart = pairs if apart is None else apart
    first, still, second, rest = jnp.split(x, [pairs, apart, apart + pairs], axis=-1)
    turned = [first * cos - second * sin, still, second * cos + first * sin, rest]
    return jnp.concatenate([part for part in turned if part.shape[-1]], axis=-1)
