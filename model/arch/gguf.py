"""GGUF metadata → `ModelConfig`: dispatch on the architecture's name, and the reading of its keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.arch import gemma, gemma4, llama
from model.arch.keys import Keys
from model.config import ModelConfig
from model.errors import UnsupportedModelError

_BUILDERS = {
    "gemma": gemma.gemma1_gguf,
    "gemma2": gemma.gemma2_gguf,
    "gemma3": gemma.gemma3_gguf,
    "gemma4": gemma4.gemma4_gguf,
    "llama": llama.llama_gguf,
    "qwen2": llama.qwen2_gguf,
}


def config_from_gguf(metadata: Mapping[str, Any], tensors: Mapping[str, Any]) -> ModelConfig:
    """The architecture that a GGUF file describes.

    Args:
        metadata: the file's key-value pairs.
        tensors: the file's tensors by name, each with a `.shape` ([out, in] order).

    Raises:
        UnsupportedModelError: an architecture or a variant of it that we do not run.
        FormatError: a key or tensor that the architecture needs is missing.
    """
    name = metadata.get("general.architecture")
    builder = _BUILDERS.get(name) if isinstance(name, str) else None
    if builder is None:
        known = ", ".join(sorted(_BUILDERS))
        raise UnsupportedModelError(f"architecture {name!r} is not supported (supported: {known})")
    return builder(Keys(metadata, tensors))
