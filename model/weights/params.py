"""The tree of parameters, and its shape before any weight is read.

Layers are grouped for `lax.scan`: the shortest repeating pattern of p layers is one `Stack` of p parameter
sets with a leading axis of repeats; what is left over is a second stack of one repeat.  Loading, random
initialization in tests and memory estimates all walk `abstract`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import jax

from model.config import LayerSpec, ModelConfig

Kind = Literal["matrix", "vector"]


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """What one parameter will be: its shape, and whether it may be quantized (a matrix) or not."""

    shape: tuple[int, ...]
    kind: Kind


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LayerParams:
    """Parameters of one layer, with a leading axis of repeats in a stack; None where the spec has none."""

    attn_norm: Any  # [D]
    qkv: Any  # [(N+2K)·H, D]: queries, keys, values
    qkv_bias: Any  # [(N+2K)·H]
    q_norm: Any  # [H]
    k_norm: Any  # [H]
    attn_out: Any  # [D, N·H]
    post_attn_norm: Any  # [D]
    ffn_norm: Any  # [D]
    gate_up: Any  # [2F, D]: gate, up
    down: Any  # [D, F]
    post_ffn_norm: Any  # [D]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Params:
    """All parameters of a decoder.

    Attributes:
        embed: [V, D].
        stacks: for each `Stack` of the config, one `LayerParams` for each layer of its pattern.
        final_norm: [D].
        output: [V, D], or None where it is tied to the embedding.
    """

    embed: Any
    stacks: tuple[tuple[LayerParams, ...], ...]
    final_norm: Any
    output: Any


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
    """The layers of a model as a scan over its repeating pattern and a remainder."""
    period, count = config.period, len(config.layers)
    whole = count // period
    groups = [Stack(0, config.layers[:period], whole)]
    if count % period:
        groups.append(Stack(whole * period, config.layers[whole * period :], 1))
    return tuple(groups)


def abstract(config: ModelConfig) -> Params:
    """The tree with an `ArrayInfo` at every leaf."""

    def layer(spec: LayerSpec, repeats: int) -> LayerParams:
        qkv = (spec.heads + 2 * spec.kv_heads) * spec.head_dim

        def matrix(rows: int, columns: int) -> ArrayInfo:
            return ArrayInfo((repeats, rows, columns), "matrix")

        def vector(size: int, present: bool = True) -> ArrayInfo | None:
            return ArrayInfo((repeats, size), "vector") if present else None

        return LayerParams(
            attn_norm=vector(config.width),
            qkv=matrix(qkv, config.width),
            qkv_bias=vector(qkv, spec.qkv_bias),
            q_norm=vector(spec.head_dim, spec.qk_norm),
            k_norm=vector(spec.head_dim, spec.qk_norm),
            attn_out=matrix(config.width, spec.heads * spec.head_dim),
            post_attn_norm=vector(config.width, spec.post_norms),
            ffn_norm=vector(config.width),
            gate_up=matrix(2 * spec.ffw, config.width),
            down=matrix(config.width, spec.ffw),
            post_ffn_norm=vector(config.width, spec.post_norms),
        )

    table = ArrayInfo((config.vocab, config.width), "matrix")
    return Params(
        embed=table,
        stacks=tuple(tuple(layer(spec, stack.repeats) for spec in stack.specs) for stack in stacks(config)),
        final_norm=ArrayInfo((config.width,), "vector"),
        output=None if config.tied else table,
    )
