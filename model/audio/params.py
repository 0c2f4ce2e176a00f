"""The tree of an audio encoder's parameters, and its shape before any weight is read."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import jax

from model.audio.spec import AudioSpec, ConformerSpec
from model.weights.params import ArrayInfo


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Clipped:
    """A linear layer that clips what goes in and what comes out."""

    weight: Any  # [out, in]
    bounds: Any  # [4]: least and greatest input, least and greatest output; None: it does not clip


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FeedForward:
    """A feed-forward module."""

    norm: Any  # [D]
    up: Clipped  # [F, D]
    down: Clipped  # [D, F]
    post_norm: Any  # [D]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ConformerLayer:
    """Parameters of one layer, with a leading axis of layers in the tree."""

    first: FeedForward
    attn_norm: Any  # [D]
    q: Clipped  # [D, D]
    k: Clipped  # [D, D]
    v: Clipped  # [D, D]
    query_scale: Any  # [H], positive: the softplus of what a checkpoint of transformers holds
    relative: Any  # [D, D], of the embedded distances
    attn_out: Clipped  # [D, D]
    post_attn_norm: Any  # [D]
    conv_norm: Any  # [D], before the convolution module
    conv_in: Clipped  # [2D, D]: values, gates
    conv: Any  # [D, taps], the newest token's weight last
    conv_post_norm: Any  # [D], behind the convolution
    conv_out: Clipped  # [D, D]
    last: FeedForward
    out_norm: Any  # [D]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Halving:
    """A convolution that halves time and frequency."""

    kernel: Any  # [out, in, 3, 3]: channels, time, frequency
    norm: Any  # [out]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ConformerParams:
    """Parameters of the encoder."""

    halvings: tuple[Halving, Halving]
    into: Any  # [D, bands·channels]
    layers: ConformerLayer
    out: Any  # [O, D]
    out_bias: Any  # [O]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class AudioParams:
    """All parameters of hearing.

    Attributes:
        conformer: the encoder; None where pieces of the waveform are projected as they are.
        project: [D of the decoder, O].
    """

    conformer: ConformerParams | None
    project: Any


def abstract(spec: AudioSpec) -> AudioParams:
    """The tree with an `ArrayInfo` at every leaf."""
    encoder = spec.encoder
    if not isinstance(encoder, ConformerSpec):
        return AudioParams(None, _matrix(spec.text_width, encoder.samples_per_token))
    first, second = encoder.channels
    return AudioParams(
        ConformerParams(
            halvings=(
                Halving(_vector(first, 1, 3, 3), _vector(first)),
                Halving(_vector(second, first, 3, 3), _vector(second)),
            ),
            into=_matrix(encoder.width, encoder.bands * second),
            layers=_layers(encoder),
            out=_matrix(encoder.out, encoder.width),
            out_bias=_vector(encoder.out),
        ),
        _matrix(spec.text_width, encoder.out),
    )


def parameters(spec: AudioSpec) -> int:
    """Number of weights; bounds are not counted."""
    leaves = jax.tree_util.tree_leaves_with_path(abstract(spec), is_leaf=is_info)
    return sum(prod(info.shape) for path, info in leaves if jax.tree_util.keystr(path[-1:]) != ".bounds")


def is_info(leaf: object) -> bool:
    """Whether it is a leaf of `abstract`."""
    return isinstance(leaf, ArrayInfo)


def _layers(encoder: ConformerSpec) -> ConformerLayer:
    width, count = encoder.width, encoder.layers

    def norm() -> ArrayInfo:
        return _vector(count, width)

    def clipped(rows: int, columns: int) -> Clipped:
        return Clipped(_matrix(count, rows, columns), _vector(count, 4) if encoder.clipped else None)

    def feed_forward() -> FeedForward:
        return FeedForward(norm(), clipped(encoder.ffw, width), clipped(width, encoder.ffw), norm())

    return ConformerLayer(
        first=feed_forward(),
        attn_norm=norm(),
        q=clipped(width, width),
        k=clipped(width, width),
        v=clipped(width, width),
        query_scale=_vector(count, width // encoder.heads),
        relative=_matrix(count, width, width),
        attn_out=clipped(width, width),
        post_attn_norm=norm(),
        conv_norm=norm(),
        conv_in=clipped(2 * width, width),
        conv=_vector(count, width, encoder.kernel),
        conv_post_norm=norm(),
        conv_out=clipped(width, width),
        last=feed_forward(),
        out_norm=norm(),
    )


def _matrix(*shape: int) -> ArrayInfo:
    return ArrayInfo(shape, "matrix")


def _vector(*shape: int) -> ArrayInfo:
    return ArrayInfo(shape, "vector")
