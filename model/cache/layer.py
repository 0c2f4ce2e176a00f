"""Keys and values of past tokens: a full cache for global layers, a ring of the window for sliding ones.

Both hold the layers of one place in a scanned pattern, stacked, and the position of the token in every slot.
A token is written at its position (modulo the ring), so a cache never needs compaction, and padding or
rolled-back tokens are only slots whose position is `EMPTY`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from model.attention.mask import EMPTY
from model.cache.spreading import spread
from model.mesh import AXIS, partition

_LARGEST = 65504.0  # of f16
_SCALE = 4  # bytes of a row's scales


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LayerCache:
    """Stacked keys and values of layers that share their shape.

    Attributes:
        keys, values: [L, K, S, H]; f32, or f16 as its bits in uint16.  (XLA on a CPU has no arithmetic of 16
            bits: it may widen, update and round the whole array to write one token. Bits it leaves alone.)
            Or int8 [L, K, S, H + 4]: behind a row's numbers stand four bytes of scales, see `encode`.
        positions: int32 [S], the token in each slot or `EMPTY`.
        ring: whether slots are reused modulo S; S is then exactly the window.
        hands: devices that the slots are dealt to like cards: the token at position p is held by device p
            modulo this, so that all hold equally many whatever the length. 1: each device has all slots, of
            its heads. Within `shard_map` the arrays are one device's own.
    """

    keys: Array
    values: Array
    positions: Array
    ring: bool = field(metadata={"static": True})
    hands: int = field(default=1, metadata={"static": True})

    @property
    def slots(self) -> int:
        """S."""
        return self.positions.shape[0]

    @property
    def head_dim(self) -> int:
        """H."""
        return self.keys.shape[3] - (_SCALE if self.keys.dtype == jnp.int8 else 0)

    def claim(self, at: Array) -> LayerCache:
        """The cache with a chunk's positions entered; the same for all layers, so done once before them.

        Args:
            at: int [T], consecutive positions, then `EMPTY` for padding.
        """
        if self.hands > 1:
            # All devices' slots, one device's behind another's.
            slot = at % self.hands * (self.slots // self.hands) + at // self.hands
            slot = jnp.where(at == EMPTY, self.slots, slot)
            return replace(self, positions=self.positions.at[slot].set(at, mode="drop"))
        return replace(self, positions=_write(self.positions, at, at, self.ring))

    def write(self, layer: Array, keys: Array, values: Array, at: Array) -> LayerCache:
        """The cache with a chunk's keys and values entered for one layer.

        Args:
            layer: index in L.
            keys, values: f32 [T, K, H].
            at: as in `claim`.
        """

        def into(stack: Array, new: Array) -> Array:
            new = encode(new, stack.dtype)
            if self.hands > 1:
                mine = (at % self.hands == lax.axis_index(AXIS)) & (at != EMPTY)
                slot = jnp.where(mine, at // self.hands, self.slots)
                return stack.at[layer, :, slot].set(new, mode="drop")
            new = new.transpose(1, 0, 2)
            if self.ring and at.shape[0] > 1:
                old = lax.dynamic_index_in_dim(stack, layer, keepdims=False)
                whole = jax.vmap(lambda o, n: _write(o, n, at, ring=True))(old, new)
                return lax.dynamic_update_slice(stack, whole[None], (layer, 0, 0, 0))
            # One slice, written in place. A full cache has a chunk of room to spare behind its last token.
            start = jnp.maximum(at[0], 0) % self.slots if self.ring else at[0]
            return lax.dynamic_update_slice(stack, new[None], (layer, 0, start, 0))

        return replace(self, keys=into(self.keys, keys), values=into(self.values, values))

    def block(self, layer: Array, index: Array, size: int) -> tuple[Array, Array, Array]:
        """Slots [index·size, index·size + size) of one layer: keys, values f32 [K, size, H], positions
        [size].

        Where the slots end inside the last block, it begins earlier; what it then shares with the block
        before has the position `EMPTY`, so that no token is seen twice.
        """
        start = index * size
        shape = (1, self.keys.shape[1], size, self.keys.shape[3])
        keys, values = (
            decode(lax.dynamic_slice(stack, (layer, 0, start, 0), shape)[0])
            for stack in (self.keys, self.values)
        )
        shared = jnp.arange(size) < start + size - self.slots
        positions = lax.dynamic_slice(self.positions, (start,), (size,))
        return keys, values, jnp.where(shared, EMPTY, positions)

    def in_order(self, layer: Array, start: Array) -> tuple[Array, Array, Array]:
        """A ring's keys, values f32 [K, S, H] and positions [S], oldest first, for a chunk that begins at
        `start`."""
        order = (start + jnp.arange(self.slots)) % self.slots
        keys, values = (jnp.take(part, order, axis=1) for part in self.layer(layer))
        return keys, values, self.positions[order]

    def layer(self, index: Array) -> tuple[Array, Array]:
        """Keys and values f32 [K, S, H] of one layer."""
        keys, values = (
            decode(lax.dynamic_index_in_dim(stack, index, keepdims=False))
            for stack in (self.keys, self.values)
        )
        return keys, values

    def grow(self, slots: int) -> LayerCache:
        """The cache with room for so many tokens; every device gets its own."""
        each = self.slots // self.hands
        more = -(-slots // self.hands) - each

        def larger(part: Array, axis: int, filling: float) -> Array:
            dealt = part.reshape(*part.shape[:axis], self.hands, each, *part.shape[axis + 1 :])
            pad = [(0, 0)] * dealt.ndim
            pad[axis + 1] = (0, more)
            dealt = jnp.pad(dealt, pad, constant_values=filling)
            return dealt.reshape(*part.shape[:axis], -1, *part.shape[axis + 1 :])

        return replace(
            self,
            keys=larger(self.keys, 2, 0),
            values=larger(self.values, 2, 0),
            positions=larger(self.positions, 0, EMPTY),
        )

    def partitions(self, devices: int) -> Any:
        """The cache with a `PartitionSpec` in the place of each array: how it enters `shard_map`.

        By heads where they divide; else slots are dealt; but a ring, which is small, is then everywhere.
        """
        if self.hands > 1:
            stacks, positions = partition(2), partition(0)
        else:
            stacks = partition(1) if self.keys.shape[1] % devices == 0 else partition()
            positions = partition()
        where: dict[str, Any] = {"keys": stacks, "values": stacks, "positions": positions}
        return replace(self, **where)

    def trim(self, length: Array | int) -> LayerCache:
        """The cache without the tokens at `length` and later."""
        return replace(self, positions=jnp.where(self.positions < length, self.positions, EMPTY))


def encode(x: Array, dtype: jnp.dtype) -> Array:
    """f32 […, H] as a cache of this type stores it: itself, f16 bits in uint16, or int8 […, H + 4].

    Of the types of 16 bits f16 is the exact one: with bf16 the predictions of small models diverge a hundred
    times as far from the reference, and what they say changes.  Numbers beyond its range become its largest.
    The 8 bits are multiples of a scale, by which the largest of half a row is 127; before, the row is
    `spread`.  Both scales stand behind it in bf16.  Halves, because what stands out is mostly the two numbers
    of one rotary pair, a and b: spread, one half is as large as |a + b| and the other as |a - b|.
    """
    if dtype == jnp.uint16:
        x = jnp.clip(x, -_LARGEST, _LARGEST).astype(jnp.float16)
        return lax.bitcast_convert_type(x, jnp.uint16)
    if dtype != jnp.int8:
        return x
    x = spread(jnp.clip(x, -_LARGEST, _LARGEST))
    halves = x.reshape(*x.shape[:-1], 2, -1)
    # Never rounded down: the largest would be cut off.
    scales = (jnp.abs(halves).max(-1) * ((1 + 2**-8) / 127)).astype(jnp.bfloat16)
    wide = scales.astype(jnp.float32)[..., None]
    whole = jnp.clip(jnp.round(halves / jnp.where(wide > 0, wide, 1)), -127, 127).astype(jnp.int8)
    behind = lax.bitcast_convert_type(scales, jnp.int8).reshape(*x.shape[:-1], _SCALE)
    return jnp.concatenate([whole.reshape(x.shape), behind], axis=-1)


def decode(stored: Array) -> Array:
    """The f32 […, H] that `encode` stored, rounded."""
    if stored.dtype == jnp.uint16:
        return lax.bitcast_convert_type(stored, jnp.float16).astype(jnp.float32)
    if stored.dtype != jnp.int8:
        return stored
    shape = stored.shape[:-1]
    scales = lax.bitcast_convert_type(stored[..., -_SCALE:].reshape(*shape, 2, 2), jnp.bfloat16)
    halves = stored[..., :-_SCALE].reshape(*shape, 2, -1).astype(jnp.float32)
    return spread((halves * scales.astype(jnp.float32)[..., None]).reshape(*shape, -1))


def empty(
    layers: int, kv_heads: int, slots: int, head_dim: int, bits: int, *, ring: bool, devices: int = 1
) -> LayerCache:
    """A cache that holds no token; `bits` a value is 32 (f32), 16 (f16) or 8 (int8)."""
    hands = 1 if ring or kv_heads % devices == 0 else devices
    slots = -(-slots // hands) * hands
    dtype = {32: jnp.float32, 16: jnp.uint16, 8: jnp.int8}[bits]
    zeros = jnp.zeros((layers, kv_heads, slots, head_dim + (_SCALE if bits == 8 else 0)), dtype)
    return LayerCache(zeros, jnp.zeros_like(zeros), jnp.full((slots,), EMPTY, jnp.int32), ring, hands)


def _write(old: Array, new: Array, at: Array, ring: bool) -> Array:
    """A chunk's rows [T, …] written over `old` [S, …] at the slots of their positions."""
    if not ring:
        return lax.dynamic_update_slice(old, new, (at[0], *(0,) * (old.ndim - 1)))
    # Gathered, not scattered: each slot asks which token of the chunk, if any, is the last to fall on it.
    slots = old.shape[0]
    last = at.max()
    newest = last - (last - jnp.arange(slots)) % slots
    source = newest - at[0]
    fresh = (source >= 0) & (last >= 0)
    picked = new[jnp.clip(source, 0, new.shape[0] - 1)]
    return jnp.where(fresh.reshape(-1, *(1,) * (old.ndim - 1)), picked, old)
