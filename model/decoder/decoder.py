"""The decoder: embed → layers → logits.  Layers run in scans over the model's repeating patterns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import Mesh

from model.attention.api import Memory, Stored, nothing_near
from model.attention.kinds import Choice, Implementation
from model.attention.mask import block_reach
from model.cache.layer import LayerCache
from model.cache.state import Cache, State, placed
from model.config import ModelConfig, PerLayerSpec, RopeSpec
from model.decoder.block import Chunk, Place, layer
from model.mesh import on_all
from model.nn.grouped import GroupedArray
from model.nn.linear import DEFAULT, Numerics, linear, rows
from model.nn.norm import rms_norm
from model.nn.packed import PackedArray
from model.nn.rope import RopeTable, rope_table
from model.weights.params import LayerParams, Params, Stack, stacks

_Carry = tuple[Array, tuple[Cache, ...], dict[int, Stored]]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Media:
    """What a chunk holds beside text.

    Attributes:
        soft: f32 [T, D], embeddings of images and sounds, as their encoders give them.
        is_soft: bool [T], the tokens that have one; the others are looked up.
        block: int32 [T], a number from 0 on that the tokens of one image or frame share, -1 elsewhere.
            All of a block lies in one chunk.
    """

    soft: Array
    is_soft: Array
    block: Array


@dataclass(frozen=True, slots=True)
class Decoder:
    """A model's architecture and the choices of how to compute it; static in a compiled program.

    Attributes:
        config: the architecture.
        numerics: product types.
        implementation: of the attention.
        mesh: devices that compute it together; None: one.
    """

    config: ModelConfig
    numerics: Numerics = DEFAULT
    implementation: Implementation | Choice = "blocked"
    mesh: Mesh | None = None

    def rope_tables(self, context: int) -> tuple[RopeTable, ...]:
        """Rotary tables for positions below `context`, in the order of `_rope_keys`."""
        return tuple(rope_table(spec, head_dim, context) for spec, head_dim in self._rope_keys())

    def hidden(
        self,
        params: Params,
        ropes: tuple[RopeTable, ...],
        state: State,
        tokens: Array,
        count: Array,
        media: Media | None = None,
    ) -> tuple[Array, State]:
        """Run a chunk through all layers.

        Args:
            params: the weights.
            ropes: from `rope_tables`.
            state: of the tokens before; its full caches have room for T more.
            tokens: int32 [T], the chunk, padded at its end; any id where a token is soft.
            count: int32 [], how many of them are real; at least one.
            media: None for text alone.

        Returns:
            f32 [T, D] after the last layer, before the final norm, and the state with the chunk.
        """
        return self._layers(params, ropes, state, tokens, count, media, only=None)

    def last(
        self,
        params: Params,
        ropes: tuple[RopeTable, ...],
        state: State,
        tokens: Array,
        count: Array,
        media: Media | None = None,
    ) -> tuple[Array, State]:
        """As `hidden`, but f32 [1, D], of the last real token alone.

        The last layer that remembers anything then computes for the other tokens only what later ones will
        read, and layers behind it, which read what others remember, compute for that one token.
        """
        return self._layers(params, ropes, state, tokens, count, media, only=count - 1)

    def logits(self, params: Params, x: Array, *, apart: bool = False) -> Array:
        """Logits f32 [T, V] of hidden rows f32 [T, D]; `apart`: they are of many sequences."""
        output = params.embed if params.output is None else params.output
        normed = rms_norm(x, params.final_norm, self.config.norm_eps, apart=apart)
        logits = linear(normed, output, self.numerics)
        cap = self.config.final_softcap
        return logits if cap is None else jnp.tanh(logits / cap) * cap

    def angles(
        self, ropes: tuple[RopeTable, ...], at: Array
    ) -> dict[tuple[RopeSpec, int], tuple[Array, Array]]:
        """Cosines and sines f32 [T, pairs] of positions int [T], for each rotary embedding and head size."""
        return {key: table.angles(at) for key, table in zip(self._rope_keys(), ropes, strict=True)}

    def _rope_keys(self) -> list[tuple[RopeSpec, int]]:
        mixers = [spec.attention for spec in self.config.layers]
        return list(dict.fromkeys((mixer.rope, mixer.head_dim) for mixer in mixers if mixer))

    def _layers(
        self,
        params: Params,
        ropes: tuple[RopeTable, ...],
        state: State,
        tokens: Array,
        count: Array,
        media: Media | None,
        only: Array | None,
    ) -> tuple[Array, State]:
        config = self.config
        index = jnp.arange(tokens.shape[0], dtype=jnp.int32)
        at = jnp.where(index < count, state.length + index, -1)
        angles = self.angles(ropes, jnp.maximum(at, 0))
        x = on_all(rows(params.embed, tokens) * config.embed_scale, self.mesh)
        if media is not None:
            x = jnp.where(media.is_soft[:, None], media.soft, x)
        chunk = Chunk(
            at=at,
            reach=None if media is None else block_reach(at, media.block),
            angles=angles,
            inputs=config.per_layer and self.inputs(params, config.per_layer, tokens, x, media),
            numerics=self.numerics,
            implementation=self.implementation,
            eps=config.norm_eps,
            mesh=self.mesh,
            tables=dict(zip(self._rope_keys(), ropes, strict=True)),
        )
        caches: list[tuple[Cache, ...]] = []
        lent: dict[int, Memory] = {}
        groups = stacks(config)
        # The last stack whose layers remember anything.
        end = max(n for n, stack in enumerate(groups) if all(spec.source is None for spec in stack.specs))
        for number, (stack, weights, kept) in enumerate(
            zip(groups, params.stacks, state.caches, strict=True)
        ):
            row = only if number == end else None
            x, kept, memories = self._run(stack, weights, kept, lent, x, chunk, row)
            caches.append(kept)
            lent |= memories
            chunk = chunk if row is None else chunk.row(row)
        return x, placed(State(tuple(caches), state.length + count), self.mesh)

    def inputs(
        self,
        params: Params,
        spec: PerLayerSpec,
        tokens: Array,
        x: Array,
        media: Media | None,
        *,
        apart: bool = False,
    ) -> Array:
        """Every layer's own inputs f32 [L, T, P], of token ids and of embeddings x f32 [T, D].

        `apart`: they are of many sequences.

        (transformers, modeling_gemma4.py, `project_per_layer_inputs`.)
        """
        count, width = len(self.config.layers), self.config.width
        known = tokens if media is None else jnp.where(media.is_soft, spec.pad, tokens)
        of_token = rows(params.ple_embed, known) * spec.width**0.5
        of_embedding = linear(x, params.ple_in, self.numerics) * width**-0.5
        of_embedding = rms_norm(
            of_embedding.reshape(-1, count, spec.width), params.ple_norm, self.config.norm_eps, apart=apart
        )
        both = (of_embedding + of_token.reshape(-1, count, spec.width)) * 2**-0.5
        return both.swapaxes(0, 1)

    def _run(
        self,
        stack: Stack,
        weights: tuple[LayerParams, ...],
        kept: tuple[Cache, ...],
        lent: dict[int, Memory],
        x: Array,
        chunk: Chunk,
        only: Array | None,
    ) -> tuple[Array, tuple[Cache, ...], dict[int, Memory]]:
        """One scan; with `only` its last layer gives that row alone and stands outside of the scan.

        Args:
            stack: the layers.
            weights: theirs.
            kept: their caches.
            lent: what layers of earlier stacks remember, for those that read it, by index in the model.
            x: f32 [T, D].
            chunk: positions and the like.
            only: see `model.decoder.block.layer`.

        Returns:
            f32 [T, D] or [1, D], the caches, and what layers of this stack lend to later ones.
        """
        # A ring that takes a whole chunk keeps its old positions until every layer has read them.
        late = [isinstance(cache, LayerCache) and cache.ring and chunk.at.shape[0] > 1 for cache in kept]
        kept = tuple(
            cache if wait or cache is None else cache.claim(chunk.at)
            for cache, wait in zip(kept, late, strict=True)
        )
        sources = {spec.source for spec in self.config.layers}
        lenders = [p for p in range(len(stack.specs)) if stack.layer(stack.repeats - 1, p) in sources]
        near = {
            place: nothing_near(cache, chunk.at)
            for place in lenders
            if late[place] and isinstance(cache := kept[place], LayerCache)
        }

        def one_round(carry: _Carry, repeat: Array, only: Array | None = None) -> tuple[_Carry, None]:
            x, caches, near = carry
            new, near = [], dict(near)
            for place, (spec, stacked) in enumerate(zip(stack.specs, weights, strict=True)):
                here = Place(repeat, stack.first + repeat * len(stack.specs) + place)
                row = only if place == len(stack.specs) - 1 else None
                source = spec.source
                memory = caches[place] if source is None else lent[source]
                x, memory = layer(x, of_round(stacked, repeat), memory, here, spec, chunk, row)
                if isinstance(memory, Memory):
                    if place in near and memory.near is not None:
                        near[place] = memory.near
                    memory = memory.cache if source is None else None
                x = on_all(x, self.mesh)
                new.append(memory)
            return (x, tuple(new), near), None

        repeats = stack.repeats if only is None else stack.repeats - 1
        carry, _ = lax.scan(one_round, (x, kept, near), jnp.arange(repeats, dtype=jnp.int32))
        if only is not None:
            carry, _ = one_round(carry, jnp.int32(repeats), only)
        x, kept, near = carry
        kept = tuple(
            cache.claim(chunk.at) if wait and cache is not None else cache
            for cache, wait in zip(kept, late, strict=True)
        )
        last = jnp.int32(stack.repeats - 1)
        memories = {
            stack.layer(stack.repeats - 1, place): Memory(cache, last, near.get(place))
            for place in lenders
            if isinstance(cache := kept[place], LayerCache)
        }
        return x, kept, memories


def of_round(params: LayerParams, repeat: Array) -> LayerParams:
    """A layer's own parameters; but its experts stay with those of all rounds, see `model.nn.moe.mixture`.

    Taken out one by one: a slice of all but the last round's weights would be a copy of them.
    """
    few = replace(params, experts_gate_up=None, experts_down=None)
    few = jax.tree.map(lambda part: _in_stack(part, repeat), few, is_leaf=_knows_its_place)
    return replace(few, experts_gate_up=params.experts_gate_up, experts_down=params.experts_down)


def _knows_its_place(part: object) -> bool:
    return isinstance(part, (PackedArray, GroupedArray))


def _in_stack(part: Array | PackedArray | GroupedArray, index: Array) -> Array | PackedArray | GroupedArray:
    if isinstance(part, (PackedArray, GroupedArray)):
        return part.at(index)
    return lax.dynamic_index_in_dim(part, index, keepdims=False)
