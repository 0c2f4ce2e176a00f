"""The forms in which a parameter can be stored: its arrays, how tensors fill them, what they make.

A form is chosen for each parameter before anything is read, so that the room for all of them is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from model.formats.ggml import Blocks
from model.nn import packed
from model.nn.grouped import GroupedArray, from_nibbles
from model.nn.qarray import QArray, quantize
from model.weights.arena import Slot
from model.weights.shard import Put, put_whole

Arrays = Mapping[str, np.ndarray]


class Form(Protocol):
    """How one parameter is stored."""

    def slots(self) -> list[Slot]:
        """The arrays that hold it."""
        ...

    def fill(self, arrays: Arrays, stack: tuple[int, ...], rows: slice, read: Blocks | np.ndarray) -> None:
        """Enter rows (of its last matrix axis but one, or elements of a vector) of one place in the stack."""
        ...

    def array(self, arrays: Arrays, put: Put = put_whole) -> Any:
        """The parameter, its arrays brought to where they belong."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """f32 as it is: vectors, and everything where exactness is asked for."""

    name: str
    shape: tuple[int, ...]

    def slots(self) -> list[Slot]:
        return [Slot(self.name, self.shape, "<f4")]

    def fill(self, arrays: Arrays, stack: tuple[int, ...], rows: slice, read: Blocks | np.ndarray) -> None:
        arrays[self.name][(*stack, rows)] = read.dequantize() if isinstance(read, Blocks) else read

    def array(self, arrays: Arrays, put: Put = put_whole) -> Any:
        return put(arrays[self.name])


@dataclass(frozen=True, slots=True)
class Wide:
    """16 bits a weight as two bytes: `QArray`."""

    name: str
    shape: tuple[int, ...]

    def slots(self) -> list[Slot]:
        *stack, rows, columns = self.shape
        values = Slot(self.name, (*stack, 2, rows, columns), "|i1")
        return [values, Slot(f"{self.name}.scales", (*stack, rows), "<f4")]

    def fill(self, arrays: Arrays, stack: tuple[int, ...], rows: slice, read: Blocks | np.ndarray) -> None:
        if isinstance(read, Blocks):
            made = _requantize(read.values, read.scales, read.mins)
        else:
            made = _quantize(read)
        for part, values in enumerate(np.moveaxis(np.asarray(made.values), -3, 0)):
            arrays[self.name][(*stack, ..., part, rows, slice(None))] = values
        arrays[f"{self.name}.scales"][(*stack, ..., rows)] = np.asarray(made.scales)

    def array(self, arrays: Arrays, put: Put = put_whole) -> Any:
        return QArray(put(arrays[self.name]), put(arrays[f"{self.name}.scales"], -1, None))


_quantize = jax.jit(quantize)


@jax.jit
def _requantize(values: jax.Array, scales: jax.Array, mins: jax.Array | None) -> QArray:
    grouped = values.reshape(*scales.shape, -1).astype(jnp.float32) * scales[..., None]
    if mins is not None:
        grouped = grouped - mins[..., None]
    return quantize(grouped.reshape(values.shape))


@dataclass(frozen=True, slots=True)
class Packed:
    """Integers in the order that the compiled kernel reads: `PackedArray`.

    Attributes:
        shape: [out, in] of one matrix.
        layout: for each matrix of the stack the segments that it consists of.
        each: matrices of one place in the stack: experts, which are counted in a row with all others.
    """

    name: str
    shape: tuple[int, int]
    layout: tuple[tuple[packed.Segment, ...], ...]
    each: int = 1

    def slots(self) -> list[Slot]:
        size = max(packed.nbytes(parts, self.shape[1]) for parts in self.layout)
        return [Slot(self.name, (len(self.layout), size), "|u1")]

    def write_headers(self, arrays: Arrays) -> None:
        """Enter what every matrix consists of; before anything is filled."""
        for matrix, parts in zip(arrays[self.name], self.layout, strict=True):
            packed.write_header(matrix, parts, self.shape[1])

    def fill(self, arrays: Arrays, stack: tuple[int, ...], rows: slice, read: Blocks | np.ndarray) -> None:
        assert isinstance(read, Blocks), "what is packed is integers"
        place, *expert = stack or (0,)
        index = place * self.each + sum(expert)
        at, first = packed.HEADER, 0
        for part in self.layout[index]:
            if first <= rows.start < first + part.rows:
                tile = part.tile_bytes(self.shape[1])
                offset = at + (rows.start - first) // packed.ROWS * tile
                some = replace(part, rows=rows.stop - rows.start)
                room = -(-some.rows // packed.ROWS) * tile
                packed.pack(read, some, arrays[self.name][index, offset : offset + room])
                return
            first += part.rows
            at += part.nbytes(self.shape[1])
        raise AssertionError("rows that no segment holds")

    def array(self, arrays: Arrays, put: Put = put_whole) -> Any:
        assert put is put_whole, "the kernel's order cannot be divided"
        return packed.PackedArray(put(arrays[self.name]), None, self.shape)


@dataclass(frozen=True, slots=True)
class Grouped:
    """Integers with a scale for each group, in the array library's own order: `GroupedArray`.

    Attributes:
        group: columns that share a scale: the smallest group of the tensors that make up the parameter.
        nibbles: all of them have 4 bits; two values then share a byte on disk.
        mins: whether there are minimums; with nibbles all values are then 0 … 15.
    """

    name: str
    shape: tuple[int, ...]
    group: int
    nibbles: bool
    mins: bool

    def slots(self) -> list[Slot]:
        *outer, columns = self.shape
        groups = (*outer, columns // self.group)
        found = [
            Slot(self.name, (*outer, columns // 2), "|u1")
            if self.nibbles
            else Slot(self.name, self.shape, "|i1"),
            Slot(f"{self.name}.scales", groups, "<f2"),
            Slot(f"{self.name}.multipliers", tuple(outer), "<f4"),
        ]
        return [*found, Slot(f"{self.name}.mins", groups, "<f2")] if self.mins else found

    def fill(self, arrays: Arrays, stack: tuple[int, ...], rows: slice, read: Blocks | np.ndarray) -> None:
        assert isinstance(read, Blocks), "what is grouped is integers"
        values, scales, mins = read.values, read.scales, read.mins
        if self.mins and mins is None:
            mins = 8 * scales if self.nibbles else np.zeros_like(scales)
            values = values + np.int8(8) if self.nibbles else values
        if read.group != self.group:
            scales = np.repeat(scales, read.group // self.group, -1)
            mins = None if mins is None else np.repeat(mins, read.group // self.group, -1)
        place = (*stack, ..., rows, slice(None))
        if self.nibbles:
            low = values.view(np.uint8) & 15
            arrays[self.name][place] = low[..., 0::2] | low[..., 1::2] << 4
        else:
            arrays[self.name][place] = values
        multipliers = packed.row_multipliers(scales, mins)
        arrays[f"{self.name}.multipliers"][(*stack, ..., rows)] = multipliers
        with np.errstate(over="ignore", invalid="ignore"):
            arrays[f"{self.name}.scales"][place] = scales / multipliers[..., None]
            if mins is not None:
                arrays[f"{self.name}.mins"][place] = mins / multipliers[..., None]

    def array(self, arrays: Arrays, put: Put = put_whole) -> Any:
        values = put(arrays[self.name])
        if self.nibbles:
            # Each device unfolds its own.
            where = None if put is put_whole else values.sharding
            values = _unfold(values, not self.mins, where)
        return GroupedArray(
            values,
            put(arrays[f"{self.name}.scales"]),
            put(arrays[f"{self.name}.mins"]) if self.mins else None,
            put(arrays[f"{self.name}.multipliers"], -1, None),
        )


@partial(jax.jit, static_argnums=(1, 2))
def _unfold(pairs: jax.Array, signed: bool, where: jax.sharding.Sharding | None) -> jax.Array:
    values = from_nibbles(pairs, signed=signed)
    return values if where is None else jax.lax.with_sharding_constraint(values, where)


def grouped_form(name: str, shape: tuple[int, ...], segments: Sequence[packed.Segment]) -> Grouped:
    """The form that holds tensors of these kinds without loss of any integer."""
    return Grouped(
        name,
        shape,
        min(part.group for part in segments),
        all(part.bits == 4 for part in segments),
        any(part.mins for part in segments),
    )


def halves(rows: NDArray, heads: int) -> NDArray:
    """Rows of each head reordered from adjacent pairs (0, 1, 2, 3 …) to halves (0, 2, … 1, 3, …)."""
    if not heads:
        return rows
    pairs = rows.reshape(heads, -1, 2, *rows.shape[1:])
    return np.swapaxes(pairs, 1, 2).reshape(rows.shape)


def in_halves(read: Blocks | np.ndarray, heads: int) -> Blocks | np.ndarray:
    """`halves` of integers or of floats."""
    if isinstance(read, Blocks):
        return read.each(lambda array: halves(array, heads))
    return halves(read, heads)
