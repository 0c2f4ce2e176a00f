"""How a model is made to read beyond the tokens it was trained on: its global layers alone are changed.

Sliding layers see no further than their window whatever the length of the text, so they are never touched.
Everything here is arithmetic on the architecture; nothing is learned.
"""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import Literal

from model.config import AttentionSpec, LayerSpec, ModelConfig, SparseSpec

Mode = Literal["auto", "dense", "extended", "sparse"]

LONGEST = 1_048_576
"""Tokens of the longest context that any method is offered for."""

SPARSE = SparseSpec()


def method(config: ModelConfig, mode: Mode, context: int) -> Mode:
    """What ``auto`` means for a context: within the trained window what the model was trained with.

    Args:
        config: as the model's file has it.
        mode: what is asked for.
        context: tokens of prompt and answer together.

    Returns:
        One of the others.
    """
    if mode != "auto":
        return mode
    return "dense" if context <= config.context else "sparse"


def longest(config: ModelConfig) -> int:
    """The largest context that a person may ask for."""
    return max(config.context, LONGEST)


def reaching(config: ModelConfig, mode: Mode, context: int) -> ModelConfig:
    """The architecture that reads so many tokens.

    Args:
        config: as the model's file has it.
        mode: how global layers attend; ``auto`` as `method` has it.
        context: tokens of prompt and answer together.
    """
    chosen = method(config, mode, context)
    if chosen == "dense":
        return config
    if chosen == "extended":
        return replace(
            config, layers=tuple(_stretched(spec, config.context, context) for spec in config.layers)
        )
    return replace(config, layers=tuple(_sparse(spec) for spec in config.layers))


def beyond(name: str, config: ModelConfig, how: Mode, context: int, measured: str | None = None) -> str:
    """What a person should know whose text may be longer than the model was trained for.

    Args:
        name: of the model.
        config: as its file has it.
        how: global layers attend, from `method`.
        context: tokens of prompt and answer together.
        measured: how well that goes; None where it is not known.
    """
    measure = f"gemcli bench needle -m {name} --attention {how} --lengths {context}"
    known = f"which found {measured}; " if measured else ""
    return (
        f"{name} was trained on {config.context:,} tokens; up to {context:,} are read with {how} attention, "
        f"{known}`{measure}` measures it on this machine"
    )


def is_sparse(config: ModelConfig) -> bool:
    """Whether a layer reads a part of the past only."""
    return any(spec.attention is not None and spec.attention.sparse is not None for spec in config.layers)


def _stretched(spec: LayerSpec, trained: int, context: int) -> LayerSpec:
    """YaRN (arXiv 2309.00071): see `RopeSpec.stretch`; scores grow by (0.1·ln s + 1)², its equation 22."""
    mixer = spec.mixer
    if not isinstance(mixer, AttentionSpec) or mixer.window is not None or context <= trained:
        return spec
    stretch = context / trained
    rope = replace(mixer.rope, stretch=stretch, trained=trained)
    return replace(
        spec, mixer=replace(mixer, rope=rope, query_scale=mixer.query_scale * (0.1 * log(stretch) + 1) ** 2)
    )


def _sparse(spec: LayerSpec) -> LayerSpec:
    mixer = spec.mixer
    if not isinstance(mixer, AttentionSpec) or mixer.window is not None:
        return spec
    return replace(spec, mixer=replace(mixer, sparse=SPARSE))
