"""The sight of the Gemma family, from whichever description a model comes with."""

from __future__ import annotations

from model.arch.vision_hf import vision_spec_from_hf
from model.arch.vision_mmproj import vision_spec_from_mmproj
from model.arch.vision_shared import GEMMA3_FRAMING, GEMMA4_FRAMING

__all__ = ["GEMMA3_FRAMING", "GEMMA4_FRAMING", "vision_spec_from_hf", "vision_spec_from_mmproj"]
