"""A checkpoint's tensors → the encoder's parameters, checked by name, shape and value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from model.errors import FormatError
from model.formats.checkpoint import Checkpoint
from model.formats.ggml import Blocks
from model.vision.names import Table, table
from model.vision.params import VisionParams, abstract
from model.vision.spec import VisionSpec
from model.vision.transforms import Transform
from model.weights.fit import check, refuse
from model.weights.params import ArrayInfo

Kept = Literal["float32", "bfloat16"]

_WHAT = "vision encoder"


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One parameter and the tensors that fill it: one, or one a layer."""

    info: ArrayInfo
    names: tuple[str, ...]
    stacked: bool
    transform: Transform

    @property
    def scalar(self) -> bool:
        """Each of its tensors is one number: a bound."""
        return self.stacked and len(self.info.shape) == 1

    @property
    def stored(self) -> tuple[int, ...]:
        """The shape that each of its tensors must have."""
        return self.transform.stored(self.info.shape[1:] if self.stacked else self.info.shape)


def load_vision(checkpoint: Checkpoint, spec: VisionSpec, *, matrices: Kept = "float32") -> VisionParams:
    """Read the weights of an encoder and its projector.

    Args:
        checkpoint: a Hugging Face checkpoint, whose other tensors are passed over, or an mmproj file.
        spec: what it should hold.
        matrices: the type that they are kept in; bfloat16 is exact where the file has it.

    Raises:
        FormatError: tensors are missing, unknown, of the wrong shape or not finite; all of them are listed.
    """
    known = table(spec, checkpoint.tensors)
    tree = abstract(spec)
    leaves = [_leaf(place, info, known, checkpoint) for place, info in _places(tree)]
    wanted = {name: (leaf.stored,) for leaf in leaves for name in leaf.names}
    check(
        checkpoint, _WHAT, wanted, lambda name: bool(known.ours.match(name) and not known.spare.match(name))
    )
    broken: list[str] = []
    ready = [_read(checkpoint, leaf, matrices, broken) for leaf in leaves]
    refuse(checkpoint, _WHAT, broken)
    return jax.tree.unflatten(jax.tree.structure(tree, is_leaf=_is_info), ready)


def _places(tree: VisionParams) -> Iterator[tuple[str, ArrayInfo]]:
    for path, info in jax.tree_util.tree_leaves_with_path(tree, is_leaf=_is_info):
        yield ".".join(key.name for key in path), info


def _is_info(leaf: object) -> bool:
    return isinstance(leaf, ArrayInfo)


def _leaf(place: str, info: ArrayInfo, known: Table, checkpoint: Checkpoint) -> _Leaf:
    entry = known.entries[place]
    stacked = place.startswith("layers.")
    if stacked and info.shape[0] > len(checkpoint.tensors):
        raise FormatError(
            f"{checkpoint.path}: {info.shape[0]:,} layers of a vision encoder are described, "
            f"but there are {len(checkpoint.tensors):,} tensors"
        )
    numbers = range(info.shape[0] if stacked else 1)
    found = tuple(_present([name.format(number) for name in entry.names], checkpoint) for number in numbers)
    return _Leaf(info, found, stacked, entry.transform)


def _present(names: list[str], checkpoint: Checkpoint) -> str:
    return next((name for name in names if name in checkpoint.tensors), names[0])


def _read(checkpoint: Checkpoint, leaf: _Leaf, matrices: Kept, broken: list[str]) -> jax.Array:
    kind = jnp.dtype(matrices if leaf.info.kind == "matrix" else "float32")
    whole = np.empty(leaf.info.shape, kind)
    for number, name in enumerate(leaf.names):
        stored = checkpoint.read(name)
        values: NDArray[np.float32] = stored.dequantize() if isinstance(stored, Blocks) else stored
        # A bound may be infinite: it then bounds nothing.
        if np.isnan(values).any() or not (leaf.scalar or np.isfinite(values).all()):
            broken.append(f"{name} holds numbers that are not finite")
        whole[number if leaf.stacked else ...] = leaf.transform.apply(values)
    return jax.device_put(whole)
