"""GGUF tensor names → places in the parameter tree.

One table serves every architecture: a place that a model lacks is simply not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model.config import AttentionSpec, ModelConfig
from model.weights.params import abstract, abstract_layer, parts

_LAYER: dict[str, tuple[str, ...]] = {
    "attn_norm": ("attn_norm.weight",),
    "qkv": ("attn_q.weight", "attn_k.weight", "attn_v.weight"),
    "qkv_bias": ("attn_q.bias", "attn_k.bias", "attn_v.bias"),
    "q_norm": ("attn_q_norm.weight",),
    "k_norm": ("attn_k_norm.weight",),
    "attn_out": ("attn_output.weight",),
    "post_attn_norm": ("post_attention_norm.weight",),
    "ffn_norm": ("ffn_norm.weight",),
    "gate_up": ("ffn_gate.weight", "ffn_up.weight"),
    "down": ("ffn_down.weight",),
    "post_ffn_norm": ("post_ffw_norm.weight",),
    "router_scale": ("ffn_gate_inp.scale",),
    "router": ("ffn_gate_inp.weight",),
    "expert_scale": ("ffn_down_exps.scale",),
    "experts_norm": ("pre_ffw_norm_2.weight",),
    "experts_gate_up": ("ffn_gate_up_exps.weight",),
    "experts_down": ("ffn_down_exps.weight",),
    "mlp_post_norm": ("post_ffw_norm_1.weight",),
    "experts_post_norm": ("post_ffw_norm_2.weight",),
    "ple_gate": ("inp_gate.weight",),
    "ple_out": ("proj.weight",),
    "ple_post_norm": ("post_norm.weight",),
    "layer_scale": ("layer_output_scale.weight",),
}
_TOP = {
    "embed": "token_embd.weight",
    "final_norm": "output_norm.weight",
    "output": "output.weight",
    "ple_embed": "per_layer_token_embd.weight",
    "ple_in": "per_layer_model_proj.weight",
    "ple_norm": "per_layer_proj_norm.weight",
}
_OWN_KEYS_AND_VALUES = re.compile(r"blk\.(\d+)\.attn_(k|v|k_norm|v_norm)\.weight")


@dataclass(frozen=True, slots=True)
class Source:
    """One tensor of the file and the rows that it fills.

    Attributes:
        name: in the file.
        shape: that it must have: [out, in], [size] or, of experts, [X, out, in].
        first: the first row (or element, or expert) of the place that it fills.
        heads: the rows are this many heads whose adjacent pairs must be reordered; 0 where they must not.
        plus: added to what is stored: a norm may be stored as what it differs from 1 by.
        stored: the shape in the file where it has axes of 1 besides; None where it has not.
    """

    name: str
    shape: tuple[int, ...]
    first: int
    heads: int = 0
    plus: float = 0.0
    stored: tuple[int, ...] | None = None


def top(config: ModelConfig, place: str) -> Source:
    """The tensor of a place outside the layers: a field of `Params` other than ``stacks``."""
    return Source(_TOP[place], getattr(abstract(config), place).shape, 0)


def in_layer(config: ModelConfig, index: int, place: str) -> Iterator[Source]:
    """The tensors whose rows, one after the other, make up a field of `LayerParams` in layer `index`."""
    spec, suffixes = config.layers[index], _LAYER[place]
    heads = spec.attention.projections if spec.attention and config.adjacent_pairs else ()
    for suffix, shape, first in stretches(config, index, place, suffixes):
        number = suffixes.index(suffix)
        rotary = heads[number] if place.startswith("qkv") and number < 2 and heads else 0
        yield Source(f"blk.{index}.{suffix}", shape, first, rotary)


def stretches(
    config: ModelConfig, index: int, place: str, suffixes: Sequence[str]
) -> Iterator[tuple[str, tuple[int, ...], int]]:
    """Of the tensors that make up a field of `LayerParams` in layer `index`: which, its shape, its first row.

    Args:
        config: the architecture.
        index: of the layer.
        place: the field.
        suffixes: what the tensors are called within the layer; one that has no rows is passed over.
    """
    spec, first = config.layers[index], 0
    rows, *rest = getattr(abstract_layer(config, spec, 1), place).shape[1:]
    for suffix, size in zip(suffixes, parts(spec, place) or (rows,), strict=True):
        if size:
            yield suffix, (size, *rest), first
        first += size


def is_superfluous(config: ModelConfig, name: str) -> bool:
    """Whether a tensor that no place asks for may lie in the file all the same.

    Files keep the RoPE factors that the architecture already states, and the key and value projections that
    layers with a `source` were trained beside and never use.
    """
    if name == "rope_freqs.weight":
        return any(spec.attention and spec.attention.rope.proportional for spec in config.layers)
    mixer = mixer_of(config, _OWN_KEYS_AND_VALUES.fullmatch(name))
    return mixer is not None and mixer.source is not None


def mixer_of(config: ModelConfig, found: re.Match[str] | None) -> AttentionSpec | None:
    """The attention of the layer whose number a name's first group is; None where there is none."""
    if not found or int(found[1]) >= len(config.layers):
        return None
    return config.layers[int(found[1])].attention
