"""The devices that compute one model together: a mesh of one axis, or none where there is one device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "model"

_Tree = TypeVar("_Tree")


def mesh_of(devices: Sequence[Any]) -> Mesh | None:
    """The mesh of these devices; None of a single one, whose programs know nothing of meshes."""
    return Mesh(np.array(devices), (AXIS,)) if len(devices) > 1 else None


def default_mesh() -> Mesh | None:
    """All accelerators of this machine, or as many of them as are a power of two: what a model has divides
    by that.  A processor's cores are no devices to divide a model over."""
    if jax.default_backend() == "cpu":
        return None
    devices = jax.local_devices()
    return mesh_of(devices[: 1 << (len(devices).bit_length() - 1)])


def size(mesh: Mesh | None) -> int:
    """How many devices there are."""
    return 1 if mesh is None else mesh.size


def partition(axis: int | None = None) -> PartitionSpec:
    """An array divided along this axis, counted from the front; None: everywhere whole."""
    return PartitionSpec() if axis is None else PartitionSpec(*(None,) * axis, AXIS)


def on_all(x: jax.Array, mesh: Mesh | None) -> jax.Array:
    """An array that every device is to have whole; inside of `jax.jit`."""
    return x if mesh is None else jax.lax.with_sharding_constraint(x, NamedSharding(mesh, partition()))


def everywhere(tree: _Tree, mesh: Mesh | None) -> _Tree:
    """Arrays with a copy on every device; as they are where there is one."""
    return tree if mesh is None else jax.device_put(tree, NamedSharding(mesh, partition()))
