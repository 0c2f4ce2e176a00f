"""config.json of transformers → `ModelConfig`: dispatch on the model's type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from model.arch import gemma, gemma4, griffin, llama
from model.arch.section import Section
from model.config import ModelConfig
from model.errors import UnsupportedModelError

_BUILDERS: dict[str, Callable[[Section, Mapping[str, Any]], ModelConfig]] = {
    "gemma": gemma.gemma1_hf,
    "gemma2": gemma.gemma2_hf,
    "gemma3": gemma.gemma3_hf,
    "gemma3_text": gemma.gemma3_hf,
    "gemma4": gemma4.gemma4_hf,
    "gemma4_text": gemma4.gemma4_hf,
    "gemma4_unified": gemma4.gemma4_hf,
    "gemma4_unified_text": gemma4.gemma4_hf,
    "llama": llama.llama_hf,
    "qwen2": llama.qwen2_hf,
    "recurrent_gemma": griffin.recurrent_gemma,
}


def config_from_hf(config: Mapping[str, Any], tensors: Mapping[str, Any]) -> ModelConfig:
    """The architecture that a checkpoint of transformers describes.

    Args:
        config: the contents of config.json.
        tensors: the checkpoint's tensors by name, each with a `.shape` ([out, in] order) and a `.dtype` such
            as ``BF16``.

    Raises:
        UnsupportedModelError: an architecture or a variant of it that we do not run.
        FormatError: a value or tensor that the architecture needs is missing or nonsense.
    """
    name = config.get("model_type")
    builder = _BUILDERS.get(name) if isinstance(name, str) else None
    if builder is None:
        known = ", ".join(sorted(_BUILDERS))
        raise UnsupportedModelError(f"model type {name!r} is not supported (supported: {known})")
    if isinstance(quantized := config.get("quantization_config"), Mapping):
        method = str(quantized.get("quant_method", "unnamed"))[:40]
        raise UnsupportedModelError(
            f"its weights are quantized by {method!r}, which is not read; take the model's GGUF, or its "
            "safetensors in 16 or 32 bits"
        )
    return builder(Section(config), tensors)
