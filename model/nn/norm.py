"""RMS normalization (arXiv 1910.07467), in f32."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax


def rms_norm(x: Array, weight: Array | None, eps: float, *, apart: bool = False) -> Array:
    """``x / rms(x) * weight`` over the last axis.

    Where a checkpoint holds w of 1+w, loading adds the one, so the weight is always used as it is.

    Args:
        x: [..., D]; D may be a head's size.
        weight: f32 [D]; None leaves it out.
        eps: added to the mean square.
        apart: along the first axis one by one: the numbers of each are then, to the bit, those of it alone.
            (XLA on a CPU adds up in another order when there is more to add; elsewhere it is all the same.)
    """
    if apart and jax.default_backend() == "cpu":
        return lax.map(lambda row: rms_norm(row[None], weight, eps)[0], x)
    x = x.astype(jnp.float32)
    scale = jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + eps)
    normed = x * scale if weight is None else x * scale * jnp.expand_dims(weight, range(x.ndim - 1))
    return _settled(normed, scale)


def _settled(x: Array, positive: Array) -> Array:
    """x f32, rounded before anything is added to it.

    Else whether XLA on a CPU makes one operation of the product and the sum, with one rounding, depends on
    what it computes beside them: on how many tokens there are. So the sign of what is positive, a zero that
    the compiler cannot know of, is mixed into the bits.
    """
    zero = lax.shift_right_logical(lax.bitcast_convert_type(positive, jnp.int32), 31)
    return lax.bitcast_convert_type(lax.bitcast_convert_type(x, jnp.int32) ^ zero, jnp.float32)
