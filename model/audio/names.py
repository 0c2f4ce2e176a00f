"""Tensor names → places in the tree of an audio encoder, of transformers and of mmproj GGUFs.

Tables of stems: a place of the tree is one tensor a layer, or the four bounds of a clipped linear layer.
Sources: modeling_gemma4.py of transformers; tensor_mapping.py of the gguf package and conversion/gemma.py of
llama.cpp, which call the norm before the convolution module `conv_norm` and the one in it `norm_conv`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from model.weights.params import ArrayInfo

Layout = Literal["transformers", "mmproj"]

_BOUNDS = ("input_min", "input_max", "output_min", "output_max")

_HF_TOP = {
    "project": "embed_audio.embedding_projection.weight",
    "conformer.halvings.0.kernel": "audio_tower.subsample_conv_projection.layer0.conv.weight",
    "conformer.halvings.0.norm": "audio_tower.subsample_conv_projection.layer0.norm.weight",
    "conformer.halvings.1.kernel": "audio_tower.subsample_conv_projection.layer1.conv.weight",
    "conformer.halvings.1.norm": "audio_tower.subsample_conv_projection.layer1.norm.weight",
    "conformer.into": "audio_tower.subsample_conv_projection.input_proj_linear.weight",
    "conformer.out": "audio_tower.output_proj.weight",
    "conformer.out_bias": "audio_tower.output_proj.bias",
}
_HF_LAYER = {
    "first.norm": "feed_forward1.pre_layer_norm.weight",
    "first.up": "feed_forward1.ffw_layer_1",
    "first.down": "feed_forward1.ffw_layer_2",
    "first.post_norm": "feed_forward1.post_layer_norm.weight",
    "attn_norm": "norm_pre_attn.weight",
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "query_scale": "self_attn.per_dim_scale",
    "relative": "self_attn.relative_k_proj.weight",
    "attn_out": "self_attn.post",
    "post_attn_norm": "norm_post_attn.weight",
    "conv_norm": "lconv1d.pre_layer_norm.weight",
    "conv_in": "lconv1d.linear_start",
    "conv": "lconv1d.depthwise_conv1d.weight",
    "conv_post_norm": "lconv1d.conv_norm.weight",
    "conv_out": "lconv1d.linear_end",
    "last.norm": "feed_forward2.pre_layer_norm.weight",
    "last.up": "feed_forward2.ffw_layer_1",
    "last.down": "feed_forward2.ffw_layer_2",
    "last.post_norm": "feed_forward2.post_layer_norm.weight",
    "out_norm": "norm_out.weight",
}
_GGUF_TOP = {
    "project": "mm.a.input_projection.weight",
    "conformer.halvings.0.kernel": "a.conv1d.0.weight",
    "conformer.halvings.0.norm": "a.conv1d.0.norm.weight",
    "conformer.halvings.1.kernel": "a.conv1d.1.weight",
    "conformer.halvings.1.norm": "a.conv1d.1.norm.weight",
    "conformer.into": "a.input_projection.weight",
    "conformer.out": "a.pre_encode.out.weight",
    "conformer.out_bias": "a.pre_encode.out.bias",
}
_GGUF_LAYER = {
    "first.norm": "ffn_norm.weight",
    "first.up": "ffn_up",
    "first.down": "ffn_down",
    "first.post_norm": "ffn_post_norm.weight",
    "attn_norm": "attn_pre_norm.weight",
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "query_scale": "per_dim_scale.weight",
    "relative": "attn_k_rel.weight",
    "attn_out": "attn_out",
    "post_attn_norm": "attn_post_norm.weight",
    "conv_norm": "conv_norm.weight",
    "conv_in": "conv_pw1",
    "conv": "conv_dw.weight",
    "conv_post_norm": "norm_conv.weight",
    "conv_out": "conv_pw2",
    "last.norm": "ffn_norm_1.weight",
    "last.up": "ffn_up_1",
    "last.down": "ffn_down_1",
    "last.post_norm": "ffn_post_norm_1.weight",
    "out_norm": "ln2.weight",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One tensor of the file and the part of a leaf that it fills.

    Attributes:
        name: in the file.
        shape: of the part.
        stored: shapes that the tensor may have in the file; it holds as many numbers in the same order.
        at: index into the leaf: the layer, and of bounds which one.
        softplus: the part is the softplus of what is stored.
    """

    name: str
    shape: tuple[int, ...]
    stored: tuple[tuple[int, ...], ...]
    at: tuple[int, ...] = ()
    softplus: bool = False


def belongs(name: str, layout: Layout) -> bool:
    """Whether a tensor is the audio encoder's: the same file holds others."""
    if layout == "mmproj":
        return name.startswith(("a.", "mm.a."))
    return name.removeprefix("model.").startswith(("audio_tower.", "embed_audio."))


def sources(path: str, info: ArrayInfo, layout: Layout, prefix: str = "") -> Iterator[Source]:
    """The tensors that fill a leaf.

    Args:
        path: of the leaf in `model.audio.params.AudioParams`, dotted.
        info: what the leaf will be; within the layers its first axis counts them.
        layout: whose names.
        prefix: before every name, ``model.`` in checkpoints of whole models.
    """
    top, layer = (_HF_TOP, _HF_LAYER) if layout == "transformers" else (_GGUF_TOP, _GGUF_LAYER)
    within = path.removeprefix("conformer.layers.")
    if within == path:
        yield Source(prefix + top[path], info.shape, (info.shape,))
        return
    blocks = f"{prefix}audio_tower.layers" if layout == "transformers" else "a.blk"
    place, _, kind = within.rpartition(".")
    for index in range(info.shape[0]):
        if place in layer and kind == "bounds":
            for number, bound in enumerate(_BOUNDS):
                name = f"{blocks}.{index}.{layer[place]}.{bound}"
                yield Source(name, (), ((), (1,)), (index, number))
        elif place in layer and kind == "weight":
            linear = "linear.weight" if layout == "transformers" else "weight"
            shape = info.shape[1:]
            yield Source(f"{blocks}.{index}.{layer[place]}.{linear}", shape, (shape,), (index,))
        else:
            shape = info.shape[1:]
            # transformers keeps the axis of a depthwise convolution's one input channel.
            stored = (shape, (shape[0], 1, shape[1])) if within == "conv" else (shape,)
            softplus = within == "query_scale" and layout == "transformers"
            yield Source(f"{blocks}.{index}.{layer[within]}", shape, stored, (index,), softplus)
