"""The compiled programs of many sequences: some tokens of each a call, and the ways into the pool and out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax

from model.cache import pool as pools
from model.cache.layer import LayerCache
from model.cache.pool import Pool
from model.cache.state import Cache, State
from model.config import ModelConfig
from model.decoder.batched import Seats, hidden
from model.decoder.decoder import Decoder
from model.decoder.rowwise import logits
from model.nn.rope import RopeTable
from model.sampling.sampler import Sampler, masked
from model.weights.params import Params

_Carry = tuple[Array, Array, Array, Array, Array, Array | None, Pool]

MOST_STEPS = 16
"""Tokens of each sequence decoded by one call at most."""

SIZES = (1, 2, 4, 8, 16, 24, 32)
"""Rows that a program is compiled for; more of them in steps of the last."""


def size_for(count: int) -> int:
    """Rows of the program that takes so many sequences."""
    return next((size for size in SIZES if size >= count), -(-count // SIZES[-1]) * SIZES[-1])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Batch:
    """The sequences of a call, B rows.

    Attributes:
        seats: where their memory is.
        tokens: int32 [B], to be taken next.
        at: int32 [B], their positions; -1 for rows without a sequence.
        left: int32 [B], tokens that may follow.
        fresh: int32 [B], a page of each that held another sequence's tokens, or the page of nobody.
        stops: int32 [B, s], tokens that end each; -1 behind the last.
        temperature, top_k, top_p, min_p: [B], see `model.sampling.sampler.Sampling`.
        seeds: uint32 [B, 2].
        masks: uint32 [B, ceil(V / 32)], what each may choose; None: anything.
    """

    seats: Seats
    tokens: Array
    at: Array
    left: Array
    fresh: Array
    stops: Array
    temperature: Array
    top_k: Array
    top_p: Array
    min_p: Array
    seeds: Array
    masks: Array | None


@partial(jax.jit, static_argnums=0, static_argnames="scored", donate_argnums=3)
def step(
    decoder: Decoder,
    params: Params,
    ropes: tuple[RopeTable, ...],
    pool: Pool,
    batch: Batch,
    steps: Array,
    *,
    scored: bool = False,
) -> tuple[Array, Array, Array | None, Pool]:
    """Decode up to `steps` tokens of every sequence.

    Returns:
        Tokens int32 [16, B], how many of each int32 [B], where they are `scored` the logits f32 [B, V] of the
        last step, and the pool.
    """
    pool = pool.cleared(batch.fresh)
    rows = batch.tokens.shape[0]
    samplers = Sampler(
        batch.temperature,
        batch.top_k,
        batch.top_p,
        batch.min_p,
        jax.random.wrap_key_data(batch.seeds, impl="threefry2x32"),
    )

    def unfinished(carry: _Carry) -> Array:
        done, _, at, *_ = carry
        return (done < steps) & jnp.any(at >= 0)

    def one(carry: _Carry) -> _Carry:
        done, tokens, at, counts, out, _, pool = carry
        x, pool = hidden(decoder, params, ropes, pool, batch.seats, tokens, at)
        scores = logits(decoder, params, x)
        # One by one: a row that takes the likeliest pays nothing for those that draw.
        picked = lax.map(_pick, (samplers, scores, at + 1, batch.masks))
        tokens = jnp.where(at >= 0, picked, tokens)
        counts = counts + (at >= 0)
        ended = (counts >= batch.left) | jnp.any(tokens[:, None] == batch.stops, axis=1)
        at = jnp.where((at >= 0) & ~ended, at + 1, -1)
        return done + 1, tokens, at, counts, out.at[done].set(tokens), scores if scored else None, pool

    start = (
        jnp.int32(0),
        batch.tokens,
        batch.at,
        jnp.zeros(rows, jnp.int32),
        jnp.zeros((MOST_STEPS, rows), jnp.int32),
        jnp.zeros((rows, decoder.config.vocab), jnp.float32) if scored else None,
        pool,
    )
    _, _, _, counts, out, last, pool = lax.while_loop(unfinished, one, start)
    return out, counts, last, pool


def _pick(row: tuple[Sampler, Array, Array, Array | None]) -> Array:
    sampler, scores, position, mask = row
    return sampler.pick(scores if mask is None else masked(scores, mask), position)


@partial(jax.jit, donate_argnums=0)
def put(pool: Pool, state: State, row: Array, pages: Array, first: Array, count: Array) -> Pool:
    """See `Pool.put`."""
    return pool.put(state, row, pages, first, count)


@partial(jax.jit, donate_argnums=1)
def taken(
    pool: Pool, state: State, snapshot: State | None, pages: Array, count: Array, length: Array
) -> State:
    """The state of a sequence's first tokens; see `Pool.take`.

    Args:
        state: an empty one with enough slots.
        snapshot: of the memory of constant size after these tokens; None where there is none.
    """
    if snapshot is not None:
        state = State(
            tuple(
                tuple(map(_kept, stack, of)) for stack, of in zip(state.caches, snapshot.caches, strict=True)
            ),
            state.length,
        )
    return pool.take(state, pages, count, length)


def _kept(cache: Cache, of: Cache) -> Cache:
    if isinstance(cache, LayerCache) and not cache.ring:
        return cache
    return jax.tree.map(jnp.copy, of)  # the state is used up, the snapshot is not


@partial(jax.jit, static_argnums=1)
def larger(pool: Pool, pages: int) -> Pool:
    """See `Pool.grow`."""
    return pool.grow(pages)


@partial(jax.jit, donate_argnums=0)
def trimmed(state: State, length: Array) -> State:
    """The state without the tokens at `length` and later; it has full caches only."""
    return state.trim(length)


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def empty(config: ModelConfig, pages: int, rows: int, bits: int) -> Pool:
    """See `model.cache.pool.empty`."""
    return pools.empty(config, pages, rows, bits)
