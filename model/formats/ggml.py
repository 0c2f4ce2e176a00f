"""GGML's block codecs: packed bytes to the integers, scales and minimums that they hold.

Nothing is requantized: a weight stays `value * scale - min` with the file's own integers, so that the
engine may compute on them, and `Blocks.dequantize` gives bit for bit what GGML's own code gives.
Source: ggml-quants.c (`dequantize_row_*`) and ggml-common.h (the block structures) of llama.cpp.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import FormatError, UnsupportedModelError

_Bytes = NDArray[np.uint8]
_Floats = NDArray[np.float32]


class GGMLType(IntEnum):
    """The tensor types that can be read, with their numbers in GGUF."""

    F32 = 0
    F16 = 1
    Q4_0 = 2
    Q4_1 = 3
    Q5_0 = 6
    Q5_1 = 7
    Q8_0 = 8
    Q4_K = 12
    Q5_K = 13
    Q6_K = 14
    BF16 = 30


BLOCK: dict[GGMLType, tuple[int, int]] = {
    GGMLType.F32: (1, 4),
    GGMLType.F16: (1, 2),
    GGMLType.BF16: (1, 2),
    GGMLType.Q4_0: (32, 18),
    GGMLType.Q4_1: (32, 20),
    GGMLType.Q5_0: (32, 22),
    GGMLType.Q5_1: (32, 24),
    GGMLType.Q8_0: (32, 34),
    GGMLType.Q4_K: (256, 144),
    GGMLType.Q5_K: (256, 176),
    GGMLType.Q6_K: (256, 210),
}
"""(elements, bytes) of one block."""

_OTHER_NAMES = {
    9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
    20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64",
    28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4",
}  # fmt: skip


def ggml_type(number: int) -> GGMLType:
    """The type with this number in GGUF; UnsupportedModelError when we have no codec for it."""
    try:
        return GGMLType(number)
    except ValueError:
        name = _OTHER_NAMES.get(number, f"number {number}")
        known = ", ".join(sorted(t.name for t in GGMLType))
        raise UnsupportedModelError(f"tensor type {name} cannot be read (known: {known})") from None


@dataclass(frozen=True)
class Blocks:
    """A quantized array, unpacked: weight = values * scale - min, one scale (and min) per group.

    values: int8 [..., in], the file's integers; formats without a minimum are centred on zero, those
        with one run from 0 to 15 or 31.
    scales: float32 [..., in // group].
    mins: float32 [..., in // group], or None for the formats without a minimum.
    group: neighbouring weights of the last axis that share a scale (16 for Q6_K, else 32).
    """

    values: NDArray[np.int8]
    scales: _Floats
    mins: _Floats | None
    group: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array of weights."""
        return self.values.shape

    def each(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Blocks:
        """The values, scales and minima, changed alike; the last axis of each stays as it is."""
        mins = None if self.mins is None else change(self.mins)
        return Blocks(change(self.values), change(self.scales), mins, self.group)

    def dequantize(self) -> _Floats:
        """The weights as float32 [..., in], equal bit for bit to GGML's own."""
        grouped = self.values.reshape(*self.scales.shape, self.group)
        with np.errstate(invalid="ignore", over="ignore"):
            weights = np.multiply(grouped, self.scales[..., None], dtype=np.float32)
            if self.mins is not None:
                weights -= self.mins[..., None]
        return weights.reshape(self.shape)


def unpack(raw: _Bytes, type: GGMLType, shape: tuple[int, ...]) -> Blocks | _Floats:
    """Unpacks one tensor.

    Args:
        raw: uint8, the bytes of the whole tensor, in the file's order.
        type: how they are packed.
        shape: of the array of weights, the contiguous axis last ([out, in] for a matrix).

    Returns:
        Blocks for a quantized type; float32 of the shape for F32, F16 and BF16 (widened exactly).

    Raises:
        FormatError: the shape and the number of bytes do not belong together.
    """
    elements, size = BLOCK[type]
    if not shape or shape[-1] % elements:
        raise FormatError(f"a tensor of shape {shape} cannot be {type.name}: rows are blocks of {elements}")
    blocks = prod(shape) // elements
    if raw.size != blocks * size:
        raise FormatError(f"{type.name} of shape {shape} is {blocks * size:,} bytes, not {raw.size:,}")
    if type not in _CODECS:
        return _floats(raw, type).reshape(shape)
    codec = _CODECS[type]
    values = np.empty((blocks, elements), np.int8)
    scales = np.empty((blocks, elements // codec.group), np.float32)
    mins = np.empty_like(scales) if codec.has_mins else None
    packed = raw.reshape(blocks, size)
    step = _SLICE // elements
    with np.errstate(invalid="ignore", over="ignore"):  # a scale that is no number stays one, as in GGML
        for start in range(0, blocks, step):
            part = slice(start, start + step)
            part_mins = None if mins is None else mins[part]
            codec.fill(packed[part], values[part].view(np.uint8), scales[part], part_mins)
    grouped = (*shape[:-1], shape[-1] // codec.group)
    return Blocks(
        values.reshape(shape),
        scales.reshape(grouped),
        None if mins is None else mins.reshape(grouped),
        codec.group,
    )


_SLICE = 1 << 17  # weights at a time: the temporaries stay in the second-level cache


def _floats(raw: _Bytes, type: GGMLType) -> _Floats:
    raw = np.ascontiguousarray(raw)
    if type is GGMLType.F32:
        return raw.view("<f4").astype(np.float32)
    if type is GGMLType.F16:
        return raw.view("<f2").astype(np.float32)
    wide = raw.view("<u2").astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)


def _halves(blocks: _Bytes, start: int) -> _Floats:
    """The float16 at byte `start` of each block, as float32 [blocks, 1]."""
    return np.ascontiguousarray(blocks[:, start : start + 2]).view("<f2").astype(np.float32)


def _nibbles(packed: _Bytes, values: _Bytes) -> None:
    """Low nibbles to the first half of each run, high ones to the second: u8 [n, runs, 2, length]."""
    np.bitwise_and(packed, 15, out=values[:, :, 0])
    np.right_shift(packed, 4, out=values[:, :, 1])


def _fifth_bits(blocks: _Bytes, start: int) -> _Bytes:
    """The 32-bit word at byte `start`, one bit an element, as 0 or 16: u8 [blocks, 32]."""
    bits = np.unpackbits(blocks[:, start : start + 4], axis=-1, bitorder="little")
    bits <<= 4
    return bits


# The codecs fill `values` as uint8 that wraps, and its int8 view is then the signed integer.


def _q4_0(blocks: _Bytes, values: _Bytes, scales: _Floats, mins: _Floats | None) -> None:
    scales[:] = _halves(blocks, 0)
    _nibbles(blocks[:, None, 2:], values.reshape(-1, 1, 2, 16))
    values -= 8


def _q4_1(blocks: _Bytes, values: _Bytes, scales: _Floats, mins: _Floats | None) -> None:
    assert mins is not None
    scales[:] = _halves(blocks, 0)
    np.negative(_halves(blocks, 2), out=mins)
    _nibbles(blocks[:, None, 4:], values.reshape(-1, 1, 2, 16))


def _q5_0(blocks: _Bytes, values: _Bytes, scales: _Floats, mins: _Floats | None) -> None:
    scales[:] = _halves(blocks, 0)
    _nibbles(blocks[:, None, 6:], values.reshape(-1, 1, 2, 16))
    values |= _fifth_bits(blocks, 2)
    values -= 16


def _q5_1(blocks: _Bytes, values: _Bytes, scales: _Floats, mins: _Floats | None) -> None:
    assert mins is not None
    scales[:] = _halves(blocks, 0)
    np.negative(_halves(blocks, 2), out=mins)
    _nibbles(blocks[:, None, 8:], values.reshape(-1, 1, 2, 16))
    values |= _fifth_bits(blocks, 4)


def _q8_0(blocks: _Bytes, values: _Bytes, scales: _Floats, mins: _Floats | None) -> None:
    scales[:] = _halves(blocks, 0)
    values[:] = blocks[:, 2:]


def _k_scales(blocks: _Bytes, scales: _Floats, mins: _Floats | None) -> None:
    """Scales and minimums of Q4_K and Q5_K: eight pairs of 6 bits in 12 bytes, times d and dmin."""
    assert mins is not None
    packed = blocks[:, 4:16]
    low, middle, high = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    six = np.empty((len(blocks), 8), np.uint8)
    six[:, :4] = low & 63
    six[:, 4:] = (high & 15) | (low >> 6 << 4)
    np.multiply(_halves(blocks, 0), six, out=scales, dtype=np.float32)
    six[:, :4] = middle & 63
    six[:, 4:] = (high >> 4) | (middle >> 6 << 4)
    np.multiply(_halves(blocks, 2), six, out=mins, dtype=np.float32)


def _q4_k(blocks: _Bytes, values: _Bytes, scales: _Floats, mins: _Floats | None) -> None:
    _k_scales(blocks, scales, mins)
    _nibbles(blocks[:, 16:].reshape(-1, 4, 32), values.reshape(-1, 4, 2, 32))


def _q5_k(blocks: _Bytes, values: _Bytes, scales: _Floats, mins: _Floats | None) -> None:
    _k_scales(blocks, scales, mins)
    runs = values.reshape(-1, 8, 32)
    _nibbles(blocks[:, 48:].reshape(-1, 4, 32), values.reshape(-1, 4, 2, 32))
    fifth = np.ascontiguousarray(blocks[:, 16:48])
    for run in range(8):  # bit `run` of byte i belongs to element i of that run
        bit = fifth << (4 - run) if run <= 4 else fifth >> (run - 4)
        bit &= 16
        runs[:, run] |= bit


def _q6_k(blocks: _Bytes, values: _Bytes, scales: _Floats, mins: _Floats | None) -> None:
    np.multiply(_halves(blocks, 208), blocks[:, 192:208].view(np.int8), out=scales, dtype=np.float32)
    low = blocks[:, :128].reshape(-1, 2, 64)
    high = np.ascontiguousarray(blocks[:, 128:192]).reshape(-1, 2, 32)
    halves = values.reshape(-1, 2, 2, 64)  # half of the block, low or high nibble, element
    np.bitwise_and(low, 15, out=halves[:, :, 0])
    np.right_shift(low, 4, out=halves[:, :, 1])
    quarters = values.reshape(-1, 2, 4, 32)
    for quarter in range(4):  # bits 2·quarter and 2·quarter + 1 of the high byte are bits 4 and 5
        bits = high << (4 - 2 * quarter) if quarter <= 2 else high >> 2
        bits &= 48
        quarters[:, :, quarter] |= bits
    values -= 32


@dataclass(frozen=True)
class _Codec:
    fill: Callable[[_Bytes, _Bytes, _Floats, _Floats | None], None]
    group: int = 32
    has_mins: bool = False


_CODECS = {
    GGMLType.Q4_0: _Codec(_q4_0),
    GGMLType.Q4_1: _Codec(_q4_1, has_mins=True),
    GGMLType.Q5_0: _Codec(_q5_0),
    GGMLType.Q5_1: _Codec(_q5_1, has_mins=True),
    GGMLType.Q8_0: _Codec(_q8_0),
    GGMLType.Q4_K: _Codec(_q4_k, has_mins=True),
    GGMLType.Q5_K: _Codec(_q5_k, has_mins=True),
    GGMLType.Q6_K: _Codec(_q6_k, group=16),
}
