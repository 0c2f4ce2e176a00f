"""The sequences of a call as arrays: one row each, padded to a size that there is a program for."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Listing

import jax.numpy as jnp
import numpy as np

from model.cache.pool import NOWHERE
from model.decoder.batched import Seats
from model.engine import together
from model.engine.sequence import Sequence
from model.sampling.constraint import all_tokens, only

_COLUMNS = 8  # pages in a row of the table of pages, or four times as many, and so on


def batch_of(
    active: Listing[Sequence], masks: Mapping[Sequence, np.ndarray], vocab: int, nobody: int
) -> together.Batch:
    """What the device has to know of these sequences.

    Args:
        active: at least one.
        masks: uint32 [ceil(V / 32)], what those may say next that are held to something.
        vocab: V.
        nobody: the row of the pool for what has no sequence.
    """
    size = together.size_for(len(active))
    columns = _COLUMNS
    while columns < max(len(each.known.pages) for each in active):
        columns *= 4
    width = max(4, *(-(-len(each.request.stops) // 4) * 4 for each in active))
    rows, pages = np.full(size, nobody, np.int32), np.full((size, columns), -1, np.int32)
    tokens, at, left = np.zeros(size, np.int32), np.full(size, -1, np.int32), np.ones(size, np.int32)
    fresh, stops = np.full(size, NOWHERE, np.int32), np.full((size, width), -1, np.int32)
    temperature, top_p, min_p = (
        np.zeros(size, np.float32),
        np.ones(size, np.float32),
        np.zeros(size, np.float32),
    )
    top_k, seeds = np.zeros(size, np.int32), np.zeros((size, 2), np.uint32)
    masked = any(each.request.suppress or not each.free for each in active)
    allowed = np.tile(all_tokens(vocab), (size, 1)) if masked else None
    for row, each in enumerate(active):
        request, sampling = each.request, each.request.sampling
        rows[row], pages[row, : len(each.known.pages)] = each.row, each.known.pages
        tokens[row], at[row], left[row] = each.feed[0], each.at, max(each.left, 1)
        fresh[row] = each.fresh
        stops[row, : len(request.stops)] = sorted(request.stops)
        temperature[row], top_k[row] = sampling.temperature, min(sampling.top_k, vocab)
        top_p[row], min_p[row] = sampling.top_p, sampling.min_p
        seed = sampling.seed % (1 << 64)
        seeds[row] = seed >> 32, seed & 0xFFFFFFFF
        if allowed is not None:
            if each in masks:
                allowed[row] = masks[each]
            if request.suppress:
                allowed[row] &= ~only(request.suppress, vocab)
    return together.Batch(
        Seats(jnp.asarray(rows), jnp.asarray(pages)),
        jnp.asarray(tokens),
        jnp.asarray(at),
        jnp.asarray(left),
        jnp.asarray(fresh),
        jnp.asarray(stops),
        jnp.asarray(temperature),
        jnp.asarray(top_k),
        jnp.asarray(top_p),
        jnp.asarray(min_p),
        jnp.asarray(seeds),
        None if allowed is None else jnp.asarray(allowed),
    )
