"""Hugging Face tensor names → places in the parameter tree, as `model.weights.names` has them for GGUF.

One table for each way of naming a block; a place that a model lacks is simply not asked for.
Source: the modeling files of transformers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from model.config import ModelConfig
from model.errors import FormatError
from model.weights.names import Source, mixer_of, stretches
from model.weights.params import abstract

_TRANSFORMER: dict[str, tuple[str, ...]] = {
    "attn_norm": ("input_layernorm.weight",),
    "qkv": ("self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"),
    "qkv_bias": ("self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"),
    "q_norm": ("self_attn.q_norm.weight",),
    "k_norm": ("self_attn.k_norm.weight",),
    "attn_out": ("self_attn.o_proj.weight",),
    "post_attn_norm": ("post_attention_layernorm.weight",),
    "ffn_norm": ("pre_feedforward_layernorm.weight",),
    "gate_up": ("mlp.gate_proj.weight", "mlp.up_proj.weight"),
    "down": ("mlp.down_proj.weight",),
    "post_ffn_norm": ("post_feedforward_layernorm.weight",),
    "router_scale": ("router.scale",),
    "router": ("router.proj.weight",),
    "expert_scale": ("router.per_expert_scale",),
    "experts_norm": ("pre_feedforward_layernorm_2.weight",),
    "experts_gate_up": ("experts.gate_up_proj",),
    "experts_down": ("experts.down_proj",),
    "mlp_post_norm": ("post_feedforward_layernorm_1.weight",),
    "experts_post_norm": ("post_feedforward_layernorm_2.weight",),
    "ple_gate": ("per_layer_input_gate.weight",),
    "ple_out": ("per_layer_projection.weight",),
    "ple_post_norm": ("post_per_layer_input_norm.weight",),
    "layer_scale": ("layer_scalar",),
}
_PRE_NORM_ONLY = {"ffn_norm": ("post_attention_layernorm.weight",)}
"""Where a block has no norms behind attention and MLP, the one before the MLP bears this name."""
_GRIFFIN: dict[str, tuple[str, ...]] = {
    "attn_norm": ("temporal_pre_norm.weight",),
    "qkv": tuple(f"temporal_block.{each}_proj.weight" for each in "qkv"),
    "qkv_bias": tuple(f"temporal_block.{each}_proj.bias" for each in "qkv"),
    "attn_out": ("temporal_block.o_proj.weight",),
    "attn_out_bias": ("temporal_block.o_proj.bias",),
    "rec_in": ("temporal_block.linear_y.weight", "temporal_block.linear_x.weight"),
    "rec_in_bias": ("temporal_block.linear_y.bias", "temporal_block.linear_x.bias"),
    "rec_conv": ("temporal_block.conv_1d.weight",),
    "rec_conv_bias": ("temporal_block.conv_1d.bias",),
    "rec_gates": (
        "temporal_block.rg_lru.input_gate_weight",
        "temporal_block.rg_lru.recurrent_gate_weight",
    ),
    "rec_gates_bias": (
        "temporal_block.rg_lru.input_gate_bias",
        "temporal_block.rg_lru.recurrent_gate_bias",
    ),
    "rec_decay": ("temporal_block.rg_lru.recurrent_param",),
    "rec_out": ("temporal_block.linear_out.weight",),
    "rec_out_bias": ("temporal_block.linear_out.bias",),
    "ffn_norm": ("channel_pre_norm.weight",),
    "gate_up": ("mlp_block.gate_proj.weight", "mlp_block.up_proj.weight"),
    "gate_up_bias": ("mlp_block.gate_proj.bias", "mlp_block.up_proj.bias"),
    "down": ("mlp_block.down_proj.weight",),
    "down_bias": ("mlp_block.down_proj.bias",),
}
_TOP = {
    "embed": "embed_tokens.weight",
    "final_norm": "norm.weight",
    "ple_embed": "embed_tokens_per_layer.weight",
    "ple_in": "per_layer_model_projection.weight",
    "ple_norm": "per_layer_projection_norm.weight",
}
_GRIFFIN_TOP = _TOP | {"final_norm": "final_norm.weight"}
_EMBEDDING = re.compile(r"(.*\.)?embed_tokens\.weight")
_HEAD = re.compile(r"(.*\.)?lm_head\.weight")
_ROTARY = re.compile(r".*rotary_emb\.inv_freq")
_OWN_KEYS_AND_VALUES = re.compile(r"layers\.(\d+)\.self_attn\.(k_proj|v_proj|k_norm|v_norm)\.weight")
_NORMS = re.compile(r".*norm")


@dataclass(frozen=True, slots=True)
class HFNames:
    """How one checkpoint names its decoder's tensors; used as the module `model.weights.names` is.

    Attributes:
        prefix: of the decoder's tensors, ``model.language_model.`` for instance.
        head: of the output projection, whole.
        block: which table its layers follow.
        norms_from_one: norms are stored as what they differ from 1 by (Gemma 1 to 3, RecurrentGemma).
    """

    prefix: str
    head: str
    block: Literal["transformer", "griffin"] = "transformer"
    norms_from_one: bool = False

    def top(self, config: ModelConfig, place: str) -> Source:
        """The tensor of a place outside the layers: a field of `Params` other than ``stacks``."""
        table = _GRIFFIN_TOP if self.block == "griffin" else _TOP
        name = self.head if place == "output" else self.prefix + table[place]
        return Source(name, getattr(abstract(config), place).shape, 0, plus=self._plus(place))

    def in_layer(self, config: ModelConfig, index: int, place: str) -> Iterator[Source]:
        """The tensors whose rows, one after the other, make up a field of `LayerParams` in layer `index`."""
        if self.block == "griffin":
            table = _GRIFFIN
        else:
            table = _TRANSFORMER if config.layers[index].post_norms else _TRANSFORMER | _PRE_NORM_ONLY
        for suffix, shape, first in stretches(config, index, place, table[place]):
            name = f"{self.prefix}layers.{index}.{suffix}"
            # A convolution is one of a single channel.
            stored = (shape[0], 1, *shape[1:]) if place == "rec_conv" else None
            yield Source(name, shape, first, plus=self._plus(place), stored=stored)

    def is_superfluous(self, config: ModelConfig, name: str) -> bool:
        """Whether a tensor that no place asks for may lie in the checkpoint all the same.

        The tensors of encoders are read by these; frequencies are computed; a tied output may be stored
        twice; layers with a `source` were trained beside key and value projections that they never use.
        """
        if _HEAD.fullmatch(name):
            return config.tied
        if not name.startswith(self.prefix) or _ROTARY.fullmatch(name):
            return True
        if self.prefix in ("", "model.") and not re.match(
            r"layers\.|embed_tokens|norm\.|final_norm|per_layer", name.removeprefix(self.prefix)
        ):
            return True  # beside a decoder without a name of its own: encoders
        mixer = mixer_of(config, _OWN_KEYS_AND_VALUES.fullmatch(name.removeprefix(self.prefix)))
        return mixer is not None and (
            mixer.source is not None or (mixer.tied_values and name.endswith("v_proj.weight"))
        )

    def _plus(self, place: str) -> float:
        return 1.0 if self.norms_from_one and _NORMS.fullmatch(place) else 0.0


def names_in(
    tensors: Mapping[str, object] | Iterable[str],
    *,
    block: Literal["transformer", "griffin"] = "transformer",
    norms_from_one: bool = False,
) -> HFNames:
    """The naming of a checkpoint's decoder, found by where its embedding lies.

    Raises:
        FormatError: there is no embedding.
    """
    embeddings = [found[1] or "" for name in tensors if (found := _EMBEDDING.fullmatch(name))]
    if not embeddings:
        raise FormatError("the checkpoint holds no tensor embed_tokens.weight")
    heads = [name for name in tensors if _HEAD.fullmatch(name)]
    prefix = min(embeddings, key=len)
    return HFNames(prefix, heads[0] if heads else "lm_head.weight", block, norms_from_one)
