"""The models as released: weights and cache bytes against the published numbers, traced without memory."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.arch.gguf import config_from_gguf
from model.cache.state import init_state
from model.config import ModelConfig
from model.decoder.decoder import Decoder
from model.nn.qarray import QArray
from model.weights.params import ArrayInfo, abstract


class Shape:
    def __init__(self, *shape: int) -> None:
        self.shape = shape


def released(
    architecture: str,
    count: int,
    width: int,
    heads: tuple[int, int],
    size: int,
    ffw: int,
    vocab: int,
    **more: Any,
) -> ModelConfig:
    """As its GGUF file describes it."""
    tied = more.pop("tied", True)
    keys = {
        "block_count": count,
        "context_length": 32_768,
        "embedding_length": width,
        "feed_forward_length": ffw,
        "attention.head_count": heads[0],
        "attention.head_count_kv": heads[1],
        "attention.layer_norm_rms_epsilon": 1e-6,
    }
    if architecture == "gemma3":
        keys |= {"attention.key_length": size, "attention.value_length": size, "rope.freq_base": 1e6}
        keys["attention.sliding_window"] = more.pop("window")
        if width > 2000:
            keys |= {"rope.scaling.type": "linear", "rope.scaling.factor": 8.0}
    metadata = {"general.architecture": architecture} | {
        f"{architecture}.{key}": value for key, value in keys.items()
    }
    tensors = {f"blk.{index}.attn_q.weight": Shape(1, 1) for index in range(count)}
    tensors |= {"token_embd.weight": Shape(vocab, width)} | (
        {} if tied else {"output.weight": Shape(vocab, width)}
    )
    return config_from_gguf(metadata, tensors)


gemma = partial(released, "gemma3", vocab=262_144)
llama = partial(released, "llama", vocab=49_152)
qwen = partial(released, "qwen2")

MODELS = {
    "gemma-3-270m": gemma(18, 640, (4, 1), 256, 2048, window=512),
    "gemma-3-1b": gemma(26, 1152, (4, 1), 256, 6912, window=512),
    "gemma-3-4b": gemma(34, 2560, (8, 4), 256, 10_240, window=1024),
    "gemma-3-12b": gemma(48, 3840, (16, 8), 256, 15_360, window=1024),
    "gemma-3-27b": gemma(62, 5376, (32, 16), 128, 21_504, window=1024),
    "smollm2-135m": llama(30, 576, (9, 3), 64, 1536),
    "smollm2-360m": llama(32, 960, (15, 5), 64, 2560),
    "smollm2-1.7b": llama(24, 2048, (32, 32), 64, 8192),
    "qwen2.5-0.5b": qwen(24, 896, (14, 2), 64, 4864, 151_936),
    "qwen2.5-1.5b": qwen(28, 1536, (12, 2), 128, 8960, 151_936),
    "qwen2.5-7b": qwen(28, 3584, (28, 4), 128, 18_944, 152_064, tied=False),
}

# Of the safetensors files on the model hub.  Gemma 3 from 4B on: their total, less the SigLIP encoder
# (416,866,032), the projector (1152·D + 1152) and the 64 rows of embedding that GGUF files leave out.
PUBLISHED = {
    "gemma-3-270m": 268_098_176,
    "gemma-3-1b": 999_885_952,
    "gemma-3-4b": 4_300_079_472 - 416_866_032 - 1152 * 2561 - 64 * 2560,
    "gemma-3-12b": 12_187_325_040 - 416_866_032 - 1152 * 3841 - 64 * 3840,
    "gemma-3-27b": 27_432_406_640 - 416_866_032 - 1152 * 5377 - 64 * 5376,
    "smollm2-135m": 134_515_008,
    "smollm2-360m": 361_821_120,
    "smollm2-1.7b": 1_711_376_384,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen2.5-7b": 7_615_616_512,
}

# Bytes a token at 16 bits of the layers that see everything, and MiB of all rings.
CACHES = {
    "gemma-3-270m": (3072, 7.5),
    "gemma-3-1b": (4096, 11),
    "gemma-3-4b": (20_480, 116),
    "gemma-3-12b": (65_536, 320),
    "gemma-3-27b": (81_920, 416),
    "smollm2-135m": (23_040, 0),
    "smollm2-360m": (40_960, 0),
    "smollm2-1.7b": (196_608, 0),
    "qwen2.5-0.5b": (12_288, 0),
    "qwen2.5-1.5b": (28_672, 0),
}

GEMMA = [name for name in MODELS if name.startswith("gemma")]


def is_info(leaf: object) -> bool:
    return isinstance(leaf, ArrayInfo)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters(name: str) -> None:
    config = MODELS[name]
    assert config.parameters == PUBLISHED[name]
    tree = jax.tree.leaves(abstract(config), is_leaf=is_info)
    assert sum(int(np.prod(info.shape, dtype=np.int64)) for info in tree) == PUBLISHED[name]


@pytest.mark.parametrize("name", CACHES)
def test_cache_bytes(name: str) -> None:
    config, (a_token, rings) = MODELS[name], CACHES[name]
    million = 1 << 20
    assert config.kv_bytes(million) == million * a_token + rings * (1 << 20)
    assert config.kv_bytes(million, bytes_per_value=1) * 2 == config.kv_bytes(million)
    assert config.kv_bytes(million + 1) - config.kv_bytes(million) == a_token


def test_rings_take_no_more_than_the_text() -> None:
    config = MODELS["gemma-3-270m"]
    per_layer = 2 * 1 * 256 * 2
    assert config.kv_bytes(0) == 0
    assert config.kv_bytes(100) == 18 * 100 * per_layer
    assert config.kv_bytes(513) == (15 * 512 + 3 * 513) * per_layer


@pytest.mark.parametrize(
    ("name", "period", "globals_at"),
    [
        ("gemma-3-270m", 6, [5, 11, 17]),
        ("gemma-3-1b", 6, [5, 11, 17, 23]),
        ("smollm2-135m", 1, list(range(30))),
    ],
)
def test_patterns(name: str, period: int, globals_at: list[int]) -> None:
    config = MODELS[name]
    assert config.period == period
    assert [index for index, spec in enumerate(config.layers) if spec.window is None] == globals_at


def test_query_scales() -> None:
    """The 27B alone scales by its width per head."""
    scales = {name: MODELS[name].layers[0].query_scale for name in GEMMA}
    assert scales.pop("gemma-3-27b") == pytest.approx(168**-0.5)
    assert set(scales.values()) == {256**-0.5}


def test_only_large_gemmas_stretch_positions_and_only_in_global_layers() -> None:
    factors = {
        name: {(spec.window is None, spec.rope.theta, spec.rope.factor) for spec in MODELS[name].layers}
        for name in GEMMA
    }
    for name, found in factors.items():
        factor = 1.0 if name in ("gemma-3-270m", "gemma-3-1b") else 8.0
        assert found == {(False, 10_000.0, 1.0), (True, 1_000_000.0, factor)}


def quantized(info: ArrayInfo) -> Any:
    if info.kind == "vector":
        return jax.ShapeDtypeStruct(info.shape, jnp.float32)
    *stack, rows, columns = info.shape
    return QArray(
        jax.ShapeDtypeStruct((*stack, 2, rows, columns), jnp.int8),
        jax.ShapeDtypeStruct((*stack, rows), jnp.float32),
    )


@pytest.mark.parametrize("tokens", [1, 512])
@pytest.mark.parametrize("name", GEMMA)
def test_full_size_models_are_traced_without_memory(name: str, tokens: int) -> None:
    config, context = MODELS[name], 1 << 17
    decoder = Decoder(config)
    state = jax.eval_shape(lambda: init_state(config, context))
    held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state) if leaf.ndim == 4)
    assert held == config.kv_bytes(context)

    def step(params, ropes, state, ids, count):
        hidden, state = decoder.hidden(params, ropes, state, ids, count)
        return decoder.logits(params, hidden), state

    logits, after = jax.eval_shape(
        step,
        jax.tree.map(quantized, abstract(config), is_leaf=is_info),
        jax.eval_shape(lambda: decoder.rope_tables(context)),
        state,
        jax.ShapeDtypeStruct((tokens,), jnp.int32),
        jax.ShapeDtypeStruct((), jnp.int32),
    )
    assert logits.shape == (tokens, config.vocab)
    assert logits.dtype == jnp.float32
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), after) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), state
    )
