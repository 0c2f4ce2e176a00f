"""Hugging Face configurations → `VisionSpec`: the sight of the Gemma family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isqrt
from typing import Any

from model.arch.section import Section
from model.arch.vision_shared import (
    GEMMA3_FRAMING,
    GEMMA4_FRAMING,
    POOL,
    dividing,
    read_as,
    turnable,
)
from model.errors import FormatError, UnsupportedModelError
from model.vision.spec import Axial, Budget, Direct, Framing, Marker, Reading, Siglip, Square, VisionSpec


def vision_spec_from_hf(
    config: Mapping[str, Any],
    processor: Mapping[str, Any] | None = None,
    *,
    reading: Reading = "transformers",
) -> VisionSpec | None:
    """The sight of a Hugging Face model.

    Args:
        config: the contents of config.json.
        processor: those of processor_config.json or preprocessor_config.json; without them pictures are
            prepared as for the released models.
        reading: of what the two references see differently.

    Returns:
        None where the model cannot see.

    Raises:
        UnsupportedModelError: an encoder that we do not run.
        FormatError: a number that it needs is missing or makes no sense.
    """
    if config.get("vision_config") is None:
        return None
    if not isinstance(config["vision_config"], Mapping):
        raise FormatError("config: vision_config is damaged: it is not an object")
    kind = config.get("model_type")
    builder = _HF.get(kind) if isinstance(kind, str) else None
    if builder is None:
        raise UnsupportedModelError(
            f"the vision encoder of {kind!r} is not supported (supported: {', '.join(_HF)})"
        )
    whole = Section(processor or {}, "processor")
    picture = whole.within("image_processor") if whole.has("image_processor") else whole
    video = whole.within("video_processor") if whole.has("video_processor") else Section({})
    return read_as(builder(Section(config), picture, video), reading)


def _gemma3(config: Section, picture: Section, _: Section) -> VisionSpec:
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
        resize=_square(side, picture),
        encoder=Siglip(
            layers=vision.integer("num_hidden_layers", 12),
            heads=dividing(vision.integer("num_attention_heads", 12), width),
            ffw=vision.integer("intermediate_size", 3072),
        ),
        framing=Framing(
            begin=_marker(config, default.begin, "boi_token_index", "boi_token_id"),
            end=_marker(config, default.end, "eoi_token_index", "eoi_token_id"),
            image=_marker(config, default.image, "image_token_index", "image_token_id"),
            around=default.around,
        ),
    )


def _gemma4(config: Section, picture: Section, video: Section) -> VisionSpec:
    vision = config.within("vision_config")
    vision.must_be("hidden_activation", "gelu_pytorch_tanh")
    heads = vision.integer("num_attention_heads", 12)
    vision.must_be("num_key_value_heads", heads)
    return VisionSpec(
        patch=vision.integer("patch_size", 16),
        pool=vision.integer("pooling_kernel_size", POOL),
        width=vision.integer("hidden_size", 768),
        text_width=config.within("text_config").integer("hidden_size", 2304),
        norm_eps=vision.number("rms_norm_eps", 1e-6),
        resize=_budget(picture, video),
        encoder=Axial(
            layers=vision.integer("num_hidden_layers", 16),
            heads=heads,
            head_dim=turnable(vision.integer("head_dim", 64)),
            ffw=vision.integer("intermediate_size", 3072),
            theta=_theta(vision),
            positions=vision.integer("position_embedding_size", 10_240),
            clipped=vision.flag("use_clipped_linears"),
            standardized=vision.flag("standardize"),
        ),
        framing=_gemma4_framing(config),
    )


def _gemma4_unified(config: Section, picture: Section, video: Section) -> VisionSpec:
    vision = config.within("vision_config")
    return VisionSpec(
        patch=vision.integer("patch_size", 16) * vision.integer("pooling_kernel_size", POOL),
        pool=1,
        width=vision.integer("mm_embed_dim", 3840),
        text_width=config.within("text_config").integer("hidden_size", 2304),
        norm_eps=vision.number("rms_norm_eps", 1e-6),
        resize=_budget(picture, video),
        encoder=Direct(positions=vision.integer("mm_posemb_size", 1120)),
        framing=_gemma4_framing(config),
    )


def _pool_of_square(patches: int, tokens: int) -> int:
    """Patches to a soft token along each axis of a square of patches×patches; raises FormatError for none."""
    side = isqrt(tokens)
    if side**2 != tokens or side == 0 or patches == 0 or patches % side:
        raise FormatError(f"{patches}×{patches} patches cannot be pooled to {tokens} soft tokens")
    return patches // side


def _square(side: int, picture: Section) -> Square:
    picture.must_be("resample", 2)
    if picture.has("size"):
        picture.within("size").must_be("height", side)
        picture.within("size").must_be("width", side)
    return Square(
        side, mean=picture.colours("image_mean", 0.5), std=picture.colours("image_std", 0.5, positive=True)
    )


def _budget(picture: Section, video: Section) -> Budget:
    choices = Budget().choices
    picture.must_be("resample", 3)
    for section in (picture, video):
        section.must_be("max_soft_tokens", *choices)
    return Budget(
        image=picture.integer("max_soft_tokens", Budget().image),
        frame=video.integer("max_soft_tokens", Budget().frame),
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


_HF: dict[str, Callable[[Section, Section, Section], VisionSpec]] = {
    "gemma3": _gemma3,
    "gemma4": _gemma4,
    "gemma4_unified": _gemma4_unified,
}
