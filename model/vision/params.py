"""The tree of an encoder's parameters, and its shape before any weight is read.

Layers are stacked, [L, …], for a scan.  A field that the model lacks is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax

from model.vision.spec import Axial, Direct, Siglip, Square, VisionSpec
from model.weights.params import ArrayInfo


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Affine:
    """Weight and bias [D] of a layer norm."""

    weight: Any
    bias: Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Bounds:
    """Scalars between which a product's input and output are clipped."""

    input_min: Any
    input_max: Any
    output_min: Any
    output_max: Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Dense:
    """A product: weight [out, in], bias [out] or None, bounds or None."""

    weight: Any
    bias: Any
    bounds: Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SiglipLayer:
    """One layer with layer norms, or all of them stacked."""

    attn_norm: Affine
    query: Dense
    key: Dense
    value: Dense
    attn_out: Dense
    ffn_norm: Affine
    up: Dense
    down: Dense


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SiglipParams:
    """Of `model.vision.siglip`.

    Attributes:
        patch: [D, 3·patch²].
        positions: [P, D].
        layers: stacked.
        final_norm: [D], over patches.
        pooled_norm: [D], of an RMS norm over soft tokens.
        projection: [D_text, D].
    """

    patch: Dense
    positions: Any
    layers: SiglipLayer
    final_norm: Affine
    pooled_norm: Any
    projection: Dense


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class AxialLayer:
    """One layer with RMS norms on both sides, or all of them stacked."""

    attn_norm: Any
    query: Dense
    key: Dense
    value: Dense
    query_norm: Any
    key_norm: Any
    attn_out: Dense
    post_attn_norm: Any
    ffn_norm: Any
    gate: Dense
    up: Dense
    down: Dense
    post_ffn_norm: Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class AxialParams:
    """Of `model.vision.axial`.

    Attributes:
        patch: [D, 3·patch²].
        positions: [2, rows, D], of columns, then of rows.
        layers: stacked.
        shift, scale: [D], of pooled features; None where they stay as they are.
        projection: [D_text, D].
    """

    patch: Dense
    positions: Any
    layers: AxialLayer
    shift: Any
    scale: Any
    projection: Dense


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DirectParams:
    """Of `model.vision.direct`.

    Attributes:
        pixel_norm: [3·patch²].
        patch: [D, 3·patch²].
        patch_norm: [D].
        positions: [2, rows, D], of columns, then of rows.
        position_norm: [D].
        projection: [D_text, D].
    """

    pixel_norm: Affine
    patch: Dense
    patch_norm: Affine
    positions: Any
    position_norm: Affine
    projection: Dense


VisionParams = SiglipParams | AxialParams | DirectParams


def abstract(spec: VisionSpec) -> VisionParams:
    """The tree with an `ArrayInfo` at every leaf."""
    match spec.encoder:
        case Siglip():
            return _siglip(spec, spec.encoder)
        case Axial():
            return _axial(spec, spec.encoder)
        case Direct():
            return _direct(spec, spec.encoder)


def parameters(spec: VisionSpec) -> int:
    """Number of weights, clipping bounds apart."""
    total = 0
    for info in jax.tree.leaves(abstract(spec), is_leaf=lambda leaf: isinstance(leaf, ArrayInfo | Bounds)):
        if isinstance(info, ArrayInfo):
            size = 1
            for side in info.shape:
                size *= side
            total += size
    return total


def _dense(*shape: int, bias: bool = False, clipped: bool = False) -> Dense:
    *stack, out, _ = shape
    scalar = ArrayInfo(tuple(stack), "vector")
    return Dense(
        weight=ArrayInfo(shape, "matrix"),
        bias=_vector(*stack, out) if bias else None,
        bounds=Bounds(scalar, scalar, scalar, scalar) if clipped else None,
    )


def _vector(*shape: int) -> ArrayInfo:
    return ArrayInfo(shape, "vector")


def _affine(*shape: int) -> Affine:
    return Affine(_vector(*shape), _vector(*shape))


def _siglip(spec: VisionSpec, encoder: Siglip) -> SiglipParams:
    assert isinstance(spec.resize, Square), "positions are learned for one grid"
    layers, width = encoder.layers, spec.width
    square = _dense(layers, width, width, bias=True)
    return SiglipParams(
        patch=_dense(width, spec.patch_size, bias=True),
        positions=_vector((spec.resize.side // spec.patch) ** 2, width),
        layers=SiglipLayer(
            attn_norm=_affine(layers, width),
            query=square,
            key=square,
            value=square,
            attn_out=square,
            ffn_norm=_affine(layers, width),
            up=_dense(layers, encoder.ffw, width, bias=True),
            down=_dense(layers, width, encoder.ffw, bias=True),
        ),
        final_norm=_affine(width),
        pooled_norm=_vector(width),
        projection=_dense(spec.text_width, width),
    )


def _axial(spec: VisionSpec, encoder: Axial) -> AxialParams:
    layers, width, inner = encoder.layers, spec.width, encoder.heads * encoder.head_dim

    def dense(out: int, into: int) -> Dense:
        return _dense(layers, out, into, clipped=encoder.clipped)

    return AxialParams(
        patch=_dense(width, spec.patch_size),
        positions=_vector(2, encoder.positions, width),
        layers=AxialLayer(
            attn_norm=_vector(layers, width),
            query=dense(inner, width),
            key=dense(inner, width),
            value=dense(inner, width),
            query_norm=_vector(layers, encoder.head_dim),
            key_norm=_vector(layers, encoder.head_dim),
            attn_out=dense(width, inner),
            post_attn_norm=_vector(layers, width),
            ffn_norm=_vector(layers, width),
            gate=dense(encoder.ffw, width),
            up=dense(encoder.ffw, width),
            down=dense(width, encoder.ffw),
            post_ffn_norm=_vector(layers, width),
        ),
        shift=_vector(width) if encoder.standardized else None,
        scale=_vector(width) if encoder.standardized else None,
        projection=_dense(spec.text_width, width),
    )


def _direct(spec: VisionSpec, encoder: Direct) -> DirectParams:
    return DirectParams(
        pixel_norm=_affine(spec.patch_size),
        patch=_dense(spec.width, spec.patch_size, bias=True),
        patch_norm=_affine(spec.width),
        positions=_vector(2, encoder.positions, spec.width),
        position_norm=_affine(spec.width),
        projection=_dense(spec.text_width, spec.width),
    )
