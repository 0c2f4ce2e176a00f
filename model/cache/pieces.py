"""A state in pieces that can be put away and put back: what full caches hold of a chunk, and snapshots.

A full cache only ever grows, so the piece that a chunk has added stands for itself.  Rings and recurrences
are overwritten, so they are taken whole, at the places to which one may want to come back.  Whatever arrays a
full cache is made of: the one with a single axis is its positions, of all others the third axis is the slots.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from model.attention.mask import EMPTY
from model.cache.layer import LayerCache
from model.cache.state import Cache, State
from model.cache.trail import Step
from model.program import program

Part = Array | np.ndarray

_SLOTS = 2  # the axis


def grows(state: State) -> bool:
    """Whether there are full caches, and so pieces."""
    return any(_is_full(cache) for stack in state.caches for cache in stack)


def turns(state: State) -> bool:
    """Whether there are rings or recurrences, and so no way back without a snapshot."""
    return any(cache is not None and not _is_full(cache) for stack in state.caches for cache in stack)


def piece_bytes(state: State) -> int:
    """Bytes of one token in all full caches."""
    return sum(_bytes(leaf) // leaf.shape[_SLOTS] for leaf in _stacks(state))


def snapshot_bytes(state: State) -> int:
    """Bytes of a snapshot."""
    return sum(map(_bytes, jax.tree.leaves(_constant(state))))


def cut(state: State, first: int, size: int) -> list[Array]:
    """Copies of `size` slots of all full caches, from the token `first` on: [L, K, size, …] each."""
    return _cut(state, np.int32(first), size)


def snapshot(state: State) -> list[Array]:
    """Copies of all rings and recurrences."""
    return _copied(_constant(state))


def put(state: State, pieces: Sequence[Part], first: int) -> State:
    """The state with a piece in its place, from the token `first` on; it holds no more tokens for that.

    Args:
        state: it is used up.
        pieces: as `cut` gives them.
        first: index of their first token.
    """
    return _put(state, list(pieces), np.int32(first))


def places(state: State) -> list[np.ndarray] | None:
    """The memory of all that pieces are put into, [L, K, S, …] each, for numbers that are read from a file.

    Only who owns the state may write to it, and only until the state is used up.

    Returns:
        None where this process cannot reach it: on a device with memory of its own, or divided.
    """
    found: list[np.ndarray] = []
    for leaf in jax.block_until_ready(_stacks(state)):
        if len(leaf.sharding.device_set) > 1 or next(iter(leaf.devices())).platform != "cpu":
            return None
        # `np.asarray` would give a view that keeps the array from being used up in place.
        memory = (ctypes.c_uint8 * leaf.nbytes).from_address(leaf.unsafe_buffer_pointer())
        found.append(np.frombuffer(memory, np.dtype(leaf.dtype)).reshape(leaf.shape))
    return found


def at(places: Sequence[np.ndarray], step: Step) -> list[np.ndarray]:
    """Where in `places` a chunk's tokens belong."""
    return [each[:, :, step.first : step.first + step.taken] for each in places]


def finish(state: State, length: int, snapshot: Sequence[Part]) -> State:
    """The state of `length` tokens whose pieces are all in their places.

    Args:
        state: it is used up.
        length: tokens.
        snapshot: as `snapshot` gives it, of this length; empty where nothing turns.
    """
    return _finish(state, np.int32(length), list(snapshot))


def shapes(
    state: State, size: int
) -> tuple[list[tuple[tuple[int, ...], str]], list[tuple[tuple[int, ...], str]]]:
    """Shape and type of each array of a piece of `size` tokens, and of a snapshot, whatever the room."""
    pieces = [
        ((*leaf.shape[:_SLOTS], size, *leaf.shape[_SLOTS + 1 :]), str(np.dtype(leaf.dtype)))
        for leaf in _stacks(state)
    ]
    whole = [(tuple(leaf.shape), str(np.dtype(leaf.dtype))) for leaf in jax.tree.leaves(_constant(state))]
    return pieces, whole


def _bytes(leaf: Array) -> int:
    """Of an array, or of the shape of one."""
    return leaf.size * np.dtype(leaf.dtype).itemsize


def _is_full(cache: Cache) -> bool:
    return isinstance(cache, LayerCache) and not cache.ring


def _stacks(state: State) -> list[Array]:
    """The arrays with a slot axis of all full caches."""
    full = [cache for stack in state.caches for cache in stack if _is_full(cache)]
    return [leaf for leaf in jax.tree.leaves(full) if leaf.ndim > 1]


def _constant(state: State) -> list[Any]:
    return [cache for stack in state.caches for cache in stack if cache is not None and not _is_full(cache)]


def _slots_of(cache: LayerCache, first: Array, size: int) -> Array:
    """The slots int32 [size] of consecutive tokens where they are dealt to several devices."""
    at = first + jnp.arange(size, dtype=jnp.int32)
    return at % cache.hands * (cache.slots // cache.hands) + at // cache.hands


@program(static=(2,))
def _cut(state: State, first: Array, size: int) -> list[Array]:
    pieces: list[Array] = []
    for cache in (each for stack in state.caches for each in stack):
        if not isinstance(cache, LayerCache) or cache.ring:
            continue
        for leaf in jax.tree.leaves(cache):
            if leaf.ndim == 1:
                continue
            if cache.hands > 1:
                pieces.append(jnp.take(leaf, _slots_of(cache, first, size), axis=_SLOTS))
            else:
                pieces.append(lax.dynamic_slice_in_dim(leaf, first, size, _SLOTS))
    return pieces


@program()
def _copied(caches: list[Any]) -> list[Array]:
    return [jnp.copy(leaf) for leaf in jax.tree.leaves(caches)]


@program(donate=(0,))
def _put(state: State, pieces: list[Array], first: Array) -> State:
    left = list(pieces)

    def filled(cache: Cache) -> Cache:
        if not isinstance(cache, LayerCache) or cache.ring:
            return cache
        leaves, made = jax.tree.flatten(cache)
        for index, leaf in enumerate(leaves):
            if leaf.ndim == 1:
                continue
            piece = left.pop(0)
            if cache.hands > 1:
                slots = _slots_of(cache, first, piece.shape[_SLOTS])
                leaves[index] = leaf.at[:, :, slots].set(piece)
            else:
                leaves[index] = lax.dynamic_update_slice_in_dim(leaf, piece, first, _SLOTS)
        return jax.tree.unflatten(made, leaves)

    return State(tuple(tuple(map(filled, stack)) for stack in state.caches), state.length)


@program(donate=(0,))
def _finish(state: State, length: Array, snapshot: list[Array]) -> State:
    left = list(snapshot)

    def finished(cache: Cache) -> Cache:
        if cache is None:
            return None
        leaves, made = jax.tree.flatten(cache)
        if not isinstance(cache, LayerCache) or cache.ring:
            return jax.tree.unflatten(made, [left.pop(0) for _ in leaves])
        for index, leaf in enumerate(leaves):
            if leaf.ndim == 1:
                each = cache.slots // cache.hands
                slot = jnp.arange(cache.slots, dtype=jnp.int32)
                token = slot % each * cache.hands + slot // each
                leaves[index] = jnp.where(token < length, token, EMPTY)
        return jax.tree.unflatten(made, leaves)

    return State(tuple(tuple(map(finished, stack)) for stack in state.caches), length)
