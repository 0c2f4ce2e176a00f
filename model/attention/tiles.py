"""How `model.attention.pallas` cuts its work into tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax.experimental import pallas as pl

from model.attention.kinds import FEW

NARROWEST = 16  # columns, or rows, of a product
_WIDEST = 128
_PROGRAMS = 256  # that keep a GPU of about 130 processors busy
_SLOTS_A_SPLIT = 256  # at least: each one more has its part to be merged


@dataclass(frozen=True, slots=True)
class Piece:
    """Some columns of a head, as many as a power of two.

    Attributes:
        start: the first.
        width: how many.
        half: of an int8 row, the half whose scale they have.
    """

    start: int
    width: int
    half: int

    @property
    def columns(self) -> Any:
        """What to index with."""
        return pl.ds(self.start, self.width)


@dataclass(frozen=True, slots=True)
class Plan:
    """How the work is cut, all known when the program is built.

    Attributes:
        pieces: of a head.
        rows: R, of a tile of queries.
        keys: b, of a block.
        tiles: of queries.
        splits: of the keys.
        slots: S.
        scaled: keys and values are int8 with scales behind them.
        exact: products of f32; else of 16 bits with sums of f32.
        parts: into how many numbers of 16 bits a query or weight is split: two lose nothing that counts.
        softcap: as of the reference.
    """

    pieces: tuple[Piece, ...]
    rows: int
    keys: int
    tiles: int
    splits: int
    slots: int
    scaled: bool
    exact: bool
    parts: int
    softcap: float | None


def plan_of(
    count: int, heads: int, size: int, kv_heads: int, slots: int, dtype: jnp.dtype, softcap: float | None
) -> Plan:
    """The cut for T queries of N heads of size H over K heads of S slots.

    Args:
        count, heads, size, kv_heads, slots: T, N, H, K and S.
        dtype: of keys and values as they are stored.
        softcap: as of the reference.
    """
    scaled, exact = dtype == jnp.int8, dtype == jnp.float32
    rows = count * (heads // kv_heads)
    # A tile of queries and two blocks of keys and values are to fit 99 KB, what the smallest GPUs have.
    most = 64 if size <= 256 else 32
    tall = min(most, max(NARROWEST, 1 << (rows - 1).bit_length()))
    keys = 64 if size <= 128 else 32 if size <= 256 else 16
    tiles = -(-rows // tall)
    splits = max(1, min(_PROGRAMS // (tiles * kv_heads), slots // _SLOTS_A_SPLIT))
    parts = 2 if count <= FEW else 1  # few wait for memory, not for products
    pieces = _pieces(size, 2 if scaled else 1)
    return Plan(pieces, tall, keys, tiles, splits, slots, scaled, exact, parts, softcap)


def _pieces(size: int, halves: int) -> tuple[Piece, ...]:
    """A head cut into powers of two; pieces of an int8 row lie in one of its halves."""
    found: list[Piece] = []
    for half in range(halves):
        start, end = half * size // halves, (half + 1) * size // halves
        while start < end:
            width = min(_WIDEST, 1 << ((end - start).bit_length() - 1))
            found.append(Piece(start, width, half))
            start += width
    return tuple(found)
