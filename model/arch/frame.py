"""The numbers that every decoder states, and how config.json of transformers states them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from model.arch.section import Section
from model.config import LayerSpec, ModelConfig, RopeSpec
from model.errors import FormatError


@dataclass(frozen=True, slots=True)
class Frame:
    """What `ModelConfig` and its layers have in common in all families.

    Attributes:
        architecture: the family's name in its file.
        width, vocab, context, norm_eps, tied: see `model.config.ModelConfig`.
        count: of layers.
        heads, kv_heads, head_dim, ffw: N, K, H and F; of the sliding layers, where they differ.
        root: √D as the model computes with it.
    """

    architecture: str
    width: int
    vocab: int
    context: int
    norm_eps: float
    tied: bool
    count: int
    heads: int
    kv_heads: int
    head_dim: int
    ffw: int
    root: float

    def model(self, layers: tuple[LayerSpec, ...], **more: Any) -> ModelConfig:
        """The configuration with these layers; `more` are further fields of it."""
        return ModelConfig(
            architecture=self.architecture,
            width=self.width,
            vocab=self.vocab,
            context=self.context,
            layers=layers,
            norm_eps=self.norm_eps,
            tied=self.tied,
            **more,
        )


def every(period: int, count: int) -> list[bool]:
    """Which of `count` layers are sliding where each `period`-th is global."""
    return [(index + 1) % period != 0 for index in range(count)]


def frame_from_hf(text: Section, tensors: Mapping[str, Any], name: str, defaults: Mapping[str, Any]) -> Frame:
    """The frame of a text model of transformers.

    Args:
        text: the text model's part of config.json.
        tensors: the checkpoint's tensors by name, each with a `.shape` and a `.dtype` such as ``BF16``.
        name: of the architecture.
        defaults: of the configuration's class, by its own names, where the file is silent.

    Raises:
        FormatError: a number is missing, nonsense, or does not fit another.
    """
    width = text.integer("hidden_size", defaults["hidden_size"])
    heads = text.integer("num_attention_heads", defaults["num_attention_heads"])
    kv_heads = text.integer("num_key_value_heads", defaults.get("num_key_value_heads") or heads)
    head_dim = text.integer("head_dim", defaults.get("head_dim") or max(width // heads, 1))
    count = text.integer("num_hidden_layers", defaults["num_hidden_layers"])
    if heads % kv_heads:
        raise FormatError(f"config.json: {kv_heads} key and value heads do not divide {heads} heads")
    if head_dim % 2:
        raise FormatError(f"config.json: head_dim is {head_dim}: RoPE needs pairs")
    if count > len(tensors):
        raise FormatError(
            f"config.json: num_hidden_layers is {count:,}, but there are {len(tensors):,} tensors"
        )
    embedding = next((info for key, info in tensors.items() if key.endswith("embed_tokens.weight")), None)
    if embedding is None:
        raise FormatError("the checkpoint holds no tensor embed_tokens.weight")
    return Frame(
        architecture=name,
        width=width,
        vocab=embedding.shape[0],
        context=text.integer("max_position_embeddings", defaults["max_position_embeddings"]),
        norm_eps=text.number("rms_norm_eps", 1e-6),
        tied=text.flag("tie_word_embeddings", default=defaults["tie_word_embeddings"]),
        count=count,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        ffw=text.integer("intermediate_size", defaults["intermediate_size"]),
        root=rounded(sqrt(width), embedding.dtype),
    )


def rounded(value: float, dtype: str) -> float:
    """A number as transformers computes with it: rounded to the type of the weights that it multiplies."""
    if dtype == "F16":
        return float(np.float16(value))
    if dtype != "BF16":
        return value
    bits = int(np.float32(value).view(np.uint32))
    even = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    return float(np.uint32(even).view(np.float32))


def rope_from_hf(
    text: Section,
    theta: float,
    *,
    layers: str | None = None,
    old_theta: str = "rope_theta",
    scaled: bool = True,
    rotated: float = 1.0,
) -> RopeSpec:
    """The rotary embedding of a text model of transformers, in the present or the old way to state it.

    Args:
        text: the text model's part of config.json.
        theta: where the file is silent.
        layers: the kind of layers, ``full_attention`` or ``sliding_attention``, where there are both.
        old_theta: the old name of its base.
        scaled: whether the old ``rope_scaling`` is meant for these layers.
        rotated: part of a head that turns, where the file is silent.

    Raises:
        UnsupportedModelError: a kind of scaling that we do not run.
        FormatError: a number is nonsense.
    """
    if text.has("rope_parameters"):
        found = text.within("rope_parameters")
        if layers is not None:
            found = found.within(layers) if found.has(layers) else Section({}, "config.json: rope_parameters")
    elif scaled and text.has("rope_scaling"):
        found, theta = text.within("rope_scaling"), text.number(old_theta, theta)
    else:
        found, theta = Section({}), text.number(old_theta, theta)
    kind = found.choice("rope_type", "default", "linear", "proportional", old="type")
    return RopeSpec(
        theta=found.number("rope_theta", theta),
        factor=found.number("factor", 1.0) if kind != "default" else 1.0,
        rotated=found.number("partial_rotary_factor", text.number("partial_rotary_factor", rotated)),
        proportional=kind == "proportional",
    )
