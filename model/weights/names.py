"""GGUF tensor names → places in the parameter tree.

One table serves every architecture: a place that a model lacks is simply not asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from model.config import LayerSpec, ModelConfig

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
}
_TOP = {"embed": "token_embd.weight", "final_norm": "output_norm.weight", "output": "output.weight"}


@dataclass(frozen=True, slots=True)
class Source:
    """One tensor of the file and the rows that it fills.

    Attributes:
        name: in the file.
        shape: that it must have, [out, in] or [size].
        first: the first row (or element) of the place that it fills.
        heads: the rows are this many heads whose adjacent pairs must be reordered; 0 where they must not.
    """

    name: str
    shape: tuple[int, ...]
    first: int
    heads: int = 0


def top(config: ModelConfig, place: str) -> Source:
    """The tensor of a place outside the layers: ``embed``, ``final_norm`` or ``output``."""
    shape = (config.width,) if place == "final_norm" else (config.vocab, config.width)
    return Source(_TOP[place], shape, 0)


def in_layer(config: ModelConfig, index: int, place: str) -> Iterator[Source]:
    """The tensors whose rows, one after the other, make up a field of `LayerParams` in layer `index`."""
    spec, first = config.layers[index], 0
    for suffix in _LAYER[place]:
        shape = _shape(config, spec, suffix)
        rotary_heads = {"attn_q": spec.heads, "attn_k": spec.kv_heads}.get(suffix.partition(".")[0], 0)
        yield Source(f"blk.{index}.{suffix}", shape, first, rotary_heads if config.adjacent_pairs else 0)
        first += shape[0]


def _shape(config: ModelConfig, spec: LayerSpec, suffix: str) -> tuple[int, ...]:
    queries, keys = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
    rows, columns = {
        "attn_q": (queries, config.width),
        "attn_k": (keys, config.width),
        "attn_v": (keys, config.width),
        "attn_output": (config.width, queries),
        "ffn_gate": (spec.ffw, config.width),
        "ffn_up": (spec.ffw, config.width),
        "ffn_down": (config.width, spec.ffw),
        "attn_q_norm": (spec.head_dim, 0),
        "attn_k_norm": (spec.head_dim, 0),
    }.get(suffix.partition(".")[0], (config.width, 0))
    vector = columns == 0 or suffix.endswith(".bias")
    return (rows,) if vector else (rows, columns)
