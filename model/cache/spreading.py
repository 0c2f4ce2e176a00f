"""Rows turned so that no number stands out, before they are rounded to a common scale.

Some models have a few channels of keys that are a hundred times as large as the others (Qwen2: the bias of
the key projection).  A scale that covers them leaves the others a bit or two.  An orthogonal matrix whose
entries are all alike deals every channel out to all of them (as QuaRot does, arXiv 2404.00456), and changes
no product of two rows that it is applied to both.
"""

from __future__ import annotations

import numpy as np
from jax import Array, lax
from jax import numpy as jnp


def spread(x: Array) -> Array:
    """Rows f32 […, H] times a symmetric Hadamard matrix / √size: twice is not at all.

    Its size is the largest power of two that divides H; a row is turned in parts of that size.
    """
    size = x.shape[-1] & -x.shape[-1]
    first = 1 << (size.bit_length() // 2)
    # The matrix is a product of two small ones (Kronecker's): far fewer multiplications.
    parts = x.reshape(-1, first, size // first)
    highest = lax.Precision.HIGHEST
    parts = jnp.einsum("rab,ac->rcb", parts, _hadamard(first), precision=highest)
    return jnp.einsum("rab,bc->rac", parts, _hadamard(size // first), precision=highest).reshape(x.shape)


def _hadamard(size: int) -> np.ndarray:
    """Sylvester's matrix f32 [size, size], of length 1 in every row; `size` is a power of two."""
    bits = np.bitwise_and.outer(np.arange(size), np.arange(size))
    odd = np.array([int(each).bit_count() % 2 for each in bits.flat]).reshape(size, size)
    return ((1 - 2 * odd) / np.sqrt(size)).astype(np.float32)
