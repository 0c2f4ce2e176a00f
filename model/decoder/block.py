"""One decoder layer: a mixer of tokens and an MLP, each with its norms and residual."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import Mesh

from model.attention import ahead, apart, api, sparse, spread
from model.attention.kinds import Choice, Implementation
from model.cache.layer import LayerCache
from model.cache.state import Cache
from model.config import AttentionSpec, LayerSpec, RecurrentSpec, RopeSpec
from model.decoder import recurrent
from model.mesh import size
from model.nn.linear import Numerics, linear, outputs, split
from model.nn.mlp import ACTIVATIONS, gated_mlp
from model.nn.moe import route, spread_mixture
from model.nn.norm import rms_norm
from model.nn.rope import RopeTable, rotate
from model.weights.params import LayerParams
from model.weights.shard import dealt


@dataclass(frozen=True, slots=True)
class Chunk:
    """What every layer of one pass shares.

    Attributes:
        at: int [T], positions, then `EMPTY` for padding; of tokens of many sequences each its own.
        reach: int [T], how far tokens of layers with media blocks see; None: no further than themselves.
        angles: for each rotary embedding and head size, cosine and sine f32 [T, pairs].
        inputs: f32 [L, T, P], every layer's own; None where layers have none.
        numerics: product types.
        implementation: of the attention.
        eps: of the norms.
        mesh: devices that compute it; None: one.
        tables: for the keys of `angles`, what makes them of any position, for sparse attention.
        apart: each token is computed as if it were the only one.
    """

    at: Array
    reach: Array | None
    angles: dict[tuple[RopeSpec, int], tuple[Array, Array]]
    inputs: Array | None
    numerics: Numerics
    implementation: Implementation | Choice
    eps: float
    mesh: Mesh | None = None
    tables: dict[tuple[RopeSpec, int], RopeTable] = field(default_factory=dict)
    apart: bool = False

    def norm(self, x: Array, weight: Array | None) -> Array:
        """`model.nn.norm.rms_norm`."""
        return rms_norm(x, weight, self.eps, apart=self.apart)

    def row(self, only: Array) -> Chunk:
        """The chunk as its token `only` int [] alone sees it."""
        return replace(
            self,
            at=_row(self.at, only),
            reach=None if self.reach is None else _row(self.reach, only),
            angles={key: (_row(cos, only), _row(sin, only)) for key, (cos, sin) in self.angles.items()},
            inputs=None if self.inputs is None else lax.dynamic_slice_in_dim(self.inputs, only, 1, axis=1),
        )


Rows = apart.Rows | ahead.Rows
RowsMemory = apart.RowsMemory | ahead.RowsMemory

Kept = Cache | Rows | recurrent.Kept
"""What a layer keeps: of one sequence, also while some of its tokens may be taken back, or of many."""

Memory = api.Memory | RowsMemory


class Place(NamedTuple):
    """Where in the model a layer stands.

    Attributes:
        repeat: int [], its place in the stack of its cache.
        layer: int [], its index in the model.
    """

    repeat: Array
    layer: Array


def layer(
    x: Array,
    params: LayerParams,
    kept: Kept | Memory,
    place: Place,
    spec: LayerSpec,
    chunk: Chunk,
    only: Array | None = None,
) -> tuple[Array, Kept | Memory]:
    """Run one layer over a chunk, or over one token each of many sequences.

    Args:
        x: f32 [T, D].
        params: of this layer alone; but experts, of all layers of its stack.
        kept: its place's cache, with the chunk's positions already claimed; or, of a layer with a source,
            what that one remembers.
        place: where it stands.
        spec: what it computes.
        chunk: positions and the like.
        only: int [], the one row that is wanted; None for all.  The others then matter only to what the
            layer remembers, which it must not have borrowed.

    Returns:
        f32 [T, D], or [1, D] with `only`; and what the layer remembers: a `Memory` of keys and values with
        those of the chunk, or the cache of a recurrence.
    """
    asking = chunk if only is None else chunk.row(only)
    normed = chunk.norm(x, params.attn_norm)
    if isinstance(spec.mixer, RecurrentSpec):
        assert isinstance(kept, recurrent.Kept)
        at, numerics = chunk.at, chunk.numerics
        hands = dealt(spec, "rec_in", size(chunk.mesh))
        mixed, kept = recurrent.mix(normed, params, kept, place.repeat, spec.mixer, at, numerics, only, hands)
    else:
        assert isinstance(kept, LayerCache | Rows | Memory)
        mixed, kept = _attention(normed, params, kept, place, spec, spec.mixer, chunk, asking, only)
    if only is not None:
        x = _row(x, only)
    x = x + (chunk.norm(mixed, params.post_attn_norm) if spec.post_norms else mixed)
    hidden = _feed_forward(x, params, place, spec, asking)
    x = x + (chunk.norm(hidden, params.post_ffn_norm) if spec.post_norms else hidden)
    if asking.inputs is not None:
        inputs = lax.dynamic_index_in_dim(asking.inputs, place.layer, keepdims=False)
        x = x + _own_input(x, params, inputs, spec, asking)
    return x * params.layer_scale[None] if spec.scaled else x, kept


def _attention(
    x: Array,
    params: LayerParams,
    kept: LayerCache | Rows | Memory,
    place: Place,
    layer: LayerSpec,
    spec: AttentionSpec,
    chunk: Chunk,
    asking: Chunk,
    only: Array | None,
) -> tuple[Array, Memory]:
    """Attention of the tokens of `asking`: those of `chunk`, or its row `only`."""
    key, between = (spec.rope, spec.head_dim), spec.head_dim // 2 if spec.rope.proportional else None
    count, whole = spec.heads * spec.head_dim, sum(spec.projections) * spec.head_dim
    keys = values = x
    if chunk.mesh is not None:
        # The whole product, even of one row's queries: to take rows out of a divided matrix would move it.
        fused = _heads(x, params, spec, chunk.numerics, 0, whole).reshape(x.shape[0], -1)
        hands = dealt(layer, "qkv", chunk.mesh.size)
        queries, keys, values = (
            part.reshape(x.shape[0], -1, spec.head_dim)
            for part in split(fused, [heads * spec.head_dim for heads in spec.projections], hands)
        )
        queries, values = (
            queries if only is None else _row(queries, only),
            keys if spec.tied_values else values,
        )
    else:
        if only is None:
            queries, kv = jnp.split(_heads(x, params, spec, chunk.numerics, 0, whole), [spec.heads], axis=1)
        else:
            queries = _heads(_row(x, only), params, spec, chunk.numerics, 0, count)
            kv = _heads(x, params, spec, chunk.numerics, count, whole)
        if isinstance(kept, LayerCache | Rows):
            keys, values = (kv, kv) if spec.tied_values else jnp.split(kv, 2, axis=1)
    if isinstance(kept, LayerCache | Rows):
        keys = chunk.norm(keys, params.k_norm) if spec.qk_norm else keys
        values = chunk.norm(values, None) if spec.v_norm else values
        keys = rotate(keys, chunk.angles[key], between)
        if isinstance(kept, apart.Rows):
            kept = apart.remember(keys, values, kept, place.repeat)
        elif isinstance(kept, ahead.Rows):
            kept = ahead.remember(keys, values, kept, place.repeat)
        else:
            kept = spread.remember(keys, values, kept, place.repeat, chunk.at, chunk.mesh)
    queries = chunk.norm(queries, params.q_norm) if spec.qk_norm else queries
    queries = rotate(queries, asking.angles[key], between)
    if isinstance(kept, apart.RowsMemory):
        mixed = apart.read(queries, kept, spec, asking.at, chunk.implementation)
    elif isinstance(kept, ahead.RowsMemory):
        mixed = ahead.read(queries, kept, spec, chunk.implementation)
    else:
        reach = asking.reach if spec.media else None
        if spec.sparse is None:
            mixed = spread.read(queries, kept, spec, asking.at, reach, chunk.implementation, chunk.mesh)
        else:
            table = chunk.tables[key]
            mixed = sparse.read(queries, kept, spec, asking.at, reach, table, chunk.implementation)
    out = linear(mixed.reshape(mixed.shape[0], -1), params.attn_out, chunk.numerics)
    return out + params.attn_out_bias[None] if spec.out_bias else out, kept


def _heads(
    x: Array, params: LayerParams, spec: AttentionSpec, numerics: Numerics, start: int, stop: int
) -> Array:
    """Outputs start … stop of the fused projection, as heads f32 [T, ·, H]."""
    projected = linear(x, outputs(params.qkv, start, stop), numerics)
    if spec.qkv_bias:
        projected = projected + params.qkv_bias[None, start:stop]
    return projected.reshape(x.shape[0], -1, spec.head_dim)


def _feed_forward(x: Array, params: LayerParams, place: Place, spec: LayerSpec, chunk: Chunk) -> Array:
    """The MLP and, where there are any, the experts beside it; f32 [T, D]."""
    numerics, kind = chunk.numerics, spec.activation
    normed = chunk.norm(x, params.ffn_norm)
    biases = (params.gate_up_bias, params.down_bias) if spec.mlp_bias else None
    hands = dealt(spec, "gate_up", size(chunk.mesh))
    hidden = gated_mlp(normed, params.gate_up, params.down, kind, numerics, biases, hands)
    if spec.experts is None:
        return hidden
    of_router, active = (params.router_scale, params.router, params.expert_scale), spec.experts.active
    routed = route(x, *of_router, active, chunk.eps, apart=chunk.apart)
    normed = chunk.norm(x, params.experts_norm)
    weights = params.experts_gate_up, params.experts_down
    mixed = spread_mixture(normed, routed, weights, place.repeat, spec.experts, kind, numerics, chunk.mesh)
    return chunk.norm(hidden, params.mlp_post_norm) + chunk.norm(mixed, params.experts_post_norm)


def _own_input(x: Array, params: LayerParams, inputs: Array, spec: LayerSpec, chunk: Chunk) -> Array:
    """What the layer's own inputs f32 [T, P] add, let through as the stream decides; f32 [T, D]."""
    gate = ACTIVATIONS[spec.activation](linear(x, params.ple_gate, chunk.numerics))
    return chunk.norm(linear(gate * inputs, params.ple_out, chunk.numerics), params.ple_post_norm)


def _row(part: Array, only: Array) -> Array:
    return lax.dynamic_slice_in_dim(part, only, 1)
