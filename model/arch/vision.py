"""Hugging Face configurations and mmproj metadata → `VisionSpec`: the sight of the Gemma family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isqrt
from typing import Any

from model.arch.keys import Keys
from model.arch.section import Section
from model.errors import FormatError, UnsupportedModelError
from model.vision.spec import Axial, Budget, Direct, Framing, Marker, Siglip, Square, VisionSpec

GEMMA3_FRAMING = Framing(
    begin=Marker("<start_of_image>", 255_999),
    end=Marker("<end_of_image>", 256_000),
    image=Marker("<image_soft_token>", 262_144),
    around="\n\n",
)
GEMMA4_FRAMING = Framing(
    begin=Marker("<|image>", 255_999),
    end=Marker("<image|>", 258_882),
    image=Marker("<|image|>", 258_880),
    frame=Marker("<|video|>", 258_884),
)

_POOL = 3  # patches to a soft token along each axis, in every Gemma 4


def vision_spec_from_hf(config: Mapping[str, Any]) -> VisionSpec | None:
    """The sight of a Hugging Face model.

    Args:
        config: the contents of config.json.

    Returns:
        None where the model cannot see.

    Raises:
        UnsupportedModelError: an encoder that we do not run.
        FormatError: a number that it needs is missing or makes no sense.
    """
    if not isinstance(config.get("vision_config"), Mapping):
        return None
    kind = config.get("model_type")
    builder = _HF.get(kind) if isinstance(kind, str) else None
    if builder is None:
        raise UnsupportedModelError(
            f"the vision encoder of {kind!r} is not supported (supported: {', '.join(_HF)})"
        )
    return builder(Section(config, "config"))


def vision_spec_from_mmproj(metadata: Mapping[str, Any], tensors: Mapping[str, Any]) -> VisionSpec | None:
    """The sight that an mmproj file holds.

    Args:
        metadata: the file's key-value pairs.
        tensors: its tensors by name, each with a `.shape`.

    Returns:
        None where it holds no vision encoder (it may still hold one for sound).

    Raises:
        UnsupportedModelError: not an mmproj file, or an encoder that we do not run.
        FormatError: a key or tensor that it needs is missing or makes no sense.
    """
    if metadata.get("general.architecture") != "clip":
        raise UnsupportedModelError("this is a language model, not an mmproj file with encoders")
    if not metadata.get("clip.has_vision_encoder", False):
        return None
    kind = metadata.get("clip.vision.projector_type", metadata.get("clip.projector_type"))
    builder = _MMPROJ.get(kind) if isinstance(kind, str) else None
    if builder is None:
        raise UnsupportedModelError(
            f"the vision encoder {kind!r} is not supported (supported: {', '.join(_MMPROJ)})"
        )
    return builder(Keys(metadata, tensors))


# --- config.json --------------------------------------------------------------------------------------------


def _gemma3(config: Section) -> VisionSpec:
    vision = config.within("vision_config")
    vision.must_be("hidden_act", "gelu_pytorch_tanh")
    vision.must_be("num_channels", 3)
    width, patch = vision.integer("hidden_size", 768), vision.integer("patch_size", 16)
    side, default = vision.integer("image_size", 224), GEMMA3_FRAMING
    return VisionSpec(
        patch=patch,
        pool=_pool_of_square(side // patch, config.integer("mm_tokens_per_image", 256)),
        width=width,
        text_width=config.within("text_config").integer("hidden_size", 2304),
        norm_eps=vision.number("layer_norm_eps", 1e-6),
        resize=Square(side),
        encoder=Siglip(
            layers=vision.integer("num_hidden_layers", 12),
            heads=_dividing(vision.integer("num_attention_heads", 12), width),
            ffw=vision.integer("intermediate_size", 3072),
        ),
        framing=Framing(
            begin=_marker(config, default.begin, "boi_token_index", "boi_token_id"),
            end=_marker(config, default.end, "eoi_token_index", "eoi_token_id"),
            image=_marker(config, default.image, "image_token_index", "image_token_id"),
            around=default.around,
        ),
    )


def _gemma4(config: Section) -> VisionSpec:
    vision = config.within("vision_config")
    vision.must_be("hidden_activation", "gelu_pytorch_tanh")
    heads = vision.integer("num_attention_heads", 12)
    vision.must_be("num_key_value_heads", heads)
    return VisionSpec(
        patch=vision.integer("patch_size", 16),
        pool=vision.integer("pooling_kernel_size", _POOL),
        width=vision.integer("hidden_size", 768),
        text_width=config.within("text_config").integer("hidden_size", 2304),
        norm_eps=vision.number("rms_norm_eps", 1e-6),
        resize=Budget(),
        encoder=Axial(
            layers=vision.integer("num_hidden_layers", 16),
            heads=heads,
            head_dim=_turnable(vision.integer("head_dim", 64)),
            ffw=vision.integer("intermediate_size", 3072),
            theta=_theta(vision),
            positions=vision.integer("position_embedding_size", 10_240),
            clipped=vision.flag("use_clipped_linears"),
            standardized=vision.flag("standardize"),
        ),
        framing=_gemma4_framing(config),
    )


def _gemma4_unified(config: Section) -> VisionSpec:
    vision = config.within("vision_config")
    return VisionSpec(
        patch=vision.integer("patch_size", 16) * vision.integer("pooling_kernel_size", _POOL),
        pool=1,
        width=vision.integer("mm_embed_dim", 3840),
        text_width=config.within("text_config").integer("hidden_size", 2304),
        norm_eps=vision.number("rms_norm_eps", 1e-6),
        resize=Budget(),
        encoder=Direct(positions=vision.integer("mm_posemb_size", 1120)),
        framing=_gemma4_framing(config),
    )


def _theta(vision: Section) -> float:
    if not vision.has("rope_parameters"):
        return 100.0
    rope = vision.within("rope_parameters")
    rope.must_be("rope_type", "axial", "default")
    return rope.number("rope_theta", 100.0)


def _marker(config: Section, default: Marker, *keys: str) -> Marker:
    """A token with the id that the first of the keys has that is there."""
    key = next((key for key in keys if config.has(key)), None)
    return default if key is None else Marker(default.text, config.integer(key))


def _gemma4_framing(config: Section) -> Framing:
    default = GEMMA4_FRAMING
    assert default.frame is not None
    return Framing(
        begin=_marker(config, default.begin, "boi_token_id"),
        end=_marker(config, default.end, "eoi_token_id"),
        image=_marker(config, default.image, "image_token_id"),
        frame=_marker(config, default.frame, "video_token_id"),
    )


_HF: dict[str, Callable[[Section], VisionSpec]] = {
    "gemma3": _gemma3,
    "gemma4": _gemma4,
    "gemma4_unified": _gemma4_unified,
}


# --- mmproj -------------------------------------------------------------------------------------------------


def _gemma3v(keys: Keys) -> VisionSpec:
    width, text_width = _widths(keys, transposed=True)
    patch, side = keys.integer("vision.patch_size"), keys.integer("vision.image_size")
    pool = keys.integer("vision.projector.scale_factor", 4)
    return VisionSpec(
        patch=patch,
        pool=_pool_of_square(side // patch, (side // patch // pool) ** 2),
        width=width,
        text_width=text_width,
        norm_eps=keys.number("vision.attention.layer_norm_epsilon", 1e-6),
        resize=Square(side),
        encoder=Siglip(
            layers=_layers(keys),
            heads=_dividing(keys.integer("vision.attention.head_count"), width),
            ffw=keys.integer("vision.feed_forward_length"),
        ),
        framing=GEMMA3_FRAMING,
    )


def _gemma4v(keys: Keys) -> VisionSpec:
    width, text_width = _widths(keys)
    heads = _dividing(keys.integer("vision.attention.head_count"), width)
    return VisionSpec(
        patch=keys.integer("vision.patch_size"),
        pool=keys.integer("vision.projector.scale_factor", _POOL),
        width=width,
        text_width=text_width,
        norm_eps=keys.number("vision.attention.layer_norm_epsilon", 1e-6),
        resize=Budget(),
        encoder=Axial(
            layers=_layers(keys),
            heads=heads,
            head_dim=_turnable(width // heads),
            ffw=keys.integer("vision.feed_forward_length"),
            positions=keys.tensor_shape("v.position_embd.weight")[-2],
            clipped="v.blk.0.attn_q.input_max" in keys.tensors,
            standardized="v.std_bias" in keys.tensors,
        ),
        framing=GEMMA4_FRAMING,
    )


def _gemma4uv(keys: Keys) -> VisionSpec:
    width, text_width = _widths(keys)
    return VisionSpec(
        # What its `patch_size` counts differs between converters; the tensor says it.
        patch=isqrt(keys.tensor_shape("v.patch_embd.weight")[-1] // 3),
        pool=1,
        width=width,
        text_width=text_width,
        norm_eps=keys.number("vision.attention.layer_norm_epsilon", 1e-6),
        resize=Budget(),
        encoder=Direct(positions=keys.tensor_shape("v.position_embd.weight")[-2]),
        framing=GEMMA4_FRAMING,
    )


_MMPROJ: dict[str, Callable[[Keys], VisionSpec]] = {
    "gemma3": _gemma3v,
    "gemma4v": _gemma4v,
    "gemma4uv": _gemma4uv,
}


def _widths(keys: Keys, *, transposed: bool = False) -> tuple[int, int]:
    """D of the encoder, and that of the decoder, as the projector has them."""
    shape = keys.tensor_shape("mm.input_projection.weight")
    width = keys.integer("vision.embedding_length")
    if len(shape) != 2 or shape[0 if transposed else 1] != width:
        raise FormatError(
            f"the projector mm.input_projection.weight has shape {list(shape)}, which does not belong to an "
            f"encoder of width {width}"
        )
    return width, shape[1 if transposed else 0]


def _layers(keys: Keys) -> int:
    count = keys.integer("vision.block_count")
    if count > len(keys.tensors):
        raise FormatError(
            f"clip.vision.block_count is {count:,}, but there are {len(keys.tensors):,} tensors"
        )
    return count


def _dividing(heads: int, width: int) -> int:
    if width % heads:
        raise FormatError(f"{heads} attention heads do not divide an encoder's width of {width}")
    return heads


def _turnable(head_dim: int) -> int:
    if head_dim % 4:
        raise FormatError(f"heads of {head_dim} numbers cannot be turned along two axes")
    return head_dim


def _pool_of_square(patches: int, tokens: int) -> int:
    """Patches that make one token along each axis, of a square of patches×patches."""
    side = isqrt(tokens)
    if side**2 != tokens or side == 0 or patches % side:
        raise FormatError(f"{patches}×{patches} patches cannot be pooled to {tokens} soft tokens")
    return patches // side
