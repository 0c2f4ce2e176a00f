"""A model on several devices and on one, compared in a process that has eight: ``python sharded.py CASE …``.

Prints one JSON object: for each case the largest difference of logits, the largest part of anything that one
device holds, and the largest arrays that devices send to one another.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import gguf
import jax
import jax.numpy as jnp
import numpy as np
import tiny

from model.cache.layer import LayerCache
from model.cache.state import State, init_state
from model.config import ExpertsSpec, LayerSpec, ModelConfig, RecurrentSpec
from model.decoder.decoder import Decoder
from model.engine.room import grow
from model.formats.gguf import open_gguf
from model.load import describe, load
from model.mesh import everywhere, mesh_of
from model.nn.linear import Numerics
from model.sampling.sampler import Sampling
from model.weights.load import load_params
from model.weights.params import LayerParams, Params, abstract
from model.weights.shard import putter

CHUNK = 16
SLOTS = 4096
_VOCAB = 96


def _with(config: ModelConfig, **attention: Any) -> ModelConfig:
    layers = tuple(tiny.with_attention(spec, **attention) for spec in config.layers)
    return replace(config, layers=layers, vocab=_VOCAB)


def _griffin() -> ModelConfig:
    near = tiny.with_attention(tiny.gemma(1).layers[0], kv_heads=1, media=False, qk_norm=False, out_bias=True)
    near = replace(near, post_norms=False, mlp_bias=True)
    far: LayerSpec = replace(near, mixer=RecurrentSpec(32, 4))
    return replace(tiny.gemma(), layers=(far, far, near, far, far), vocab=_VOCAB)


_WIDE = replace(_with(tiny.llama(), heads=8, kv_heads=4), width=64)
_WIDE = replace(_WIDE, layers=tuple(replace(spec, ffw=256) for spec in _WIDE.layers), adjacent_pairs=True)
# Scores of unit scale on normed heads double what either's rounding makes of f64's logits, layer by layer.
_CALM = {"query_scale": 0.3}
_EXPERTS = ExpertsSpec(8, 2, 16)

CASES: dict[str, tuple[int, Callable[[], ModelConfig]]] = {
    "dense by heads": (8, lambda: _with(tiny.llama(), heads=8, kv_heads=8)),
    "dense with rings by heads": (2, lambda: _with(tiny.gemma(8))),
    "biases, grouped heads, an output of its own": (2, lambda: _with(tiny.qwen())),
    "one head": (8, lambda: _with(tiny.gemma1(), heads=8)),
    "one head and rings": (4, lambda: _with(tiny.gemma(7), kv_heads=1)),
    "two heads, eight devices": (8, lambda: _with(tiny.gemma(6))),
    "experts": (8, lambda: _with(tiny.gemma4(3, experts=_EXPERTS, tied_values=True), **_CALM)),
    "layers that borrow": (2, lambda: _with(tiny.gemma4(3, 3, inputs=8), **_CALM)),
    "layers that borrow, dealt": (8, lambda: _with(tiny.gemma4(3, 3, inputs=8), **_CALM)),
    "nothing divides": (3, lambda: replace(_with(tiny.llama()), vocab=97)),
    "recurrence": (4, _griffin),
    "Q8_0": (4, lambda: _WIDE),
    "Q4_1": (8, lambda: _WIDE),
}


def spread(params: Params, config: ModelConfig, mesh: jax.sharding.Mesh) -> Params:
    """Parameters brought to the devices as loading does it."""
    put, infos = putter(config, mesh), abstract(config)

    def placed(name: str, array: Any, info: Any) -> Any:
        return None if array is None else put(name, info, 1)(np.asarray(array))

    top = [field.name for field in fields(Params) if field.name != "stacks"]
    layers = tuple(
        tuple(
            LayerParams(
                **{
                    name: placed(f"stacks.{number}.{place}.{name}", array, getattr(info, name))
                    for name, array in vars(layer).items()
                }
            )
            for place, (layer, info) in enumerate(zip(stack, of_stack, strict=True))
        )
        for number, (stack, of_stack) in enumerate(zip(params.stacks, infos.stacks, strict=True))
    )
    return Params(
        stacks=layers, **{name: placed(name, getattr(params, name), getattr(infos, name)) for name in top}
    )


def _last(decoder: Decoder, *given: Any) -> tuple[Any, State]:
    hidden, state = decoder.last(*given)
    return decoder.logits(given[0], hidden), state


def _all(decoder: Decoder, *given: Any) -> tuple[Any, State]:
    hidden, state = decoder.hidden(*given)
    return decoder.logits(given[0], hidden), state


def run(decoder: Decoder, params: Params) -> tuple[np.ndarray, State, list[str]]:
    """Logits after two chunks (one padded) and each of ten single tokens, the last state, the programs."""
    ropes = everywhere(decoder.rope_tables(256), decoder.mesh)
    state = jax.jit(lambda: init_state(decoder.config, SLOTS, 32, decoder.mesh))()
    ids, done, parts = tiny.random_ids(39, vocab=_VOCAB), 0, []
    jitted = {
        how: jax.jit(partial(how, decoder), donate_argnums=2, compiler_options=tiny.QUICK)
        for how in (_last, _all)
    }
    programs = {}
    for how, count, size in [(_last, CHUNK, CHUNK), (_last, 13, CHUNK), *[(_all, 1, 1)] * 10]:
        tokens = jnp.zeros(size, jnp.int32).at[:count].set(jnp.asarray(ids[done : done + count]))
        given = (params, ropes, state, tokens, jnp.int32(count))
        if (how, size) not in programs:
            programs[how, size] = jitted[how].lower(*given).compile().as_text() if decoder.mesh else ""
        logits, state = jitted[how](*given)
        parts.append(np.asarray(logits)[:count])
        done += count
    return np.concatenate(parts), state, list(programs.values())


_SENT = re.compile(
    r"= (.*?) (?:all-gather|all-to-all|all-reduce|collective-permute|reduce-scatter)(?:-start)?\("
)


def sent(program: str) -> int:
    """Numbers in the largest array that a compiled program sends."""
    shapes = [shape for found in _SENT.findall(program) for shape in re.findall(r"\w+\[([\d,]*)\]", found)]
    return max((prod(map(int, filter(None, shape.split(",")))) for shape in shapes), default=0)


def parts(tree: Any) -> list[float]:
    """The part of each array that the device with the most of it holds."""
    return [
        max(shard.data.size for shard in leaf.addressable_shards) / leaf.size
        for leaf in jax.tree.leaves(tree)
    ]


def compare(name: str) -> dict[str, Any]:
    """One case."""
    count, make = CASES[name]
    config, mesh = make(), mesh_of(jax.devices()[:count])
    assert mesh is not None
    params = tiny.random_params(config)
    if name.startswith("Q"):
        kind = gguf.GGMLQuantizationType[name]
        with tempfile.TemporaryDirectory() as folder:
            path = tiny.write_gguf(
                Path(folder, "m.gguf"), tiny.metadata_of(config), tiny.tensors_of(config, params), kind
            )
            with open_gguf(path) as file:
                alone = load_params(file, config, precision="grouped")
                divided = load_params(file, config, precision="grouped", mesh=mesh)
    else:
        alone, divided = params, spread(params, config, mesh)
    numerics = Numerics(integer_rows=0)
    want, _, _ = run(Decoder(config, numerics), alone)
    got, state, programs = run(Decoder(config, numerics, mesh=mesh), divided)
    caches = [cache for stack in state.caches for cache in stack if isinstance(cache, LayerCache)]
    matrices = [
        leaf
        for layers in divided.stacks
        for layer in layers
        for field in ("qkv", "attn_out", "gate_up", "down", "rec_in", "rec_out", "experts_gate_up")
        if (weight := getattr(layer, field)) is not None
        for leaf in [getattr(weight, "values", weight)]
    ]
    return {
        "devices": count,
        "logits": float(np.abs(want).max()),
        "difference": float(np.abs(got - want).max()),
        "of matrices": max(parts(matrices)),
        "of tables": max(parts([getattr(divided.embed, "values", divided.embed)])),
        "of full caches": max(parts([(c.keys, c.values) for c in caches if not c.ring]), default=0),
        "sent by a chunk": sent(programs[0]),
        "sent by a step": sent(programs[1]),
        "cache": min((c.keys.size // c.keys.shape[0] for c in caches if not c.ring), default=0),
        "matrix": min(leaf.size // leaf.shape[0] for leaf in matrices),
    }


def answer() -> dict[str, Any]:
    """What a model file that says A to J, loaded onto all devices as people load it, says."""
    said = b"ABCDEFGHIJ"
    with tempfile.TemporaryDirectory() as folder:
        path = tiny.write_parrot(Path(folder, "m.gguf"), [tiny.START, *said, tiny.END])
        model = load(describe(path), mesh=mesh_of(jax.devices()))
    state = model.engine.new_state(1)
    _, state = model.engine.prefill([tiny.START, *said[:4]], state)
    grown = grow(model.engine.decoder, state, 4000)
    return {
        "answer": "".join(model.stream([tiny.START], sampling=Sampling())),
        "devices": len(model.engine.params.embed.values.addressable_shards),
        "grown": [sorted(np.asarray(each.caches[0][0].positions).tolist())[-6:] for each in (state, grown)],
        "slots": [state.room, grown.room],
        "parts": max(parts([grown.caches[0][0].keys])),
    }


if __name__ == "__main__":
    if sys.argv[1:] == ["answer"]:
        print(json.dumps({"answer": answer()}))
        sys.exit()
    print(json.dumps({name: compare(name) for name in sys.argv[1:] or CASES}))
