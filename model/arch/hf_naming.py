"""Which families of Hugging Face checkpoints name and store their tensors in which way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from model.weights.hf_names import HFNames, names_in

_NORMS_FROM_ONE = ("gemma", "gemma2", "gemma3", "gemma3_text", "recurrent_gemma", "paligemma")
_GRIFFIN = ("recurrent_gemma",)


def naming_from_hf(config: Mapping[str, Any], tensors: Iterable[str]) -> HFNames:
    """How a checkpoint names its decoder's tensors.

    Args:
        config: its config.json.
        tensors: its tensors by name.

    Raises:
        FormatError: there is no embedding among them.
    """
    kind = config.get("model_type")
    return names_in(
        tensors,
        block="griffin" if kind in _GRIFFIN else "transformer",
        norms_from_one=kind in _NORMS_FROM_ONE,
    )
