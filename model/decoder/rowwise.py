"""Rows of tokens, each computed as if it were the only one, and all matrices read once.

Everything but the mixing of tokens is a function of each row alone, so the layers are those of
`model.decoder.block`; what mixes is told by what each layer keeps: tokens of many sequences
(`model.decoder.batched`), or consecutive ones of a single sequence (`model.decoder.ahead`).
"""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
from jax import Array, lax

from model.attention import ahead, apart, api
from model.decoder.block import Chunk, Kept, Place, RowsMemory, layer
from model.decoder.decoder import Decoder, of_round
from model.errors import UnsupportedModelError
from model.nn.linear import rows as looked_up
from model.nn.rope import RopeTable
from model.reach import is_sparse
from model.weights.params import LayerParams, Params, Stack, stacks

AllKept = tuple[tuple[Kept, ...], ...]
"""What all layers keep, in the order of the parameters' stacks; None where one reads what another keeps."""


def hidden(
    decoder: Decoder,
    params: Params,
    ropes: tuple[RopeTable, ...],
    kept: AllKept,
    tokens: Array,
    at: Array,
) -> tuple[Array, AllKept]:
    """Run a row of tokens through all layers.

    Args:
        decoder: of one device.
        params: the weights.
        ropes: from `Decoder.rope_tables`.
        kept: as the tokens see it.
        tokens: int32 [B].
        at: int32 [B], their positions; `EMPTY` for rows that are nobody's, whose result means nothing.

    Returns:
        f32 [B, D] after the last layer, before the final norm, and what is kept with the tokens.

    Raises:
        UnsupportedModelError: a layer attends sparsely.
    """
    assert decoder.mesh is None, "rows are not divided"
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
    lent: dict[int, RowsMemory] = {}
    new: list[tuple[Kept, ...]] = []
    sources = {spec.source for spec in config.layers}
    for stack, weights, seen in zip(stacks(config), params.stacks, kept, strict=True):
        x, seen = _run(stack, weights, seen, lent, x, chunk)
        for index, each in enumerate(seen):
            number = stack.layer(stack.repeats - 1, index)
            if isinstance(each, (apart.Rows, ahead.Rows)) and number in sources:
                lent[number] = each.memory(jnp.int32(stack.repeats - 1))
        new.append(seen)
    return x, tuple(new)


def logits(decoder: Decoder, params: Params, x: Array) -> Array:
    """Logits f32 [B, V] of hidden rows f32 [B, D] from `hidden`."""
    return _rowwise(decoder, x.shape[0]).logits(params, x, apart=True)


def _rowwise(decoder: Decoder, rows: int) -> Decoder:
    """The decoder with the product of one row, however many there are."""
    numerics = decoder.numerics
    if not numerics.integer_rows:
        return decoder
    return replace(decoder, numerics=replace(numerics, integer_rows=max(numerics.integer_rows, rows)))


def _run(
    stack: Stack,
    weights: tuple[LayerParams, ...],
    kept: tuple[Kept, ...],
    lent: dict[int, RowsMemory],
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
            source = spec.source
            memory = caches[place] if source is None else lent[source]
            x, memory = layer(x, of_round(stacked, repeat), memory, here, spec, chunk)
            if isinstance(memory, (apart.RowsMemory, ahead.RowsMemory)):
                memory = memory.rows if source is None else None
            assert not isinstance(memory, api.Memory), "that is what a chunk remembers"
            new.append(memory)
        return (x, tuple(new)), None

    (x, kept), _ = lax.scan(one_round, (x, kept), jnp.arange(stack.repeats, dtype=jnp.int32))
    return x, kept
