"""A checkpoint's tensors → the parameters of its audio encoder: checked by name and shape, one by one."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from model.audio.names import Layout, Source, belongs, sources
from model.audio.params import AudioParams, abstract, is_info
from model.audio.spec import AudioSpec, ConformerSpec
from model.errors import FormatError
from model.formats.checkpoint import Checkpoint
from model.formats.ggml import Blocks
from model.weights.fit import check
from model.weights.params import ArrayInfo

Kept = Literal["float32", "bfloat16"]


def load_audio(checkpoint: Checkpoint, spec: AudioSpec, *, matrices: Kept = "float32") -> AudioParams:
    """Read an audio encoder's weights.

    Args:
        checkpoint: of transformers (a folder of safetensors) or an mmproj GGUF, open; tensors of others than
            the audio encoder are left alone.
        spec: what it should hold.
        matrices: the type that they are kept in; bfloat16 is exact where the file has it.

    Raises:
        FormatError: tensors are missing, unknown, of the wrong shape, or hold NaN; all of them are listed.
            Or there cannot be as many layers as are announced.
    """
    layout: Layout = (
        "mmproj" if any(belongs(name, "mmproj") for name in checkpoint.tensors) else "transformers"
    )
    prefix = "model." if any(name.startswith("model.") for name in checkpoint.tensors) else ""
    if isinstance(spec.encoder, ConformerSpec) and spec.encoder.layers > len(checkpoint.tensors):
        raise FormatError(
            f"{checkpoint.path}: its audio encoder is said to have {spec.encoder.layers:,} layers, "
            f"but there are {len(checkpoint.tensors):,} tensors"
        )
    flat, tree = jax.tree_util.tree_flatten_with_path(abstract(spec), is_leaf=is_info)
    leaves = [
        (info, tuple(sources(_dotted(path), info, layout, prefix if layout == "transformers" else "")))
        for path, info in flat
    ]
    wanted = {source.name: source.stored for _, found in leaves for source in found}
    check(checkpoint, "audio encoder", wanted, lambda name: belongs(name, layout))
    broken: list[str] = []
    arrays = [_leaf(checkpoint, info, found, matrices, broken) for info, found in leaves]
    if broken:
        raise FormatError(
            f"{checkpoint.path}: these tensors of its audio encoder hold numbers that are none; "
            "download it again:\n  " + "\n  ".join(broken)
        )
    return jax.tree_util.tree_unflatten(tree, arrays)


def _dotted(path: tuple[Any, ...]) -> str:
    return ".".join(str(getattr(key, "name", getattr(key, "idx", key))) for key in path)


def _leaf(
    checkpoint: Checkpoint, info: ArrayInfo, found: tuple[Source, ...], matrices: Kept, broken: list[str]
) -> jax.Array:
    whole = np.empty(info.shape, jnp.dtype(matrices if info.kind == "matrix" else "float32"))
    for source in found:
        values = checkpoint.read(source.name)
        if isinstance(values, Blocks):
            values = values.dequantize()
        # Bounds may be infinite, which is to say that there is none.
        sound = ~np.isnan(values) if source.shape == () else np.isfinite(values)
        if not sound.all():
            broken.append(
                f"{source.name}: {np.size(sound) - np.count_nonzero(sound):,} of {np.size(sound):,}"
            )
        values = values.reshape(source.shape)
        with np.errstate(invalid="ignore"):
            whole[source.at] = np.logaddexp(0.0, values) if source.softplus else values
    return jnp.asarray(whole)
