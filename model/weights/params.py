"""The tree of parameters, and its shape before any weight is read.

Layers are grouped for `lax.scan`: the shortest repeating pattern of p layers is one `Stack` of p parameter
sets with a leading axis of repeats; what is left over is a second stack of one repeat.  Layers that read the
keys and values of others are grouped by themselves, behind those.  Loading, random initialization in tests
and memory estimates all walk `abstract`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import jax

from model.config import AttentionSpec, LayerSpec, ModelConfig, RecurrentSpec, period

Kind = Literal["matrix", "vector"]


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """What one parameter will be.

    Attributes:
        shape: of the array; of a matrix the last two axes are [out, in].
        kind: a matrix may be quantized; a vector stays f32, and so do the few small arrays of more axes that
            decide much (a router, a recurrence's gates).
    """

    shape: tuple[int, ...]
    kind: Kind


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LayerParams:
    """Parameters of one layer, with a leading axis of repeats in a stack; None where the spec has none.

    Norms hold the factor itself (1 + w where a checkpoint stores w).
    """

    attn_norm: Any = None  # [D], before the mixer, of either kind
    # attention
    qkv: Any = None  # [(N+2K)·H, D]: queries, keys, values; (N+K)·H with tied values, N·H with a source
    qkv_bias: Any = None  # [as many rows]
    q_norm: Any = None  # [H]
    k_norm: Any = None  # [H]; none with a source
    attn_out: Any = None  # [D, N·H]
    attn_out_bias: Any = None  # [D]
    # recurrence, R blocks
    rec_in: Any = None  # [2E, D]: the gating branch (linear_y), the recurrent branch (linear_x)
    rec_in_bias: Any = None  # [2E]
    rec_conv: Any = None  # [E, C], the newest token's weight last
    rec_conv_bias: Any = None  # [E]
    rec_gates: Any = None  # [2R, E/R, E/R]: input gate, recurrence gate; each as ``u @ block``
    rec_gates_bias: Any = None  # [2R, E/R]
    rec_decay: Any = None  # [E], Λ
    rec_out: Any = None  # [D, E]
    rec_out_bias: Any = None  # [D]
    # behind either
    post_attn_norm: Any = None  # [D]
    ffn_norm: Any = None  # [D]
    gate_up: Any = None  # [2F, D]: gate, up
    gate_up_bias: Any = None  # [2F]
    down: Any = None  # [D, F]
    down_bias: Any = None  # [D]
    post_ffn_norm: Any = None  # [D], of MLP and experts together
    # X experts of width f
    router_scale: Any = None  # [D], on the router's normed input
    router: Any = None  # [X, D]
    expert_scale: Any = None  # [X], on the experts' weights in the mixture
    experts_norm: Any = None  # [D], before the experts
    experts_gate_up: Any = None  # [X, 2f, D]: gate, up
    experts_down: Any = None  # [X, D, f]
    mlp_post_norm: Any = None  # [D], of the MLP alone
    experts_post_norm: Any = None  # [D], of the experts alone
    # inputs of the layer's own
    ple_gate: Any = None  # [P, D]
    ple_out: Any = None  # [D, P]
    ple_post_norm: Any = None  # [D]
    layer_scale: Any = None  # [1], on the layer's result


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Params:
    """All parameters of a decoder.

    Attributes:
        embed: [V, D].
        stacks: for each `Stack` of the config, one `LayerParams` for each layer of its pattern.
        final_norm: [D].
        output: [V, D], or None where it is tied to the embedding.
        ple_embed: [rows, L·P], every layer's own inputs side by side; None where layers have none.
        ple_in: [L·P, D], the projection of the embedding that is added to them.
        ple_norm: [P], of that projection, for every layer the same.
    """

    embed: Any
    stacks: tuple[tuple[LayerParams, ...], ...]
    final_norm: Any
    output: Any = None
    ple_embed: Any = None
    ple_in: Any = None
    ple_norm: Any = None


@dataclass(frozen=True, slots=True)
class Stack:
    """`repeats` times the pattern `specs`, beginning at layer `first`."""

    first: int
    specs: tuple[LayerSpec, ...]
    repeats: int

    def layer(self, repeat: int, place: int) -> int:
        """Index in the model of the pattern's layer `place` in round `repeat`."""
        return self.first + repeat * len(self.specs) + place


def stacks(config: ModelConfig) -> tuple[Stack, ...]:
    """The layers of a model as scans over repeating patterns and their remainders."""
    borrowing = [spec.source is not None for spec in config.layers]
    boundary = borrowing.index(True) if any(borrowing) else len(borrowing)
    found = []
    for first, layers in ((0, config.layers[:boundary]), (boundary, config.layers[boundary:])):
        if not layers:
            continue
        length = period(layers)
        whole, rest = divmod(len(layers), length)
        found.append(Stack(first, layers[:length], whole))
        if rest:
            found.append(Stack(first + whole * length, layers[whole * length :], 1))
    return tuple(found)


def abstract(config: ModelConfig) -> Params:
    """The tree with an `ArrayInfo` at every leaf."""
    table, per_layer = ArrayInfo((config.vocab, config.width), "matrix"), config.per_layer
    return Params(
        embed=table,
        stacks=tuple(
            tuple(abstract_layer(config, spec, stack.repeats) for spec in stack.specs)
            for stack in stacks(config)
        ),
        final_norm=ArrayInfo((config.width,), "vector"),
        output=None if config.tied else table,
        ple_embed=per_layer and ArrayInfo((per_layer.vocab, len(config.layers) * per_layer.width), "matrix"),
        ple_in=per_layer and ArrayInfo((len(config.layers) * per_layer.width, config.width), "matrix"),
        ple_norm=per_layer and ArrayInfo((per_layer.width,), "vector"),
    )


def abstract_layer(config: ModelConfig, spec: LayerSpec, repeats: int) -> LayerParams:
    """The part of `abstract` that is one layer of a stack's pattern."""
    width, found = config.width, {}

    def matrix(name: str, *shape: int) -> None:
        found[name] = ArrayInfo((repeats, *shape), "matrix")

    def vector(name: str, *shape: int, given: bool = True) -> None:
        if given:
            found[name] = ArrayInfo((repeats, *shape), "vector")

    vector("attn_norm", width)
    match spec.mixer:
        case AttentionSpec() as mixer:
            rows, out = sum(mixer.projections) * mixer.head_dim, mixer.heads * mixer.head_dim
            matrix("qkv", rows, width)
            vector("qkv_bias", rows, given=mixer.qkv_bias)
            vector("q_norm", mixer.head_dim, given=mixer.qk_norm)
            vector("k_norm", mixer.head_dim, given=mixer.qk_norm and mixer.source is None)
            matrix("attn_out", width, out)
            vector("attn_out_bias", width, given=mixer.out_bias)
        case RecurrentSpec() as mixer:
            block = mixer.width // mixer.heads
            matrix("rec_in", 2 * mixer.width, width)
            vector("rec_in_bias", 2 * mixer.width)
            vector("rec_conv", mixer.width, mixer.conv)
            vector("rec_conv_bias", mixer.width)
            vector("rec_gates", 2 * mixer.heads, block, block)
            vector("rec_gates_bias", 2 * mixer.heads, block)
            vector("rec_decay", mixer.width)
            matrix("rec_out", width, mixer.width)
            vector("rec_out_bias", width)
    vector("post_attn_norm", width, given=spec.post_norms)
    vector("ffn_norm", width)
    matrix("gate_up", 2 * spec.ffw, width)
    vector("gate_up_bias", 2 * spec.ffw, given=spec.mlp_bias)
    matrix("down", width, spec.ffw)
    vector("down_bias", width, given=spec.mlp_bias)
    vector("post_ffn_norm", width, given=spec.post_norms)
    if experts := spec.experts:
        vector("router_scale", width)
        vector("router", experts.count, width)
        vector("expert_scale", experts.count)
        vector("experts_norm", width)
        matrix("experts_gate_up", experts.count, 2 * experts.ffw, width)
        matrix("experts_down", experts.count, width, experts.ffw)
        vector("mlp_post_norm", width)
        vector("experts_post_norm", width)
    if config.per_layer:
        matrix("ple_gate", config.per_layer.width, width)
        matrix("ple_out", width, config.per_layer.width)
        vector("ple_post_norm", width)
    vector("layer_scale", 1, given=spec.scaled)
    return LayerParams(**found)


def parts(spec: LayerSpec, place: str) -> tuple[int, ...] | None:
    """Sizes, along its first axis, of what checkpoints keep apart and a field of `LayerParams` holds as one.

    None where the field is one tensor there too.  What the layer lacks has size 0.
    """
    match place.removesuffix("_bias"), spec.mixer:
        case "qkv", AttentionSpec() as mixer:
            return tuple(heads * mixer.head_dim for heads in mixer.projections)
        case "gate_up", _:
            return spec.ffw, spec.ffw
        case "rec_in", RecurrentSpec() as mixer:
            return mixer.width, mixer.width
        case "rec_gates", RecurrentSpec() as mixer:
            return mixer.heads, mixer.heads
    return None
