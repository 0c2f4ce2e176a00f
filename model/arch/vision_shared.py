"""What both descriptions of the Gemma family's sight share: markers, and checks."""

from __future__ import annotations

from dataclasses import replace

from model.errors import FormatError
from model.vision.spec import Budget, Framing, Marker, Reading, VisionSpec

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

POOL = 3
"""Patches to a soft token along each axis, in every Gemma 4."""


def read_as(spec: VisionSpec, reading: Reading) -> VisionSpec:
    """The same as the reading has it: Google's Gemma 4 sets pictures off by blank lines, in full detail."""
    if reading == "transformers" or not isinstance(spec.resize, Budget):
        return spec
    return replace(
        spec,
        resize=replace(spec.resize, image=spec.resize.choices[-1]),
        framing=replace(spec.framing, around="\n\n"),
    )


def dividing(heads: int, width: int) -> int:
    """The heads; raises FormatError where they do not divide the encoder's width."""
    if width % heads:
        raise FormatError(f"{heads} attention heads do not divide an encoder's width of {width}")
    return heads


def turnable(head_dim: int) -> int:
    """The size of a head; raises FormatError where it has no two halves of pairs."""
    if head_dim % 4:
        raise FormatError(f"heads of {head_dim} numbers cannot be turned along two axes")
    return head_dim
