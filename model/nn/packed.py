"""Weights in the file's own 4 to 8 bits, multiplied where they lie by a compiled kernel (packed.c).

Nothing is widened in memory: a decoded token reads every weight once, and the fewer bytes those are, the
faster it comes.  Activations are rounded to 16 bits with a scale for every 32.  (With 8 bits products are
up to 1.4 times as fast, at 0.002-0.003 nats of divergence, and small models then say something else.)

A matrix is a header and tiles of 8 rows.  The header is int32: segments, columns, 6 unused; then for each
segment (rows stored alike) rows, bits, group, 0, mins, first byte / 64, 2 unused.  A tile is 8 f32
multipliers, one a row, then for every 32 columns: the weights' low nibbles (two quads of 4 columns a byte, 8
rows × 4 bytes each), their fifth bits or fifth and sixth bits, and f16 scales and minimums of the 8 rows.
Weights of 8 bits are whole bytes.  Multipliers are powers of two that bring scales into f16's range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from model.formats.ggml import Blocks, GGMLType
from model.native import Kernel

ROWS = 8
CHUNK = 32
HEADER = 256
_UNIT = 64
_SEGMENTS = 7
_LARGEST_SCALE = 10  # log2 of a row's largest f16 scale or minimum: room above, and normal numbers far below

_BITS = {
    GGMLType.Q4_0: 4,
    GGMLType.Q4_1: 4,
    GGMLType.Q5_0: 5,
    GGMLType.Q5_1: 5,
    GGMLType.Q8_0: 8,
    GGMLType.Q4_K: 4,
    GGMLType.Q5_K: 5,
    GGMLType.Q6_K: 6,
}
_WITH_MINS = (GGMLType.Q4_1, GGMLType.Q5_1, GGMLType.Q4_K, GGMLType.Q5_K)


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows that are stored alike.

    Attributes:
        rows: how many.
        bits: a weight: 4, 5, 6 or 8.
        group: neighbouring columns that share a scale.
        mins: whether a group has a minimum; where not, weights are centred on zero.
    """

    rows: int
    bits: int
    group: int
    mins: bool

    def chunk_bytes(self) -> int:
        """Bytes of 8 rows' 32 columns."""
        return self.bits * ROWS * CHUNK // 8 + (1 + self.mins) * (CHUNK // self.group) * ROWS * 2

    def tile_bytes(self, columns: int) -> int:
        """Bytes of 8 rows."""
        return 4 * ROWS + columns // CHUNK * self.chunk_bytes()

    def nbytes(self, columns: int) -> int:
        """Bytes of all rows, to the next unit."""
        return -(-self.rows // ROWS * self.tile_bytes(columns) // _UNIT) * _UNIT


def segment(kind: GGMLType, rows: int) -> Segment | None:
    """How rows of a GGML type are stored; None for the types that are no integers."""
    if kind not in _BITS:
        return None
    return Segment(rows, _BITS[kind], 16 if kind is GGMLType.Q6_K else 32, kind in _WITH_MINS)


def can_pack(segments: Sequence[Segment | None], columns: int) -> bool:
    """Whether a matrix of these rows has a place in the layout."""
    return (
        columns % CHUNK == 0
        and len(segments) <= _SEGMENTS
        and all(part is not None for part in segments)
        and all(part is not None and part.rows % ROWS == 0 for part in segments[:-1])
    )


def nbytes(segments: Sequence[Segment], columns: int) -> int:
    """Bytes of a matrix."""
    return HEADER + sum(part.nbytes(columns) for part in segments)


def write_header(matrix: NDArray[np.uint8], segments: Sequence[Segment], columns: int) -> list[slice]:
    """Enter what a matrix consists of; returns where in it each segment's tiles lie."""
    header = matrix[:HEADER].view("<i4").reshape(-1, 8)
    header[:] = 0
    header[0, :2] = len(segments), columns
    places, at = [], HEADER
    for entry, part in zip(header[1:], segments, strict=False):
        entry[:6] = part.rows, part.bits, part.group, 0, part.mins, at // _UNIT
        places.append(slice(at, at + part.nbytes(columns)))
        at += part.nbytes(columns)
    return places


def pack(blocks: Blocks, part: Segment, to: NDArray[np.uint8]) -> None:
    """Write rows into their place.

    Args:
        blocks: the rows, [rows, columns].
        part: how to store them.
        to: u8 [`part.nbytes`].
    """
    columns = blocks.shape[1]
    step = max(1, (1 << 20) // columns) * ROWS  # rows at a time: the temporaries stay small
    tile, tiles = part.tile_bytes(columns), -(-part.rows // ROWS)
    body = to[: tiles * tile].reshape(tiles, tile)
    for first in range(0, part.rows, step):
        rows = slice(first, min(first + step, part.rows))
        _pack_rows(
            blocks.values[rows],
            blocks.scales[rows],
            None if blocks.mins is None else blocks.mins[rows],
            part,
            body[first // ROWS : -(-rows.stop // ROWS)],
        )


def _pack_rows(
    values: NDArray[np.int8],
    scales: NDArray[np.float32],
    mins: NDArray[np.float32] | None,
    part: Segment,
    to: NDArray[np.uint8],
) -> None:
    tiles, columns = len(to), values.shape[1]
    missing = tiles * ROWS - len(values)
    if missing:
        values, scales = np.pad(values, ((0, missing), (0, 0))), np.pad(scales, ((0, missing), (0, 0)))
        mins = None if mins is None else np.pad(mins, ((0, missing), (0, 0)))
    multipliers = row_multipliers(scales, mins)
    to[:, : 4 * ROWS] = multipliers.reshape(tiles, ROWS).view(np.uint8)
    chunks = to[:, 4 * ROWS :].reshape(tiles, columns // CHUNK, part.chunk_bytes())
    # [tiles, chunks, quads, rows, 4]: a register of 32 bytes for every quad of columns.
    quads = values.view(np.uint8).reshape(tiles, ROWS, columns // CHUNK, 8, 4).transpose(0, 2, 3, 1, 4)
    data = part.bits * ROWS * CHUNK // 8
    if part.bits == 8:
        chunks[:, :, :data] = quads.reshape(tiles, -1, data)
    else:
        if not part.mins:
            quads = quads + np.uint8(1 << (part.bits - 1))
        pairs = quads.reshape(tiles, -1, 4, 2, 32)
        low = pairs & 15
        chunks[:, :, :128] = (low[:, :, :, 0] | low[:, :, :, 1] << 4).reshape(tiles, -1, 128)
        if part.bits > 4:
            width = part.bits - 4
            high = (quads >> 4).reshape(tiles, -1, 8 * width // 8, 8 // width, 32)
            shifts = (np.arange(8 // width, dtype=np.uint8) * width)[:, None]
            joined = np.bitwise_or.reduce(high << shifts, axis=3)
            chunks[:, :, 128:data] = joined.reshape(tiles, -1, data - 128)
    at = data
    for factors in (scales, mins):
        if factors is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                small = (factors / multipliers[:, None]).astype("<f2")
            small = small.reshape(tiles, ROWS, columns // CHUNK, -1).transpose(0, 2, 3, 1)
            small = np.ascontiguousarray(small).view(np.uint8).reshape(tiles, columns // CHUNK, -1)
            chunks[:, :, at : at + small.shape[2]] = small
            at += small.shape[2]


def row_multipliers(scales: NDArray[np.float32], mins: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Powers of two f32 [..., rows] that bring scales and minimums [..., rows, groups] into f16's range."""
    peak = np.abs(scales).max(axis=-1)
    if mins is not None:
        peak = np.maximum(peak, np.abs(mins).max(axis=-1))
    usable = np.isfinite(peak) & (peak > 0)
    exponent = np.where(usable, np.frexp(np.where(usable, peak, 1))[1] - _LARGEST_SCALE, 0)
    return np.ldexp(np.float32(1), exponent).astype("<f4")


def unpack(matrix: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The weights f32 [rows, columns] of a matrix: what the bytes mean."""
    header = matrix[:HEADER].view("<i4").reshape(-1, 8)
    count, columns = header[0, :2].tolist()
    return np.concatenate([_unpack_rows(matrix, entry.tolist(), columns) for entry in header[1 : count + 1]])


def _unpack_rows(matrix: NDArray[np.uint8], entry: list[int], columns: int) -> NDArray[np.float32]:
    part, at = Segment(entry[0], entry[1], entry[2], bool(entry[4])), entry[5] * _UNIT
    tiles, size = -(-part.rows // ROWS), part.tile_bytes(columns)
    body = matrix[at : at + tiles * size].reshape(tiles, size)
    multipliers = np.ascontiguousarray(body[:, : 4 * ROWS]).view("<f4")
    chunks = body[:, 4 * ROWS :].reshape(tiles, columns // CHUNK, part.chunk_bytes())
    data = part.bits * ROWS * CHUNK // 8
    if part.bits == 8:
        weights = np.ascontiguousarray(chunks[:, :, :data]).view(np.int8).astype(np.float32)
    else:
        nibbles = chunks[:, :, :128].reshape(tiles, -1, 4, 1, 32)
        quads = np.concatenate([nibbles & 15, nibbles >> 4], axis=3).reshape(tiles, -1, 8, 32)
        if part.bits > 4:
            width = part.bits - 4
            high = chunks[:, :, 128:data].reshape(tiles, -1, width, 1, 32)
            shifts = (np.arange(8 // width, dtype=np.uint8) * width)[:, None]
            quads = quads | ((high >> shifts & ((1 << width) - 1)) << 4).reshape(quads.shape)
        weights = quads.astype(np.float32) - (0 if part.mins else 1 << (part.bits - 1))
    weights = weights.reshape(tiles, -1, CHUNK // part.group, part.group // 4, ROWS, 4)
    factors = np.ascontiguousarray(chunks[:, :, data:]).view("<f2").astype(np.float32)
    parts = np.split(factors.reshape(tiles, factors.shape[1], -1, 1, ROWS, 1), 1 + part.mins, axis=2)
    weights = weights * parts[0] - (parts[1] if part.mins else 0)
    weights = weights.transpose(0, 4, 1, 2, 3, 5).reshape(tiles, ROWS, columns)
    return (weights * multipliers[:, :, None]).reshape(-1, columns)[: part.rows]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PackedArray:
    """A matrix, or one of a stack of them, in the layout above.

    Attributes:
        data: u8 [L, bytes], the stack.
        layer: int32 [], which one; None for the stack itself.
        shape: (out, in), of the rows that are meant.
        first: the first of them.
    """

    data: Array
    layer: Array | None
    shape: tuple[int, int] = field(metadata={"static": True})
    first: int = field(default=0, metadata={"static": True})

    def at(self, layer: Array) -> PackedArray:
        """One matrix of the stack; nothing is copied, the kernel finds it."""
        return replace(self, layer=layer)

    def rows(self, index: Array) -> Array:
        """Rows f32 [T, in] at `index` int [T]; an embedding look-up, of a matrix that is in no stack."""
        assert self.layer is None, "the rows of a stack's first matrix would be taken"
        call = jax.ffi.ffi_call(
            "gemcli_packed_rows", jax.ShapeDtypeStruct((index.shape[0], self.shape[1]), jnp.float32)
        )
        return call(self.first + jnp.clip(index.astype(jnp.int32), 0, self.shape[0] - 1), self.data)

    def outputs(self, start: int, stop: int) -> PackedArray:
        """Rows start … stop; `start` is the first of a tile."""
        assert start % ROWS == 0, "a tile is computed whole"
        return replace(self, shape=(stop - start, self.shape[1]), first=self.first + start)


def product(x: Array, weight: PackedArray) -> Array:
    """``x @ weight.T``: f32 [T, out] of f32 [T, in].

    Every token's row is computed alike, bit for bit, however many come at once.
    """
    tokens, columns = x.shape
    scratch = -(-tokens // 8) * 8 * (columns * 2 + columns // CHUNK * 16)
    call = jax.ffi.ffi_call(
        "gemcli_packed_product",
        (
            jax.ShapeDtypeStruct((tokens, weight.shape[0]), jnp.float32),
            jax.ShapeDtypeStruct((scratch,), jnp.uint8),
        ),
    )
    layer = jnp.int32(0) if weight.layer is None else weight.layer.astype(jnp.int32)
    return call(x, weight.data, layer, first=np.int64(weight.first))[0]


def definition(x: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float64]:
    """What `product` computes: f64 [T, out], of f32 [T, in] and the weights f32 [out, in]."""
    grouped = x.reshape(len(x), -1, CHUNK)
    peak = np.abs(grouped).max(axis=2, keepdims=True)
    peak = np.where(peak > 0, peak, 1)
    rounded = np.rint(grouped * (np.float32(32767) / peak)) * (peak / np.float32(32767)).astype(np.float64)
    return rounded.reshape(x.shape) @ weight.astype(np.float64).T


def _check() -> str | None:
    """What is wrong with the compiled kernel on this machine; None when it computes what is defined here."""
    draw = np.random.default_rng(0)
    columns, rows, tokens = 128, 24, 17
    for kind in _BITS:
        part = segment(kind, rows)
        assert part is not None
        low = 0 if part.mins else -(1 << (part.bits - 1))
        shape = (rows, columns // part.group)
        blocks = Blocks(
            draw.integers(low, low + (1 << part.bits), (rows, columns)).astype(np.int8),
            draw.uniform(0.001, 0.002, shape).astype(np.float32),
            draw.uniform(0.01, 0.02, shape).astype(np.float32) if part.mins else None,
            part.group,
        )
        matrix = np.zeros(nbytes([part], columns), np.uint8)
        pack(blocks, part, matrix[write_header(matrix, [part], columns)[0]])
        weight, x = unpack(matrix), draw.standard_normal((tokens, columns)).astype(np.float32)
        array = PackedArray(jnp.asarray(matrix[None]), None, (rows, columns))
        got, want = np.asarray(product(jnp.asarray(x), array)), definition(x, weight)
        if not np.allclose(got, want, rtol=0, atol=1e-4 * np.abs(want).max()):
            return f"its products of {kind.name} weights are wrong on this processor"
        if not np.array_equal(np.asarray(array.rows(jnp.arange(rows))), weight):
            return f"its rows of {kind.name} weights are wrong on this processor"
    return None


KERNEL = Kernel(Path(__file__).with_name("packed.c"), ("gemcli_packed_product", "gemcli_packed_rows"), _check)
