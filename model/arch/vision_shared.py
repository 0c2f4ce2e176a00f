"""What both descriptions of the Gemma family's sight share: markers, and checks."""

from __future__ import annotations

from math import isqrt

from model.errors import FormatError
from model.vision.spec import Framing, Marker

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


def pool_of_square(patches: int, tokens: int) -> int:
    """Patches to a soft token along each axis of a square of patches×patches; raises FormatError for none."""
    side = isqrt(tokens)
    if side**2 != tokens or side == 0 or patches == 0 or patches % side:
        raise FormatError(f"{patches}×{patches} patches cannot be pooled to {tokens} soft tokens")
    return patches // side
