"""Where the parts of every parameter lie on several devices: logical axes → partitions of a mesh.

Products are divided as in Megatron-LM (arXiv 1909.08053): the rows of what enters a mixer or an MLP, the
columns of what leaves it, so that a layer adds up over devices twice; tables by rows; experts each as a
whole.  Vectors are everywhere.  Rows that a layer splits (queries, keys, values; gate, up) are dealt: a
device has its share of each part, side by side, and none needs another's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from model.config import AttentionSpec, LayerSpec, ModelConfig, RecurrentSpec
from model.mesh import partition
from model.weights.params import ArrayInfo, parts, stacks

_AXES: dict[str, tuple[str, ...]] = {
    "embed": ("vocab", "width"),
    "output": ("vocab", "width"),
    "ple_embed": ("vocab", "inputs"),
    "ple_in": ("inputs", "width"),
    "qkv": ("heads", "width"),
    "qkv_bias": ("heads",),
    "attn_out": ("width", "heads"),
    "rec_in": ("recurrence", "width"),
    "rec_in_bias": ("recurrence",),
    "rec_out": ("width", "recurrence"),
    "gate_up": ("ffw", "width"),
    "gate_up_bias": ("ffw",),
    "down": ("width", "ffw"),
    "experts_gate_up": ("experts", "of_expert", "width"),
    "experts_down": ("experts", "width", "of_expert"),
    "ple_gate": ("inputs", "width"),
    "ple_out": ("width", "inputs"),
}
"""The logical axes of what is divided, without the one of repeats; of anything else nothing is."""

_ORDER = ("experts", "vocab", "heads", "recurrence", "ffw", "inputs", "width")
"""The first of a parameter's axes in this order that divides is divided."""


class Put(Protocol):
    """Brings one of the arrays that make up a parameter to where it belongs."""

    def __call__(self, array: np.ndarray, rows: int = -2, columns: int | None = -1) -> jax.Array:
        """Place an array.

        Args:
            array: of the parameter's shape, or with axes more, less or shorter.
            rows, columns: which of its axes, counted from the end, stand for those of the matrix; None: the
                array has one number for all columns.
        """
        ...


def put_whole(array: np.ndarray, rows: int = -2, columns: int | None = -1) -> jax.Array:
    """A `Put` for one device."""
    # Where device memory is the host's, `device_put` takes the mapped pages; `asarray` would copy them.
    return jax.device_put(array)


@dataclass(frozen=True, slots=True)
class Division:
    """How one parameter is divided.

    Attributes:
        axis: which of the parameter's axes; None: it is everywhere whole.
        dealt: sizes of the parts along that axis of which every device has a share; empty: one part.
    """

    axis: int | None
    dealt: tuple[int, ...] = ()


def division(config: ModelConfig, name: str, info: ArrayInfo, devices: int, group: int = 1) -> Division:
    """How a parameter is divided over so many devices.

    Args:
        config: the model.
        name: ``stacks.0.1.qkv``: stack, place in its pattern, field; or the field alone.
        info: shape and kind.
        devices: how many.
        group: neighbouring columns that must stay together.
    """
    *layer, place = name.split(".")
    axes = _AXES.get(place, ())
    first = len(info.shape) - len(axes)
    spec = stacks(config)[int(layer[1])].specs[int(layer[2])] if layer else None
    for wanted in _ORDER:
        if wanted not in axes or (wanted == "width" and "experts" in axes):
            continue
        axis = first + axes.index(wanted)
        is_columns = info.kind == "matrix" and axis == len(info.shape) - 1
        if info.shape[axis] // (group if is_columns else 1) % devices == 0:
            fused = spec is not None and axes[0] == wanted and dealt(spec, place, devices) > 1
            return Division(axis, (parts(spec, place) or ()) if spec and fused else ())
    return Division(None)


def dealt(spec: LayerSpec, place: str, devices: int) -> int:
    """Over how many devices the rows of a product that a layer splits are dealt; 1: they are in order.

    They are where every part divides: of queries, keys and values in whole heads.
    """
    match place.removesuffix("_bias"), spec.mixer:
        case "qkv", AttentionSpec() as mixer:
            counts = mixer.projections
        case "gate_up", _:
            counts = (spec.ffw,)
        case "rec_in", RecurrentSpec() as mixer:
            counts = (mixer.width,)
        case _:
            return 1
    return devices if all(count % devices == 0 for count in counts) else 1


def putter(config: ModelConfig, mesh: Mesh | None) -> Callable[[str, ArrayInfo, int], Put]:
    """For a parameter's name, what it is and its `group` (see `division`): what brings it to the devices.

    Every device is given its own part of the host's array; none ever holds more.
    """
    if mesh is None:
        return lambda name, info, group: put_whole

    def of(name: str, info: ArrayInfo, group: int) -> Put:
        how = division(config, name, info, mesh.size, group)

        def put(array: np.ndarray, rows: int = -2, columns: int | None = -1) -> jax.Array:
            axis = how.axis
            if axis is not None and info.kind == "matrix":
                # What stands before the matrix's own two axes is the same in all arrays.
                axis = {len(info.shape) - 2: rows, len(info.shape) - 1: columns}.get(axis, axis)
            return _divided(array, mesh, axis if axis is None else axis % array.ndim, how.dealt)

        return put

    return of


def _divided(array: np.ndarray, mesh: Mesh, axis: int | None, sizes: tuple[int, ...]) -> jax.Array:
    sharding = NamedSharding(mesh, partition(axis))
    if axis is None:
        return jax.device_put(array, sharding)
    share = array.shape[axis] // mesh.size

    def part(index: tuple[slice, ...] | None) -> np.ndarray:
        if index is None or not sizes:
            return array if index is None else array[index]
        device, pieces, first = (index[axis].start or 0) // share, [], 0
        for size in sizes:
            each = size // mesh.size
            begin = first + device * each
            pieces.append(array[(*index[:axis], slice(begin, begin + each))])
            first += size
        return np.concatenate(pieces, axis)

    return jax.make_array_from_callback(array.shape, sharding, part)
