"""GGUF tensors → the parameter tree: checked by name and shape, laid out for the engine, kept so on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from model.config import ModelConfig
from model.errors import FormatError
from model.formats.ggml import Blocks, unpack
from model.formats.gguf import GGUFFile
from model.nn import packed
from model.nn.qarray import QArray, quantize
from model.weights import names
from model.weights.arena import Slot, new_arena, open_arena, remove_copies
from model.weights.params import ArrayInfo, LayerParams, Params, abstract, stacks

Precision = Literal["packed", "quantized", "float32"]
Report = Callable[[int, int], None]

_LAYOUT = 2  # raise it when the meaning of a stored array changes


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One parameter: where it goes, and the tensors (with their place in the stack) that fill it."""

    name: str
    info: ArrayInfo
    sources: tuple[tuple[int | None, names.Source], ...]


def load_params(
    file: GGUFFile,
    config: ModelConfig,
    *,
    precision: Precision,
    copies: Path | None = None,
    report: Report | None = None,
) -> Params:
    """Read all weights of a GGUF file.

    Args:
        file: the open file.
        config: its architecture.
        precision: ``packed``: matrices in the file's own integers, as `model.nn.packed.PackedArray` (for the
            compiled kernel; what has no place in its layout is ``quantized``); ``quantized``: as
            `model.nn.qarray.QArray`; ``float32``: exactly what the file says, widened.
        copies: folder for the laid-out copy of quantized weights; None keeps none.
        report: called with weights read and weights in all.

    Raises:
        FormatError: tensors are missing, unknown or of the wrong shape; all of them are listed.
    """
    leaves = list(_leaves(config))
    _check(file, leaves)
    layouts = _layouts(file, leaves) if precision == "packed" else {}
    slots = [slot for leaf in leaves for slot in _slots(leaf, precision, layouts.get(leaf.name))]
    identity = _identity(file.path, precision)
    kept = (
        copies / f"{file.path.stem}-{_digest(identity)}.weights"
        if copies and precision != "float32"
        else None
    )
    arrays: Mapping[str, np.ndarray] | None = open_arena(kept, slots, identity) if kept else None
    if arrays is None:
        if kept:
            remove_copies(kept.parent, file.path)
        with new_arena(kept, slots, identity) as arrays:
            _fill(file, leaves, arrays, layouts, report)
    return _tree(config, leaves, arrays, precision, layouts)


def _leaves(config: ModelConfig) -> Iterator[_Leaf]:
    tree = abstract(config)
    for place in ("embed", "final_norm", "output"):
        info = getattr(tree, place)
        if info is not None:
            yield _Leaf(place, info, ((None, names.top(config, place)),))
    for number, (stack, weights) in enumerate(zip(stacks(config), tree.stacks, strict=True)):
        for place_in_pattern, params in enumerate(weights):
            for field in fields(LayerParams):
                info = getattr(params, field.name)
                if info is None:
                    continue
                sources = tuple(
                    (repeat, source)
                    for repeat in range(stack.repeats)
                    for source in names.in_layer(config, stack.layer(repeat, place_in_pattern), field.name)
                )
                yield _Leaf(f"stacks.{number}.{place_in_pattern}.{field.name}", info, sources)


def _check(file: GGUFFile, leaves: list[_Leaf]) -> None:
    wanted = {source.name: source.shape for leaf in leaves for _, source in leaf.sources}
    problems = [f"missing: {name}" for name in wanted if name not in file.tensors]
    problems += [f"unknown: {name}" for name in file.tensors if name not in wanted]
    problems += [
        f"{name} has shape {list(file.tensors[name].shape)}, expected {list(shape)}"
        for name, shape in wanted.items()
        if name in file.tensors and file.tensors[name].shape != shape
    ]
    if problems:
        raise FormatError(
            f"{file.path}: its tensors do not make up the model it describes:\n  " + "\n  ".join(problems)
        )


_Layout = list[list[packed.Segment]]  # for each matrix of a stack the segments it consists of


def _layouts(file: GGUFFile, leaves: list[_Leaf]) -> dict[str, _Layout]:
    """Of the matrices that can be packed: every tensor of theirs is of integers, in rows that fill tiles."""
    found: dict[str, _Layout] = {}
    for leaf in leaves:
        if leaf.info.kind != "matrix":
            continue
        stack: dict[int | None, list[packed.Segment | None]] = {}
        for repeat, source in leaf.sources:
            stack.setdefault(repeat, []).append(
                packed.segment(file.tensors[source.name].type, source.shape[0])
            )
        columns = leaf.info.shape[-1]
        if all(packed.can_pack(parts, columns) for parts in stack.values()):
            found[leaf.name] = [[part for part in parts if part is not None] for parts in stack.values()]
    return found


def _slots(leaf: _Leaf, precision: Precision, layout: _Layout | None) -> list[Slot]:
    if leaf.info.kind == "vector" or precision == "float32":
        return [Slot(leaf.name, leaf.info.shape, "<f4")]
    *stack, rows, columns = leaf.info.shape
    if layout is not None:
        return [Slot(leaf.name, (len(layout), max(packed.nbytes(parts, columns) for parts in layout)), "|u1")]
    values = Slot(leaf.name, (*stack, 2, rows, columns), "|i1")
    return [values, Slot(f"{leaf.name}.scales", (*stack, rows), "<f4")]


@dataclass(frozen=True, slots=True)
class _Job:
    """One tensor to bring into place; `part` and `to` where it is packed."""

    leaf: _Leaf
    repeat: int | None
    source: names.Source
    part: packed.Segment | None = None
    to: np.ndarray | None = None


def _fill(
    file: GGUFFile,
    leaves: list[_Leaf],
    arrays: Mapping[str, np.ndarray],
    layouts: Mapping[str, _Layout],
    report: Report | None,
) -> None:
    total = sum(int(np.prod(leaf.info.shape, dtype=np.int64)) for leaf in leaves)
    done = 0
    jobs = [job for leaf in leaves for job in _jobs(leaf, arrays[leaf.name], layouts.get(leaf.name))]
    # Unpacking is numpy and lets go of the interpreter, so a few tensors at a time use all cores.
    with ThreadPoolExecutor(max_workers=4) as pool:
        for size in pool.map(lambda job: _fill_one(file, arrays, job), jobs):
            done += size
            if report:
                report(done, total)


def _jobs(leaf: _Leaf, array: np.ndarray, layout: _Layout | None) -> Iterator[_Job]:
    if layout is None:
        for repeat, source in leaf.sources:
            yield _Job(leaf, repeat, source)
        return
    sources = iter(leaf.sources)
    for matrix, parts in zip(array, layout, strict=True):
        places = packed.write_header(matrix, parts, leaf.info.shape[-1])
        for part, place in zip(parts, places, strict=True):
            yield _Job(leaf, *next(sources), part, matrix[place])


def _fill_one(file: GGUFFile, arrays: Mapping[str, np.ndarray], job: _Job) -> int:
    leaf, source = job.leaf, job.source
    rows = slice(source.first, source.first + source.shape[0])
    stack = () if job.repeat is None else (job.repeat,)
    unpacked = unpack(file.raw(source.name), file.tensors[source.name].type, source.shape)
    target = arrays[leaf.name]
    if job.part is not None and job.to is not None:
        assert isinstance(unpacked, Blocks)
        packed.pack(_in_halves(unpacked, source.heads), job.part, job.to)
    elif target.dtype == np.int8:
        quantized = _quantized(unpacked)
        for part, values in enumerate(np.asarray(quantized.values)):
            target[*stack, part, rows] = _halves(values, source.heads)
        arrays[f"{leaf.name}.scales"][*stack, rows] = _halves(np.asarray(quantized.scales), source.heads)
    else:
        plain = unpacked.dequantize() if isinstance(unpacked, Blocks) else unpacked
        target[*stack, rows] = _halves(plain, source.heads)
    return int(np.prod(source.shape, dtype=np.int64))


def _quantized(weights: Blocks | np.ndarray) -> QArray:
    if isinstance(weights, Blocks):
        return _requantize(weights.values, weights.scales, weights.mins)
    return _quantize(weights)


_quantize = jax.jit(quantize)


@jax.jit
def _requantize(values: jax.Array, scales: jax.Array, mins: jax.Array | None) -> QArray:
    grouped = values.reshape(*scales.shape, -1).astype(jnp.float32) * scales[..., None]
    if mins is not None:
        grouped = grouped - mins[..., None]
    return quantize(grouped.reshape(values.shape))


def _halves(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of each head reordered from adjacent pairs (0, 1, 2, 3 …) to halves (0, 2, … 1, 3, …)."""
    if not heads:
        return rows
    pairs = rows.reshape(heads, -1, 2, *rows.shape[1:])
    return np.swapaxes(pairs, 1, 2).reshape(rows.shape)


def _in_halves(blocks: Blocks, heads: int) -> Blocks:
    mins = None if blocks.mins is None else _halves(blocks.mins, heads)
    return Blocks(_halves(blocks.values, heads), _halves(blocks.scales, heads), mins, blocks.group)


def _tree(
    config: ModelConfig,
    leaves: list[_Leaf],
    arrays: Mapping[str, np.ndarray],
    precision: Precision,
    layouts: Mapping[str, _Layout],
) -> Params:
    ready: dict[str, Any] = {}
    for leaf in leaves:
        # Where device memory is the host's, `device_put` takes the mapped pages; `asarray` would copy them.
        array = jax.device_put(arrays[leaf.name])
        if leaf.name in layouts:
            array = packed.PackedArray(array, None, (leaf.info.shape[-2], leaf.info.shape[-1]))
        elif leaf.info.kind == "matrix" and precision != "float32":
            array = QArray(array, jax.device_put(arrays[f"{leaf.name}.scales"]))
        ready[leaf.name] = array
    return Params(
        embed=ready["embed"],
        stacks=tuple(
            tuple(
                LayerParams(
                    **{
                        field.name: ready.get(f"stacks.{number}.{place}.{field.name}")
                        for field in fields(LayerParams)
                    }
                )
                for place in range(len(stack.specs))
            )
            for number, stack in enumerate(stacks(config))
        ),
        final_norm=ready["final_norm"],
        output=ready.get("output"),
    )


def _identity(path: Path, precision: Precision) -> str:
    stat = path.stat()
    return f"{path.resolve()}\n{stat.st_size}\n{stat.st_mtime_ns}\n{precision}\n{_LAYOUT}"


def _digest(identity: str) -> str:
    return hashlib.sha256(os.fsencode(identity)).hexdigest()[:16]
