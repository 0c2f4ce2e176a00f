"""A step of decoding for many sequences: one token of each, every one finding its own past in a pool."""

from __future__ import annotations

from dataclasses import dataclass

import jax
from jax import Array

from model.attention import apart
from model.cache.layer import LayerCache
from model.cache.pool import Pool
from model.cache.recurrent import RecurrentCache, RecurrentRows, in_rows
from model.cache.state import Cache
from model.config import LayerSpec
from model.decoder import rowwise
from model.decoder.block import Kept
from model.decoder.decoder import Decoder
from model.nn.rope import RopeTable
from model.weights.params import Params, stacks


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Seats:
    """Where in a pool the sequences of a step have their memory.

    Attributes:
        rows: int32 [B], their rows.
        pages: int32 [B, n], their pages in order; -1 behind the last.
    """

    rows: Array
    pages: Array


def hidden(
    decoder: Decoder,
    params: Params,
    ropes: tuple[RopeTable, ...],
    pool: Pool,
    seats: Seats,
    tokens: Array,
    at: Array,
) -> tuple[Array, Pool]:
    """Run one token each of many sequences through all layers.

    Args:
        decoder, params, ropes, tokens, at: see `model.decoder.rowwise.hidden`.
        pool: with the tokens before; the page that a token falls in is its sequence's.
        seats: where each sequence's memory is.

    Returns:
        f32 [B, D] after the last layer, before the final norm, and the pool with the tokens.

    Raises:
        UnsupportedModelError: a layer attends sparsely.
    """
    seen = tuple(
        tuple(_seen(spec, cache, seats, at) for spec, cache in zip(stack.specs, kept, strict=True))
        for stack, kept in zip(stacks(decoder.config), pool.caches, strict=True)
    )
    x, seen = rowwise.hidden(decoder, params, ropes, seen, tokens, at)
    return x, Pool(tuple(tuple(map(_cache, stack)) for stack in seen))


def _seen(spec: LayerSpec, cache: Cache, seats: Seats, at: Array) -> Kept:
    """A cache of the pool as the step's tokens see it, with them entered."""
    if isinstance(cache, RecurrentCache):
        return in_rows(cache, seats.rows, at)
    if not isinstance(cache, LayerCache):
        return None
    if spec.mixer.window is not None:
        return apart.in_rings(cache, spec.mixer.window, seats.rows, at)
    return apart.in_pages(cache, seats.pages, at)


def _cache(kept: Kept) -> Cache:
    return kept.cache if isinstance(kept, (apart.Rows, RecurrentRows)) else None
