"""What a recurrent layer remembers: a state of constant size, whatever the length of the text.

It cannot forget: a state holds all tokens before it folded into one another, so the last ones cannot be taken
out again.  Whoever may want to go back keeps a `snapshot` and returns to that, and to nothing in between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array, lax

from model.attention.mask import EMPTY
from model.errors import ModelError


class RollbackError(ModelError):
    """A state was asked for a length that it has passed and of which no snapshot is given."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RecurrentCache:
    """Stacked states of recurrent layers that share their shape.

    Attributes:
        lru: f32 [L, E], of the linear recurrences.
        conv: f32 [L, C-1, E], the newest inputs of the convolutions, oldest first.
        length: int32 [], tokens that are folded in.
    """

    lru: Array
    conv: Array
    length: Array

    def claim(self, at: Array) -> RecurrentCache:
        """The cache with a chunk's tokens counted; the same for all layers.

        Args:
            at: int [T], consecutive positions, then `EMPTY` for padding.
        """
        last = at.max()
        return replace(self, length=jnp.where(last == EMPTY, self.length, last + 1))

    def write(self, layer: Array, lru: Array, conv: Array) -> RecurrentCache:
        """The cache with one layer's state after a chunk.

        Args:
            layer: index in L.
            lru: f32 [E].
            conv: f32 [C-1, E].
        """
        return replace(
            self,
            lru=lax.dynamic_update_index_in_dim(self.lru, lru, layer, 0),
            conv=lax.dynamic_update_index_in_dim(self.conv, conv, layer, 0),
        )

    def layer(self, index: Array) -> tuple[Array, Array]:
        """State f32 [E] and convolution inputs f32 [C-1, E] of one layer."""
        lru, conv = (lax.dynamic_index_in_dim(part, index, keepdims=False) for part in (self.lru, self.conv))
        return lru, conv

    def snapshot(self) -> RecurrentCache:
        """A copy that stays when this cache is given away (donated) to a compiled program."""
        return jax.tree.map(jnp.copy, self)

    def trim(self, length: Array | int, snapshot: RecurrentCache | None = None) -> RecurrentCache:
        """The cache without the tokens at `length` and later; decided here, so never inside of `jax.jit`.

        Args:
            length: tokens to keep.  0 is always possible, and so is what changes nothing.
            snapshot: taken at exactly this length.

        Raises:
            RollbackError: the tokens cannot be taken out, and the snapshot is of another length or missing.
        """
        length, have = int(length), int(self.length)
        if length >= have:
            return self
        if snapshot is not None and int(snapshot.length) == length:
            return snapshot.snapshot()
        if length == 0:
            return jax.tree.map(jnp.zeros_like, self)
        kept = "none was given" if snapshot is None else f"the one given is of {int(snapshot.length):,}"
        raise RollbackError(
            f"a recurrent state of {have:,} tokens can go back to {length:,} only by a snapshot of that "
            f"length, and {kept}: compute the tokens again"
        )


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RecurrentRows:
    """States of many sequences, as a step sees them that takes a token of some.

    Attributes:
        cache: lru [L, R, E], conv [L, R, C-1, E], length [R], with the tokens counted.
        rows: int32 [B], which of the R each token belongs to.
    """

    cache: RecurrentCache
    rows: Array

    def layer(self, index: Array) -> tuple[Array, Array]:
        """States f32 [B, E] and convolution inputs f32 [B, C-1, E] of one layer."""
        return self.cache.lru[index, self.rows], self.cache.conv[index, self.rows]

    def write(self, layer: Array, lru: Array, conv: Array) -> RecurrentRows:
        """The states with those of one layer after the tokens: f32 [B, E] and [B, C-1, E]."""
        cache = replace(
            self.cache,
            lru=self.cache.lru.at[layer, self.rows].set(lru),
            conv=self.cache.conv.at[layer, self.rows].set(conv),
        )
        return replace(self, cache=cache)


def in_rows(cache: RecurrentCache, rows: Array, at: Array) -> RecurrentRows:
    """States of many sequences with their tokens at `at` int32 [B] counted; see `RecurrentRows`."""
    length = jnp.where(at == EMPTY, cache.length[rows], at + 1)
    return RecurrentRows(replace(cache, length=cache.length.at[rows].set(length)), rows)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RecurrentAhead:
    """States of a sequence after each of some consecutive tokens, of which the last may be taken back.

    Attributes:
        cache: before them.
        at: int32 [T], their positions.
        lru: f32 [L, T, E], after each.
        conv: f32 [L, T, C-1, E].
    """

    cache: RecurrentCache
    at: Array
    lru: Array
    conv: Array

    def layer(self, index: Array) -> tuple[Array, Array]:
        """What was known before: see `RecurrentCache.layer`."""
        return self.cache.layer(index)

    def write(self, layer: Array, lru: Array, conv: Array) -> RecurrentAhead:
        """The states with those of one layer after each token: f32 [T, E] and [T, C-1, E]."""
        return replace(
            self,
            lru=lax.dynamic_update_index_in_dim(self.lru, lru, layer, 0),
            conv=lax.dynamic_update_index_in_dim(self.conv, conv, layer, 0),
        )

    def kept(self, count: Array) -> RecurrentCache:
        """The cache with the first `count` int [] of the tokens, at least one."""
        last = count - 1
        return RecurrentCache(
            lax.dynamic_index_in_dim(self.lru, last, axis=1, keepdims=False),
            lax.dynamic_index_in_dim(self.conv, last, axis=1, keepdims=False),
            self.at[last] + 1,
        )


def ahead_of(cache: RecurrentCache, at: Array) -> RecurrentAhead:
    """A cache as tokens at consecutive positions int32 [T] see it."""
    layers, tokens = cache.lru.shape[0], at.shape[0]
    return RecurrentAhead(
        cache,
        at,
        jnp.zeros((layers, tokens, *cache.lru.shape[1:]), cache.lru.dtype),
        jnp.zeros((layers, tokens, *cache.conv.shape[1:]), cache.conv.dtype),
    )


def empty(layers: int, width: int, taps: int) -> RecurrentCache:
    """A cache that holds no token, for convolutions over `taps` tokens."""
    return RecurrentCache(
        jnp.zeros((layers, width), jnp.float32),
        jnp.zeros((layers, taps - 1, width), jnp.float32),
        jnp.zeros((), jnp.int32),
    )
