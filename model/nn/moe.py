"""A mixture of experts: every token goes through the few gated MLPs that a router chooses for it.

Tokens are sorted by expert and taken in blocks that belong to one expert each, so that a chunk reads an
expert's weights once and a single token reads those of its own experts alone.
"""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import Mesh

from model.config import ExpertsSpec
from model.mesh import AXIS, partition
from model.nn.grouped import GroupedArray
from model.nn.linear import Numerics, Weight
from model.nn.mlp import gated_mlp
from model.nn.norm import rms_norm
from model.nn.packed import PackedArray

_SMALLEST_BLOCK = 16  # tokens: fewer leave a matrix product idle
_LARGEST_BLOCK = 256


def route(
    x: Array,
    scale: Array,
    router: Array,
    expert_scale: Array,
    active: int,
    eps: float,
    *,
    apart: bool = False,
) -> tuple[Array, Array]:
    """Which experts each token takes, and how much of each.

    The probabilities of the chosen ones are made to sum to one, then scaled expert by expert (transformers,
    modeling_gemma4.py, `Gemma4TextRouter`).

    Args:
        x: f32 [T, D], the residual stream as it is.
        scale: f32 [D], on the normed input.
        router: f32 [X, D].
        expert_scale: f32 [X].
        active: k, experts a token.
        eps: of the norm.
        apart: token by token, see `model.nn.norm.rms_norm`.

    Returns:
        Experts int32 [T, k] and their shares f32 [T, k].
    """
    if apart:
        alone = lax.map(lambda row: route(row[None], scale, router, expert_scale, active, eps), x)
        return alone[0][:, 0], alone[1][:, 0]
    seen = rms_norm(x, None, eps) * (scale * x.shape[-1] ** -0.5)[None]
    scores = lax.dot_general(seen, router, (((1,), (1,)), ((), ())), precision=lax.Precision.HIGHEST)
    likely, experts = lax.top_k(jax.nn.softmax(scores, axis=-1), active)
    return experts, likely / likely.sum(-1, keepdims=True) * expert_scale[experts]


def mixture(
    x: Array,
    routed: tuple[Array, Array],
    weights: tuple[Weight, Weight],
    layer: Array,
    spec: ExpertsSpec,
    activation: str,
    numerics: Numerics,
    block: int | None = None,
) -> Array:
    """``Σ share · expert(x)`` over each token's experts.

    Args:
        x: f32 [T, D], normed.
        routed: from `route`.
        weights: of all layers of a stack: gate and up [L, X, 2f, D], down [L, X, D, f].  They stay together,
            since cutting a layer out would copy all of its experts.
        layer: int [], which of the L.
        spec: the mixture.
        activation: a key of `model.nn.mlp.ACTIVATIONS`.
        numerics: product types.
        block: tokens that an expert takes at a time; None: about as many as fall to it.

    Returns:
        f32 [T, D]; of experts that are not there, nothing.
    """
    experts, shares = (part.reshape(-1) for part in routed)
    size = block or _block(x.shape[0], spec)
    order = jnp.argsort(experts, stable=True)
    counts = jnp.zeros(spec.count, jnp.int32).at[experts].add(1, mode="drop")
    ends = jnp.cumsum(counts)
    blocks = -(-counts // size)
    block_ends = jnp.cumsum(blocks)

    def step(block: Array, total: Array) -> Array:
        expert = jnp.searchsorted(block_ends, block, side="right")
        within = (block - (block_ends[expert] - blocks[expert])) * size + jnp.arange(size)
        real = within < counts[expert]
        which = order[jnp.where(real, ends[expert] - counts[expert] + within, 0)]
        tokens = which // spec.active
        gate_up, down = (_one_of(weight, layer * spec.count + expert) for weight in weights)
        out = gated_mlp(x[tokens], gate_up, down, activation, numerics)
        return total.at[tokens].add(out * jnp.where(real, shares[which], 0.0)[:, None])

    return lax.fori_loop(0, block_ends[-1], step, jnp.zeros_like(x))


def spread_mixture(
    x: Array,
    routed: tuple[Array, Array],
    weights: tuple[Weight, Weight],
    layer: Array,
    spec: ExpertsSpec,
    activation: str,
    numerics: Numerics,
    mesh: Mesh | None,
) -> Array:
    """`mixture` on several devices (None: one), each of which has an equal share of the experts.

    Where they do not divide, all devices have all of them.
    """
    if mesh is None or spec.count % mesh.size:
        return mixture(x, routed, weights, layer, spec, activation, numerics)
    own, block = replace(spec, count=spec.count // mesh.size), _block(x.shape[0], spec)

    def part(x: Array, routed: tuple[Array, Array], weights: tuple[Weight, Weight], layer: Array) -> Array:
        experts, shares = routed
        experts = experts - lax.axis_index(AXIS) * own.count
        experts = jnp.where((experts >= 0) & (experts < own.count), experts, own.count)
        return lax.psum(mixture(x, (experts, shares), weights, layer, own, activation, numerics, block), AXIS)

    of_weights = jax.tree.map(lambda _: partition(1), weights)
    whole = partition()
    given = (whole, (whole, whole), of_weights, whole)
    return jax.shard_map(part, mesh=mesh, in_specs=given, out_specs=whole, check_vma=False)(
        x, routed, weights, layer
    )


def _block(tokens: int, spec: ExpertsSpec) -> int:
    """Tokens that one expert takes at a time: about as many as fall to it."""
    share = max(tokens * spec.active // spec.count, 1)
    return min(tokens, max(_SMALLEST_BLOCK, min(1 << (share - 1).bit_length(), _LARGEST_BLOCK)))


def _one_of(stack: Weight, index: Array) -> Weight:
    """A matrix of a stack of stacks, all counted in a row."""
    if isinstance(stack, PackedArray):
        return stack.at(index)
    counted = jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:]), stack)
    if isinstance(counted, GroupedArray):
        return counted.at(index)
    return jax.tree.map(lambda part: lax.dynamic_index_in_dim(part, index, keepdims=False), counted)
