"""The memory of many sequences at once: pages of full caches that any of them may take, and a row for each.

What grows with a sequence lies in pages of a fixed number of slots, handed out as it grows, so that short
sequences never pay for the longest, and those that begin alike can stand on the same pages.  What has a
constant size (rings, recurrences) has a row for each sequence.  The first page and the last row belong to
nobody: steps that have no sequence write there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array, lax

from model.attention.mask import EMPTY
from model.cache import layer, recurrent
from model.cache.layer import LayerCache
from model.cache.recurrent import RecurrentCache
from model.cache.state import Cache, State
from model.config import LayerSpec, ModelConfig, RecurrentSpec
from model.weights.params import stacks

PAGE = 512  # slots; the piece whose keys the compiled attention weighs together
NOWHERE = 0  # the page that belongs to nobody


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Pool:
    """Caches in the order of the parameters' stacks.

    Full caches have ``pages · PAGE`` slots, rings W slots for each row, and recurrences
    ([L, rows, E], [L, rows, C-1, E], lengths [rows]) a state for each.
    """

    caches: tuple[tuple[Cache, ...], ...]

    @property
    def pages(self) -> int:
        """Pages of the full caches; 0 where there are none."""
        caches = [each for stack in self.caches for each in stack if isinstance(each, LayerCache)]
        return max((each.slots // PAGE for each in caches if not each.ring), default=0)

    def put(self, state: State, row: Array, pages: Array, first: Array, count: Array) -> Pool:
        """The pool with a sequence's state.

        Args:
            state: of one sequence.
            row: int [], its row.
            pages: int [n], where its pages lie, n · PAGE slots at least as many as the state's.
            first, count: int [], the pages [first, count) of the sequence are written.
        """

        def entered(cache: Cache, of: Cache) -> Cache:
            if isinstance(cache, RecurrentCache):
                assert isinstance(of, RecurrentCache)
                return RecurrentCache(
                    cache.lru.at[:, row].set(of.lru),
                    cache.conv.at[:, row].set(of.conv),
                    cache.length.at[row].set(of.length),
                )
            if not isinstance(cache, LayerCache):
                return cache
            assert isinstance(of, LayerCache)
            if cache.ring:
                return _copied(cache, of, row * of.slots, jnp.int32(0), of.slots)
            return lax.fori_loop(
                first, count, lambda i, whole: _copied(whole, of, pages[i] * PAGE, i * PAGE, PAGE), cache
            )

        return Pool(_paired(entered, self.caches, state.caches))

    def take(self, state: State, pages: Array, count: Array, length: Array) -> State:
        """The state of the first tokens of a sequence, as far as it lies in pages.

        Args:
            state: with enough slots, used up; its rings and recurrences are those after `length` tokens.
            pages: int [n], where the sequence's pages lie.
            count: int [], how many of them are read.
            length: int [], tokens.
        """

        def read(cache: Cache, to: Cache) -> Cache:
            if not _is_full(cache) or not isinstance(cache, LayerCache) or not isinstance(to, LayerCache):
                return to
            got = lax.fori_loop(
                0, count, lambda i, whole: _copied(whole, cache, i * PAGE, pages[i] * PAGE, PAGE), to
            )
            return got.trim(length)

        return State(_paired(read, self.caches, state.caches), length.astype(jnp.int32))

    def cleared(self, pages: Array) -> Pool:
        """The pool with nothing in some pages, int [n]."""
        slots = (pages[:, None] * PAGE + jnp.arange(PAGE)).reshape(-1)

        def one(cache: Cache) -> Cache:
            if not isinstance(cache, LayerCache) or cache.ring:
                return cache
            return replace(cache, positions=cache.positions.at[slots].set(EMPTY))

        return Pool(tuple(tuple(map(one, stack)) for stack in self.caches))

    def grow(self, pages: int) -> Pool:
        """The pool with so many pages."""

        def one(cache: Cache) -> Cache:
            return cache.grow(pages * PAGE) if isinstance(cache, LayerCache) and not cache.ring else cache

        return Pool(tuple(tuple(map(one, stack)) for stack in self.caches))


def empty(config: ModelConfig, pages: int, rows: int, bits: int) -> Pool:
    """A pool that holds nothing.

    Args:
        config: the model.
        pages: of the full caches, the first one included, which is nobody's.
        rows: sequences, the last one included, which is nobody's.
        bits: of every key and value.
    """

    def one(spec: LayerSpec, repeats: int) -> Cache:
        mixer = spec.mixer
        if isinstance(mixer, RecurrentSpec):
            one = recurrent.empty(repeats, mixer.width, mixer.conv)
            return RecurrentCache(
                jnp.zeros((repeats, rows, *one.lru.shape[1:]), one.lru.dtype),
                jnp.zeros((repeats, rows, *one.conv.shape[1:]), one.conv.dtype),
                jnp.zeros(rows, jnp.int32),
            )
        if mixer.source is not None:
            return None
        ring = mixer.window is not None
        slots = mixer.window * rows if mixer.window is not None else pages * PAGE
        return layer.empty(repeats, mixer.kv_heads, slots, mixer.head_dim, bits, ring=ring)

    return Pool(tuple(tuple(one(spec, stack.repeats) for spec in stack.specs) for stack in stacks(config)))


def has_pages(config: ModelConfig) -> bool:
    """Whether any layer keeps all of a text."""
    return any(spec.attention and not spec.attention.window for spec in config.layers)


def has_rows(config: ModelConfig) -> bool:
    """Whether any layer keeps a memory of constant size, of which a part cannot be taken back."""
    return any(not spec.attention or spec.attention.window for spec in config.layers)


def _is_full(cache: Cache) -> bool:
    return isinstance(cache, LayerCache) and not cache.ring


def _copied(to: LayerCache, of: LayerCache, at: Array, start: Array, count: int) -> LayerCache:
    """`to` with the slots [start, start + count) of another cache at slot `at`."""

    def stack(to: Array, of: Array) -> Array:
        part = lax.dynamic_slice_in_dim(of, start, count, axis=2)
        return lax.dynamic_update_slice_in_dim(to, part, at, axis=2)

    positions = lax.dynamic_slice_in_dim(of.positions, start, count)
    return replace(
        to,
        keys=stack(to.keys, of.keys),
        values=stack(to.values, of.values),
        positions=lax.dynamic_update_slice_in_dim(to.positions, positions, at, axis=0),
    )


def _paired(
    change, first: tuple[tuple[Cache, ...], ...], second: tuple[tuple[Cache, ...], ...]
) -> tuple[tuple[Cache, ...], ...]:
    return tuple(tuple(map(change, one, other)) for one, other in zip(first, second, strict=True))
