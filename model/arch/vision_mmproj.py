"""Metadata of mmproj GGUF files → `VisionSpec`: the sight of the Gemma family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isqrt
from typing import Any

from model.arch.keys import Keys
from model.arch.section import three_numbers
from model.arch.vision_shared import (
    GEMMA3_FRAMING,
    GEMMA4_FRAMING,
    POOL,
    dividing,
    read_as,
    turnable,
)
from model.errors import FormatError, UnsupportedModelError
from model.vision.spec import Axial, Budget, Direct, Reading, Siglip, Square, VisionSpec


def vision_spec_from_mmproj(
    metadata: Mapping[str, Any], tensors: Mapping[str, Any], *, reading: Reading = "transformers"
) -> VisionSpec | None:
    """The sight that an mmproj file holds.

    Args:
        metadata: the file's key-value pairs.
        tensors: its tensors by name, each with a `.shape`.
        reading: of what the two references see differently.

    Returns:
        None where it holds no vision encoder (it may still hold one for sound).

    Raises:
        UnsupportedModelError: an encoder that we do not run.
        FormatError: not an mmproj file; a key or tensor that it needs is missing or makes no sense.
    """
    if metadata.get("general.architecture") != "clip":
        raise FormatError("this is a language model, not an mmproj file with encoders")
    if not metadata.get("clip.has_vision_encoder", False):
        return None
    kind = metadata.get("clip.vision.projector_type", metadata.get("clip.projector_type"))
    builder = _MMPROJ.get(kind) if isinstance(kind, str) else None
    if builder is None:
        raise UnsupportedModelError(
            f"the vision encoder {kind!r} is not supported (supported: {', '.join(_MMPROJ)})"
        )
    return read_as(builder(Keys(metadata, tensors), metadata), reading)


def _gemma3v(keys: Keys, metadata: Mapping[str, Any]) -> VisionSpec:
    width, text_width = _widths(keys, transposed=True)
    patch, side = keys.integer("vision.patch_size"), keys.integer("vision.image_size")
    pool = keys.integer("vision.projector.scale_factor", 4)
    if side < patch or side // patch % pool:
        raise FormatError(f"{side // patch}×{side // patch} patches cannot be pooled in squares of {pool}")
    return VisionSpec(
        patch=patch,
        pool=pool,
        width=width,
        text_width=text_width,
        norm_eps=keys.number("vision.attention.layer_norm_epsilon", 1e-6),
        resize=Square(
            side,
            mean=_colours(metadata, "clip.vision.image_mean"),
            std=_colours(metadata, "clip.vision.image_std", positive=True),
        ),
        encoder=Siglip(
            layers=_layers(keys),
            heads=dividing(keys.integer("vision.attention.head_count"), width),
            ffw=keys.integer("vision.feed_forward_length"),
        ),
        framing=GEMMA3_FRAMING,
    )


def _gemma4v(keys: Keys, _: Mapping[str, Any]) -> VisionSpec:
    width, text_width = _widths(keys)
    heads = dividing(keys.integer("vision.attention.head_count"), width)
    return VisionSpec(
        patch=keys.integer("vision.patch_size"),
        pool=keys.integer("vision.projector.scale_factor", POOL),
        width=width,
        text_width=text_width,
        norm_eps=keys.number("vision.attention.layer_norm_epsilon", 1e-6),
        resize=Budget(),
        encoder=Axial(
            layers=_layers(keys),
            heads=heads,
            head_dim=turnable(width // heads),
            ffw=keys.integer("vision.feed_forward_length"),
            positions=_shape(keys, "v.position_embd.weight", 3)[1],
            clipped="v.blk.0.attn_q.input_max" in keys.tensors,
            standardized="v.std_bias" in keys.tensors,
        ),
        framing=GEMMA4_FRAMING,
    )


def _gemma4uv(keys: Keys, _: Mapping[str, Any]) -> VisionSpec:
    width, text_width = _widths(keys)
    # What its `patch_size` counts differs between converters; the tensor says it.
    pixels = _shape(keys, "v.patch_embd.weight", 2)[1]
    if pixels == 0 or 3 * isqrt(pixels // 3) ** 2 != pixels:
        raise FormatError(f"v.patch_embd.weight has rows of {pixels}, which are no square of coloured pixels")
    return VisionSpec(
        patch=isqrt(pixels // 3),
        pool=1,
        width=width,
        text_width=text_width,
        norm_eps=keys.number("vision.attention.layer_norm_epsilon", 1e-6),
        resize=Budget(),
        encoder=Direct(positions=_shape(keys, "v.position_embd.weight", 3)[1]),
        framing=GEMMA4_FRAMING,
    )


_MMPROJ: dict[str, Callable[[Keys, Mapping[str, Any]], VisionSpec]] = {
    "gemma3": _gemma3v,
    "gemma4v": _gemma4v,
    "gemma4uv": _gemma4uv,
}


def _widths(keys: Keys, *, transposed: bool = False) -> tuple[int, int]:
    """D of the encoder, and that of the decoder, as the projector has them."""
    shape = _shape(keys, "mm.input_projection.weight", 2)
    width = keys.integer("vision.embedding_length")
    if shape[0 if transposed else 1] != width:
        raise FormatError(
            f"the projector mm.input_projection.weight has shape {list(shape)}, which does not belong to an "
            f"encoder of width {width}"
        )
    return width, shape[1 if transposed else 0]


def _shape(keys: Keys, name: str, axes: int) -> tuple[int, ...]:
    shape = keys.tensor_shape(name)
    if len(shape) != axes:
        raise FormatError(f"{name} has shape {list(shape)}, expected {axes} axes")
    return shape


def _colours(metadata: Mapping[str, Any], key: str, *, positive: bool = False) -> tuple[float, float, float]:
    return three_numbers(metadata.get(key, [0.5] * 3), key, positive=positive)


def _layers(keys: Keys) -> int:
    count = keys.integer("vision.block_count")
    if count > len(keys.tensors):
        raise FormatError(
            f"clip.vision.block_count is {count:,}, but there are {len(keys.tensors):,} tensors"
        )
    return count
