"""Choosing the next token from its logits, on the device.

Top-k and top-p cut where a sort would, but by bisection over thresholds: a vocabulary of 262,144 is scanned a
few dozen times, which on a CPU is several times faster than sorting it.  Drawing is by the Gumbel trick, with
a key made from the seed and the token's position, so that the same seed gives the same text however the work
is cut into calls.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

_NEVER = -jnp.inf
_MOST = (1 << 31) - 1  # more than any model has tokens
_BLOCK = 512  # logits of which the largest is found at once
_LEAST_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to choose.  Filters apply to the distribution after temperature, in the order of the fields.

    Attributes:
        temperature: 0 takes the likeliest token always; the rest is then ignored.
        top_k: only the k likeliest; 0: all.
        top_p: only the smallest set of likeliest tokens whose probability reaches p; 1: all.
        min_p: only tokens at least this fraction as likely as the likeliest; 0: all.
        seed: of the draws.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = 0


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Sampler:
    """`Sampling` as arrays, so that changing a number compiles nothing.

    `suppressed` is int32 [n], tokens that are never chosen, or None: then nothing is computed for it.
    """

    temperature: Array
    top_k: Array
    top_p: Array
    min_p: Array
    key: Array
    suppressed: Array | None = None

    @staticmethod
    def of(sampling: Sampling, suppress: Collection[int] = ()) -> Sampler:
        """The arrays for these settings; `suppress` are tokens that are never chosen."""
        seed = sampling.seed % (1 << 64)
        # Put there as they are: for a conversion a program would be compiled.
        temperature, top_k, top_p, min_p, halves = jax.device_put(
            (
                np.float32(sampling.temperature),
                np.int32(min(sampling.top_k, _MOST)),
                np.float32(sampling.top_p),
                np.float32(sampling.min_p),
                np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32),
            )
        )
        # All 64 bits: `jax.random.key` would drop the upper half of a number.
        key = jax.random.wrap_key_data(halves, impl="threefry2x32")
        suppressed = jax.device_put(np.array(sorted(suppress), np.int32)) if suppress else None
        return Sampler(temperature, top_k, top_p, min_p, key, suppressed)

    def pick(self, logits: Array, position: Array) -> Array:
        """The next token, int32 [].

        Args:
            logits: f32 [V].
            position: int [], of the token to be chosen.
        """
        return self.pick_rows(logits[None], jnp.reshape(position, 1))[0]

    def pick_rows(self, logits: Array, positions: Array) -> Array:
        """As `pick`, of each row by itself: int32 [T] of logits f32 [T, V] and positions int [T]."""
        if self.suppressed is not None:
            logits = logits.at[:, self.suppressed].set(_NEVER)
        return lax.cond(
            self.temperature > 0,
            lambda: lax.map(lambda row: self._draw(*row), (logits, positions)),
            lambda: likeliest(logits),
        )

    def _draw(self, logits: Array, position: Array) -> Array:
        logits = logits / jnp.maximum(self.temperature, 1e-6)
        logits = keep(logits, self.top_k, self.top_p, self.min_p)
        noise = jax.random.gumbel(jax.random.fold_in(self.key, position), logits.shape)
        return jnp.argmax(logits + noise).astype(jnp.int32)


def likeliest(logits: Array) -> Array:
    """The first of the largest of each row, int32 [T] of f32 [T, V]; all must be numbers.

    Where the vocabulary divides into blocks, the block comes first: on a CPU the largest number of a block is
    found with all lanes of a register, and a place with one.
    """
    rows, size = logits.shape
    block = min(size & -size, _BLOCK)
    if block < _LEAST_BLOCK:
        return jnp.argmax(logits, axis=1).astype(jnp.int32)
    blocks = logits.reshape(rows, -1, block)
    place = jnp.argmax(blocks.max(axis=2), axis=1)
    inside = jnp.argmax(jnp.take_along_axis(blocks, place[:, None, None], axis=1)[:, 0], axis=1)
    return (place * block + inside).astype(jnp.int32)


def keep(logits: Array, top_k: Array, top_p: Array, min_p: Array) -> Array:
    """Logits with everything that the filters drop at -inf; ties at a threshold stay together.

    Args:
        logits: f32 [V].
        top_k, top_p, min_p: see `Sampling`.
    """
    size = logits.shape[0]
    k = jnp.where((top_k <= 0) | (top_k > size), size, top_k)
    logits = _cut(logits, lambda at: jnp.sum(logits >= at) >= k)
    weights = jax.nn.softmax(logits)
    # At p = 1 rounding must not drop the tail; at p = 0 the likeliest stays.
    enough = jnp.where(top_p >= 1.0, jnp.inf, jnp.maximum(top_p, jnp.finfo(jnp.float32).tiny))
    kept = _cut(logits, lambda at: jnp.sum(jnp.where(logits >= at, weights, 0.0)) >= enough)
    logits = jnp.where(top_p >= 1.0, logits, kept)
    return jnp.where(weights >= jnp.minimum(min_p, 1.0) * weights.max(), logits, _NEVER)


def masked(logits: Array, mask: Array) -> Array:
    """Logits f32 [V] with -inf for everything that a mask rules out.

    Args:
        logits: f32 [V].
        mask: uint32 [ceil(V / 32)]; see `model.sampling.constraint.Constraint.mask`.
    """
    bits = (mask[:, None] >> jnp.arange(32, dtype=jnp.uint32)) & 1
    return jnp.where(bits.reshape(-1)[: logits.shape[0]] == 1, logits, _NEVER)


def _cut(logits: Array, enough: Callable[[Array], Array]) -> Array:
    """Drop what lies below the highest threshold at which `enough` still holds, found bit by bit.

    Floats order as their bits do, once the bits of the negative ones are flipped, so 32 halvings of the
    integer range find the exact logit.
    """

    def threshold(bits: Array) -> Array:
        raw = jnp.where(bits >= 0, bits, bits ^ jnp.int32(0x7FFFFFFF))
        return lax.bitcast_convert_type(raw, jnp.float32)

    def halve(_: int, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds  # enough at low, not at high
        middle = (low & high) + ((low ^ high) >> 1)
        good = enough(threshold(middle))
        return jnp.where(good, middle, low), jnp.where(good, high, middle)

    infinity = jnp.float32(jnp.inf)
    top = lax.bitcast_convert_type(infinity, jnp.int32)
    bottom = lax.bitcast_convert_type(-infinity, jnp.int32) ^ jnp.int32(0x7FFFFFFF)
    low, _ = lax.fori_loop(0, 32, halve, (bottom, top))
    return jnp.where(logits >= threshold(low), logits, _NEVER)
