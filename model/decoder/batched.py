"""A step of decoding for many sequences: one token of each, all matrices read once.

Everything but the mixing of tokens is a function of each row alone, so the layers are those of
`model.decoder.block`; what mixes finds each row's own past in a pool.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array, lax

from model.attention import apart
from model.cache.layer import LayerCache
from model.cache.pool import Pool
from model.cache.recurrent import RecurrentCache, RecurrentRows, in_rows
from model.cache.state import Cache
from model.config import LayerSpec
from model.decoder.block import Chunk, Kept, Place, layer
from model.decoder.decoder import Decoder, of_round
from model.errors import UnsupportedModelError
from model.nn.linear import rows as looked_up
from model.nn.rope import RopeTable
from model.reach import is_sparse
from model.weights.params import LayerParams, Params, Stack, stacks


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
        decoder: of one device.
        params: the weights.
        ropes: from `Decoder.rope_tables`.
        pool: with the tokens before; the page that a token falls in is its sequence's.
        seats: where each sequence's memory is.
        tokens: int32 [B].
        at: int32 [B], their positions; `EMPTY` for rows without a sequence, whose result means nothing.

    Returns:
        f32 [B, D] after the last layer, before the final norm, and the pool with the tokens.

    Raises:
        UnsupportedModelError: a layer attends sparsely.
    """
    assert decoder.mesh is None, "a pool is not divided"
    config = decoder.config
    if is_sparse(config):
        raise UnsupportedModelError(
            "several texts at once are not read with sparse attention: give --attention dense or extended, "
            "or a --context within the model's window"
        )
    decoder = _rowwise(decoder, tokens.shape[0])
    place = jnp.maximum(at, 0)
    x = looked_up(params.embed, tokens) * config.embed_scale
    chunk = Chunk(
        at=at,
        reach=None,
        angles=decoder.angles(ropes, place),
        inputs=config.per_layer and decoder.inputs(params, config.per_layer, tokens, x, None, apart=True),
        numerics=decoder.numerics,
        implementation=decoder.implementation,
        eps=config.norm_eps,
        apart=True,
    )
    lent: dict[int, apart.RowsMemory] = {}
    caches: list[tuple[Cache, ...]] = []
    sources = {_source(spec) for spec in config.layers}
    for stack, weights, kept in zip(stacks(config), params.stacks, pool.caches, strict=True):
        seen = tuple(_seen(spec, cache, seats, at) for spec, cache in zip(stack.specs, kept, strict=True))
        x, seen = _run(stack, weights, seen, lent, x, chunk)
        for index, each in enumerate(seen):
            number = stack.layer(stack.repeats - 1, index)
            if isinstance(each, apart.Rows) and number in sources:
                lent[number] = apart.RowsMemory(each, jnp.int32(stack.repeats - 1))
        caches.append(
            tuple(each.cache if isinstance(each, (apart.Rows, RecurrentRows)) else None for each in seen)
        )
    return x, Pool(tuple(caches))


def logits(decoder: Decoder, params: Params, x: Array) -> Array:
    """Logits f32 [B, V] of hidden rows f32 [B, D] from `hidden`."""
    return _rowwise(decoder, x.shape[0]).logits(params, x, apart=True)


def _rowwise(decoder: Decoder, rows: int) -> Decoder:
    """The decoder with the product of one row, however many there are."""
    numerics = decoder.numerics
    if not numerics.integer_rows:
        return decoder
    return replace(decoder, numerics=replace(numerics, integer_rows=max(numerics.integer_rows, rows)))


def _seen(spec: LayerSpec, cache: Cache, seats: Seats, at: Array) -> Kept:
    """A cache of the pool as the step's tokens see it, with them entered."""
    if isinstance(cache, RecurrentCache):
        return in_rows(cache, seats.rows, at)
    if not isinstance(cache, LayerCache):
        return None
    if spec.mixer.window is not None:
        return apart.in_rings(cache, spec.mixer.window, seats.rows, at)
    return apart.in_pages(cache, seats.pages, at)


def _run(
    stack: Stack,
    weights: tuple[LayerParams, ...],
    kept: tuple[Kept, ...],
    lent: dict[int, apart.RowsMemory],
    x: Array,
    chunk: Chunk,
) -> tuple[Array, tuple[Kept, ...]]:
    """One scan over a stack's layers, as in `Decoder`."""

    def one_round(
        carry: tuple[Array, tuple[Kept, ...]], repeat: Array
    ) -> tuple[tuple[Array, tuple[Kept, ...]], None]:
        x, caches = carry
        new: list[Kept] = []
        for place, (spec, stacked) in enumerate(zip(stack.specs, weights, strict=True)):
            here = Place(repeat, stack.first + repeat * len(stack.specs) + place)
            source = _source(spec)
            memory = caches[place] if source is None else lent[source]
            x, memory = layer(x, of_round(stacked, repeat), memory, here, spec, chunk)
            if isinstance(memory, apart.RowsMemory):
                memory = memory.rows if source is None else None
            assert memory is None or isinstance(memory, (apart.Rows, RecurrentRows))
            new.append(memory)
        return (x, tuple(new)), None

    (x, kept), _ = lax.scan(one_round, (x, kept), jnp.arange(stack.repeats, dtype=jnp.int32))
    return x, kept


def _source(spec: LayerSpec) -> int | None:
    return spec.attention.source if spec.attention else None
