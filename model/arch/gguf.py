"""GGUF metadata → `ModelConfig`: dispatch on the architecture's name, and the reading of its keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    if name == "clip":
        raise UnsupportedModelError(
            "this is an mmproj file, with which a model sees and hears; give the model's own file, with this "
            "beside it"
        )
    builder = _BUILDERS.get(name) if isinstance(name, str) else None
    if builder is None:
        known = ", ".join(sorted(_BUILDERS))
        raise UnsupportedModelError(f"architecture {name!r} is not supported (supported: {known})")
    return builder(Keys(metadata, tensors))


def check_rope_factors(config: ModelConfig, factors: NDArray[np.float32]) -> None:
    """Hold a file's per-frequency factors against the rotary embedding that its architecture has anyway.

    Args:
        config: from `config_from_gguf`.
        factors: the tensor ``rope_freqs.weight``: what frequencies are divided by, one a pair of a head.

    Raises:
        UnsupportedModelError: they say something else.
    """
    mixers = [spec.attention for spec in config.layers]
    turning = {
        (mixer.rope.turning(mixer.head_dim) // 2, mixer.head_dim // 2)
        for mixer in mixers
        if mixer and mixer.rope.proportional
    }
    for pairs, whole in turning:
        # A factor of 1e30 stands for a pair that does not turn.
        same = factors.shape == (whole,) and (factors[:pairs] == 1).all() and (factors[pairs:] > 1e20).all()
        if not same:
            raise UnsupportedModelError(
                f"rope_freqs.weight should be {pairs} times 1 and {whole - pairs} times 1e30; other factors "
                "are not supported"
            )
