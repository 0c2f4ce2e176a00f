"""The models as released: weights and cache bytes against the published numbers, traced without memory."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.arch.gguf import config_from_gguf
from model.arch.hf import config_from_hf
from model.cache.state import init_state
from model.config import AttentionSpec, ModelConfig, period
from model.decoder.decoder import Decoder
from model.nn.qarray import QArray
from model.weights.params import ArrayInfo, abstract, stacks


class Shape:
    dtype = "BF16"

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


def hub(kind: str, vocab: int, width: int, count: int, text: dict[str, Any]) -> ModelConfig:
    """As its config.json describes it."""
    tensors = {f"model.layers.{index}.input_layernorm.weight": Shape(width) for index in range(count)}
    config = {"hidden_size": width, "num_hidden_layers": count, "vocab_size": vocab} | text
    if kind in ("gemma4", "gemma4_unified"):
        config = {"text_config": config | {"model_type": f"{kind}_text"}}
    return config_from_hf(
        {"model_type": kind} | config, tensors | {"model.embed_tokens.weight": Shape(vocab, width)}
    )


def heads(count: int, kv: int, size: int = 256) -> dict[str, Any]:
    return {"num_attention_heads": count, "num_key_value_heads": kv, "head_dim": size}


def gemma1_or_2(kind: str, count: int, width: int, of: dict[str, Any], ffw: int, **more: Any) -> ModelConfig:
    return hub(kind, 256_000, width, count, of | {"intermediate_size": ffw} | more)


def gemma4(
    count: int,
    width: int,
    of: dict[str, Any],
    ffw: int,
    window: int,
    kind: str = "gemma4",
    pattern: int = 6,
    **more: Any,
) -> ModelConfig:
    kinds = [("full" if (i + 1) % pattern == 0 else "sliding") + "_attention" for i in range(count)]
    text = of | {
        "global_head_dim": 512,
        "intermediate_size": ffw,
        "sliding_window": window,
        "layer_types": kinds,
        "final_logit_softcapping": 30.0,
    }
    return hub(kind, 262_144, width, count, text | more)


LARGE = {"attention_k_eq_v": True, "hidden_size_per_layer_input": 0, "use_bidirectional_attention": "vision"}

gemma = partial(released, "gemma3", vocab=262_144)
llama = partial(released, "llama", vocab=49_152)
qwen = partial(released, "qwen2")

MODELS = {
    "gemma-3-270m": gemma(18, 640, (4, 1), 256, 2048, window=512),
    "gemma-3-1b": gemma(26, 1152, (4, 1), 256, 6912, window=512),
    "gemma-3-4b": gemma(34, 2560, (8, 4), 256, 10_240, window=1024),
    "gemma-3-12b": gemma(48, 3840, (16, 8), 256, 15_360, window=1024),
    "gemma-3-27b": gemma(62, 5376, (32, 16), 128, 21_504, window=1024),
    "gemma-2b": gemma1_or_2("gemma", 18, 2048, heads(8, 1), 16_384),
    "gemma-7b": gemma1_or_2("gemma", 28, 3072, heads(16, 16), 24_576),
    "gemma-2-2b": gemma1_or_2("gemma2", 26, 2304, heads(8, 4), 9216),
    "gemma-2-9b": gemma1_or_2("gemma2", 42, 3584, heads(16, 8), 14_336),
    "gemma-2-27b": gemma1_or_2("gemma2", 46, 4608, heads(32, 16, 128), 36_864, query_pre_attn_scalar=144),
    "gemma-4-e2b": gemma4(
        35, 1536, heads(8, 1), 6144, 512, pattern=5, num_kv_shared_layers=20, use_double_wide_mlp=True
    ),
    "gemma-4-e4b": gemma4(42, 2560, heads(8, 2), 10_240, 512, num_kv_shared_layers=18),
    "gemma-4-12b": gemma4(
        48,
        3840,
        heads(16, 8),
        15_360,
        1024,
        "gemma4_unified",
        num_global_key_value_heads=1,
        attention_k_eq_v=True,
    ),
    "gemma-4-26b-a4b": gemma4(
        30,
        2816,
        heads(16, 8),
        2112,
        1024,
        num_global_key_value_heads=2,
        enable_moe_block=True,
        num_experts=128,
        top_k_experts=8,
        moe_intermediate_size=704,
        **LARGE,
    ),
    "gemma-4-31b": gemma4(60, 5376, heads(32, 16), 21_504, 1024, num_global_key_value_heads=4, **LARGE),
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
    "gemma-2b": 2_506_172_416,
    "gemma-7b": 8_537_680_896,
    "gemma-2-2b": 2_614_341_888,
    "gemma-2-9b": 9_241_705_984,
    "gemma-2-27b": 27_227_128_320,
    "smollm2-135m": 134_515_008,
    "smollm2-360m": 361_821_120,
    "smollm2-1.7b": 1_711_376_384,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen2.5-7b": 7_615_616_512,
}

# Billions, of all text weights and of those that a token meets, from the model cards.
ROUNDED = {
    "gemma-4-e2b": (4.63, 2.28),
    "gemma-4-e4b": (7.46, 4.64),
    "gemma-4-12b": (11.9, 11.9),
    "gemma-4-26b-a4b": (25.2, 3.8),
    "gemma-4-31b": (30.7, 30.7),
}

# Bytes a token at 16 bits of the layers that see everything, and MiB of all rings.
CACHES = {
    "gemma-3-270m": (3072, 7.5),
    "gemma-3-1b": (4096, 11),
    "gemma-3-4b": (20_480, 116),
    "gemma-3-12b": (65_536, 320),
    "gemma-3-27b": (81_920, 416),
    "gemma-2b": (18_432, 0),
    "gemma-7b": (458_752, 0),
    "gemma-2-2b": (53_248, 208),
    "gemma-2-9b": (172_032, 672),
    "gemma-2-27b": (188_416, 736),
    "gemma-4-e2b": (6144, 6),
    "gemma-4-e4b": (16_384, 20),
    "gemma-4-12b": (16_384, 320),
    "gemma-4-26b-a4b": (20_480, 200),
    "gemma-4-31b": (81_920, 800),
    "smollm2-135m": (23_040, 0),
    "smollm2-360m": (40_960, 0),
    "smollm2-1.7b": (196_608, 0),
    "qwen2.5-0.5b": (12_288, 0),
    "qwen2.5-1.5b": (28_672, 0),
}

GEMMA = [name for name in MODELS if name.startswith("gemma")]
GEMMA3 = [name for name in MODELS if name.startswith("gemma-3")]


def mixers(name: str) -> list[AttentionSpec]:
    return [spec.mixer for spec in MODELS[name].layers if isinstance(spec.mixer, AttentionSpec)]


def is_info(leaf: object) -> bool:
    return isinstance(leaf, ArrayInfo)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters(name: str) -> None:
    config = MODELS[name]
    assert config.parameters == PUBLISHED[name]
    tree = jax.tree.leaves(abstract(config), is_leaf=is_info)
    assert sum(int(np.prod(info.shape, dtype=np.int64)) for info in tree) == PUBLISHED[name]


@pytest.mark.parametrize("name", ROUNDED)
def test_parameters_of_gemma_4(name: str) -> None:
    config, (every, active) = MODELS[name], ROUNDED[name]
    assert config.parameters == pytest.approx(every * 1e9, rel=0.01)
    assert config.active_parameters == pytest.approx(active * 1e9, rel=0.01)
    tree = jax.tree.leaves(abstract(config), is_leaf=is_info)
    assert sum(int(np.prod(info.shape, dtype=np.int64)) for info in tree) == config.parameters


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
    ("name", "length", "globals_at"),
    [
        ("gemma-3-270m", 6, [5, 11, 17]),
        ("gemma-3-1b", 6, [5, 11, 17, 23]),
        ("smollm2-135m", 1, list(range(30))),
        ("gemma-2-2b", 2, list(range(1, 26, 2))),
        ("gemma-4-31b", 6, list(range(5, 60, 6))),
    ],
)
def test_patterns(name: str, length: int, globals_at: list[int]) -> None:
    assert period(MODELS[name].layers) == length
    assert [index for index, mixer in enumerate(mixers(name)) if mixer.window is None] == globals_at


@pytest.mark.parametrize(
    ("name", "own", "sources", "groups"),
    [
        ("gemma-4-e2b", 15, (13, 14), [(0, 5, 3), (15, 5, 4)]),
        ("gemma-4-e4b", 24, (22, 23), [(0, 6, 4), (24, 6, 3)]),
    ],
)
def test_who_reads_whom(
    name: str, own: int, sources: tuple[int, int], groups: list[tuple[int, int, int]]
) -> None:
    found = mixers(name)
    assert all(mixer.source is None for mixer in found[:own])
    near, far = sources
    assert [mixer.source for mixer in found[own:]] == [far if m.window is None else near for m in found[own:]]
    assert [(stack.first, len(stack.specs), stack.repeats) for stack in stacks(MODELS[name])] == groups


def test_what_the_sizes_of_gemma_4_differ_in() -> None:
    assert [spec.ffw for spec in MODELS["gemma-4-e2b"].layers] == [6144] * 15 + [12_288] * 20
    assert {spec.ffw for spec in MODELS["gemma-4-e4b"].layers} == {10_240}
    for name in ROUNDED:
        small = name.startswith("gemma-4-e")
        assert (MODELS[name].per_layer is not None) == small
        assert MODELS[name].final_softcap == (30.0)
        for mixer in mixers(name):
            assert mixer.query_scale == 1.0
            assert mixer.tied_values == (not small and mixer.window is None)
            assert mixer.media == (not small and mixer.window is not None)
            assert mixer.rope.turning(mixer.head_dim) == (256 if mixer.window else 128)


def test_embeddings_are_scaled_as_bf16_rounds_it() -> None:
    """Of config.json; what GGUF files describe has no type that would round it."""
    scales = {name: MODELS[name].embed_scale for name in ("gemma-4-e4b", "gemma-7b", "gemma-2-9b")}
    assert scales == {"gemma-4-e4b": 50.5, "gemma-7b": 55.5, "gemma-2-9b": 59.75}
    assert MODELS["gemma-3-270m"].embed_scale == 640**0.5


def test_query_scales() -> None:
    """The 27B alone scales by its width per head."""
    scales = {name: mixers(name)[0].query_scale for name in [*GEMMA3, "gemma-2-9b", "gemma-2-27b"]}
    assert scales.pop("gemma-2-27b") == pytest.approx(144**-0.5)
    assert scales.pop("gemma-3-27b") == pytest.approx(168**-0.5)
    assert set(scales.values()) == {256**-0.5}


def test_only_large_gemmas_stretch_positions_and_only_in_global_layers() -> None:
    factors = {
        name: {(mixer.window is None, mixer.rope.theta, mixer.rope.factor) for mixer in mixers(name)}
        for name in GEMMA3
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
