"""A checkpoint's tensors → the parameter tree: checked by name and shape, laid out for the engine, kept so on
disk."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from jax.sharding import Mesh

from model.config import ModelConfig
from model.formats.checkpoint import Checkpoint
from model.formats.ggml import Blocks, GGMLType
from model.nn import packed
from model.weights import names as gguf_names
from model.weights.arena import new_arena, open_arena, remove_copies
from model.weights.fit import check, refuse
from model.weights.forms import Form, Grouped, Packed, Plain, Wide, grouped_form, in_halves
from model.weights.names import Source
from model.weights.params import ArrayInfo, LayerParams, Params, abstract, stacks
from model.weights.quantize import GROUP, Bits, quantize
from model.weights.shard import putter

Precision = Literal["packed", "grouped", "quantized", "float32"]
Report = Callable[[int, int], None]

_LAYOUT = 3  # raise it when the meaning of a stored array changes
_AT_ONCE = 1 << 24  # weights of a tensor that are in memory, widened, at a time
_MADE = {8: GGMLType.Q8_0, 4: GGMLType.Q4_1}  # what `model.weights.quantize` makes


class Naming(Protocol):
    """Where a checkpoint keeps what: `model.weights.names` or a `model.weights.hf_names.HFNames`."""

    def top(self, config: ModelConfig, place: str) -> Source: ...

    def in_layer(self, config: ModelConfig, index: int, place: str) -> Iterator[Source]: ...

    def is_superfluous(self, config: ModelConfig, name: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One parameter: where it goes, and the tensors (with their place in the stack) that fill it."""

    name: str
    info: ArrayInfo
    sources: tuple[tuple[int | None, Source], ...]


def load_params(
    file: Checkpoint,
    config: ModelConfig,
    naming: Naming = gguf_names,
    *,
    precision: Precision,
    bits: Bits | None = None,
    copies: Path | None = None,
    keep: bool = True,
    report: Report | None = None,
    mesh: Mesh | None = None,
) -> Params:
    """Read all weights of a checkpoint.

    Args:
        file: the open file or folder.
        config: its architecture.
        naming: of its tensors.
        precision: ``packed``: matrices in the file's own integers, as `model.nn.packed.PackedArray` (for the
            compiled kernel; what has no place in its layout is ``quantized``); ``grouped``: the same integers
            as `model.nn.grouped.GroupedArray`; ``quantized``: as `model.nn.qarray.QArray`; ``float32``:
            exactly what the file says, widened.
        bits: to which matrices of floats are rounded before they are ``packed`` or ``grouped``, tables that
            are looked up always to 8; None leaves them to ``quantized``.
        copies: folder for the laid-out copy of quantized weights; None keeps none.
        keep: False uses a copy that is there, and makes none.
        report: called with weights read and weights in all.
        mesh: devices to divide the weights over, which must not be ``packed`` then; None: one.

    Raises:
        FormatError: tensors are missing, unknown, of the wrong shape or not finite; all of them are listed.
    """
    assert mesh is None or precision != "packed", "the kernel's order cannot be divided"
    leaves = list(_leaves(config, naming))
    wanted = {source.name: (source.stored or source.shape,) for leaf in leaves for _, source in leaf.sources}
    check(file, "model", wanted, lambda name: not naming.is_superfluous(config, name))
    forms = {leaf.name: _form(file, leaf, precision, bits) for leaf in leaves}
    slots = [slot for form in forms.values() for slot in form.slots()]
    identity = _identity(file.path, precision, bits)
    kept = (
        copies / f"{file.path.stem}-{_digest(identity)}.weights"
        if copies and precision != "float32"
        else None
    )
    arrays: Mapping[str, np.ndarray] | None = open_arena(kept, slots, identity) if kept else None
    if arrays is None:
        if kept and keep:
            remove_copies(kept.parent, file.path)
        with new_arena(kept if keep else None, slots, identity) as arrays:
            _fill(file, leaves, forms, arrays, bits, report)
    put, ready = putter(config, mesh), {}
    for leaf in leaves:
        form = forms[leaf.name]
        ready[leaf.name] = form.array(arrays, put(leaf.name, leaf.info, getattr(form, "group", 1)))
    return _tree(config, ready)


def _leaves(config: ModelConfig, naming: Naming) -> Iterator[_Leaf]:
    tree = abstract(config)
    for place in (field.name for field in fields(Params) if field.name != "stacks"):
        info = getattr(tree, place)
        if info is not None:
            yield _Leaf(place, info, ((None, naming.top(config, place)),))
    for number, (stack, weights) in enumerate(zip(stacks(config), tree.stacks, strict=True)):
        for place_in_pattern, params in enumerate(weights):
            for field in fields(LayerParams):
                info = getattr(params, field.name)
                if info is None:
                    continue
                sources = tuple(
                    (repeat, source)
                    for repeat in range(stack.repeats)
                    for source in naming.in_layer(config, stack.layer(repeat, place_in_pattern), field.name)
                )
                yield _Leaf(f"stacks.{number}.{place_in_pattern}.{field.name}", info, sources)


def _form(file: Checkpoint, leaf: _Leaf, precision: Precision, bits: Bits | None) -> Form:
    """How a parameter is stored: the first of what was asked for that can hold it."""
    name, shape = leaf.name, leaf.info.shape
    if leaf.info.kind == "vector" or precision == "float32":
        return Plain(name, shape)
    if precision == "quantized":
        return Wide(name, shape)
    rows, columns = shape[-2:]
    matrices: dict[int | None, list[packed.Segment | None]] = {}
    for repeat, source in leaf.sources:
        matrices.setdefault(repeat, []).append(_segment(file, leaf, source, bits))
    found = list(matrices.values())
    if precision == "packed" and all(packed.can_pack(parts, columns) for parts in found):
        each = shape[1] if len(shape) > 3 else 1  # experts
        layout = tuple(tuple(part for part in parts if part) for parts in found for _ in range(each))
        return Packed(name, (rows, columns), layout, each)
    segments = [part for parts in found for part in parts if part is not None]
    if precision == "grouped" and len(segments) == len(leaf.sources) and columns % GROUP == 0:
        return grouped_form(name, shape, segments)
    return Wide(name, shape)


def _segment(file: Checkpoint, leaf: _Leaf, source: Source, bits: Bits | None) -> packed.Segment | None:
    """How the rows of one tensor are stored; None where they are floats that stay so."""
    rows, columns = source.shape[-2:]
    kind = getattr(file.tensors[source.name], "type", GGMLType.F32)
    made = packed.segment(kind, rows)
    if made is None and bits and columns % GROUP == 0:
        made = packed.segment(_MADE[_bits_for(leaf, bits)], rows)
    return made


def _bits_for(leaf: _Leaf, bits: Bits) -> Bits:
    return 8 if leaf.name in ("embed", "ple_embed") else bits


@dataclass(frozen=True, slots=True)
class _Job:
    """Some rows of a tensor to bring into place."""

    leaf: _Leaf
    repeat: int | None
    source: Source
    rows: slice


def _fill(
    file: Checkpoint,
    leaves: list[_Leaf],
    forms: Mapping[str, Form],
    arrays: Mapping[str, np.ndarray],
    bits: Bits | None,
    report: Report | None,
) -> None:
    total = sum(int(np.prod(leaf.info.shape, dtype=np.int64)) for leaf in leaves)
    done = 0
    for form in forms.values():
        if isinstance(form, Packed):
            form.write_headers(arrays)
    jobs = [job for leaf in leaves for job in _jobs(leaf)]
    unsound: set[str] = set()
    # Unpacking is numpy and lets go of the interpreter, so a few pieces at a time use all cores.
    with ThreadPoolExecutor(max_workers=4) as pool:
        for size in pool.map(
            lambda job: _fill_one(file, forms[job.leaf.name], arrays, job, bits, unsound), jobs
        ):
            done += size
            if report:
                report(done, total)
    listed = dict.fromkeys(job.source.name for job in jobs if job.source.name in unsound)
    refuse(file, "model", [f"{name} holds numbers that are not finite" for name in listed])


def _jobs(leaf: _Leaf) -> Iterator[_Job]:
    """A leaf's tensors in pieces of bounded size."""
    for repeat, source in leaf.sources:
        count = source.shape[0]
        each = int(np.prod(source.shape[1:], dtype=np.int64))
        # Whole heads are reordered, and whole tiles packed.
        step = count if source.heads else max(packed.ROWS, _AT_ONCE // each // packed.ROWS * packed.ROWS)
        if len(source.shape) > 2:
            step = max(1, _AT_ONCE // each)
        for first in range(0, count, step):
            yield _Job(leaf, repeat, source, slice(first, min(first + step, count)))


def _fill_one(
    file: Checkpoint,
    form: Form,
    arrays: Mapping[str, np.ndarray],
    job: _Job,
    bits: Bits | None,
    unsound: set[str],
) -> int:
    source, count = job.source, job.rows.stop - job.rows.start
    read = file.read(source.name, job.rows if count < source.shape[0] else None)
    with np.errstate(over="ignore", invalid="ignore"):
        sound = _is_finite(read)
    if not sound:
        unsound.add(source.name)
        return 0
    if isinstance(read, Blocks):
        assert not source.plus, "what is stored as integers is no norm"
    else:
        read = read.reshape(count, *source.shape[1:])
        if source.plus:
            read = read + np.float32(source.plus)
        if isinstance(form, (Packed, Grouped)):
            assert bits is not None, "floats are only packed when they may be rounded"
            with _ROUNDING:
                read = _rounded(read, _bits_for(job.leaf, bits))
    stack = () if job.repeat is None else (job.repeat,)
    start = source.first + job.rows.start
    if len(source.shape) > 2:  # experts: the first axis counts matrices
        for number in range(count):
            form.fill(arrays, (*stack, start + number), slice(0, source.shape[1]), _one(read, number))
    else:
        form.fill(arrays, stack, slice(start, start + count), in_halves(read, source.heads))
    return count * int(np.prod(source.shape[1:], dtype=np.int64))


_ROUNDING = threading.Lock()  # the search uses all cores by itself, and memory for one piece


def _rounded(weights: np.ndarray, bits: Bits) -> Blocks:
    flat = quantize(weights.reshape(-1, weights.shape[-1]), bits)
    return flat.each(lambda array: array.reshape(*weights.shape[:-1], -1))


def _one(read: Blocks | np.ndarray, number: int) -> Blocks | np.ndarray:
    return read.each(lambda array: array[number]) if isinstance(read, Blocks) else read[number]


def _is_finite(read: Blocks | np.ndarray) -> bool:
    floats = read if not isinstance(read, Blocks) else read.scales
    mins = read.mins if isinstance(read, Blocks) else None
    # A sum is finite only if all are; one pass, no array of booleans.
    return bool(np.isfinite(floats.sum(dtype=np.float64)) and (mins is None or np.isfinite(mins.sum())))


def _tree(config: ModelConfig, ready: Mapping[str, Any]) -> Params:
    def layer(number: int, place: int) -> LayerParams:
        prefix = f"stacks.{number}.{place}."
        return LayerParams(
            **{name.removeprefix(prefix): array for name, array in ready.items() if name.startswith(prefix)}
        )

    return Params(
        stacks=tuple(
            tuple(layer(number, place) for place in range(len(stack.specs)))
            for number, stack in enumerate(stacks(config))
        ),
        **{name: array for name, array in ready.items() if not name.startswith("stacks.")},
    )


def _identity(path: Path, precision: Precision, bits: Bits | None) -> str:
    """What a laid-out copy was made from; of a folder all its files count."""
    files = [path] if path.is_file() else sorted(path.glob("*.safetensors*"))
    stats = [(each.name, each.stat()) for each in files]
    # The time of the last change of any kind too: a file's own time can be set back by whoever writes it.
    seen = "\n".join(
        f"{name} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}" for name, stat in stats
    )
    return f"{path.resolve()}\n{seen}\n{precision} {bits}\n{_LAYOUT}"


def _digest(identity: str) -> str:
    return hashlib.sha256(os.fsencode(identity)).hexdigest()[:16]
