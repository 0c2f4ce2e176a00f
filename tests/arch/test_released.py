"""The models as released: weights and cache bytes against the published numbers, traced without memory."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.arch.released import names, released
from model.audio.params import parameters as audio_parameters
from model.cache.state import init_state
from model.config import AttentionSpec, period
from model.decoder.decoder import Decoder
from model.nn.qarray import QArray
from model.vision.params import parameters as vision_parameters
from model.weights.params import ArrayInfo, abstract, stacks

MODELS = {name: released(name).config for name in names()}

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
    "recurrentgemma-2b": 2_682_862_080,
    "recurrentgemma-9b": 8_579_977_216,
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

SENSES = {
    "gemma-3-4b": (True, False),
    "gemma-3-12b": (True, False),
    "gemma-3-27b": (True, False),
    "gemma-4-e2b": (True, True),
    "gemma-4-e4b": (True, True),
    "gemma-4-12b": (True, True),
    "gemma-4-26b-a4b": (True, False),
    "gemma-4-31b": (True, False),
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


@pytest.mark.parametrize("name", MODELS)
def test_senses(name: str) -> None:
    about = released(name)
    assert (about.vision is not None, about.audio is not None) == SENSES.get(name, (False, False))
    weights = vision_parameters(about.vision) if about.vision else 0
    weights += audio_parameters(about.audio) if about.audio else 0
    assert about.encoder_parameters == weights
    for spec in (about.vision, about.audio):
        assert spec is None or spec.text_width == about.config.width


def test_windows() -> None:
    short = {name: MODELS[name].context for name in MODELS if MODELS[name].context < 100_000}
    assert {name for name, context in short.items() if context == 32_768} == {
        "gemma-3-270m", "gemma-3-1b", "qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-7b",
    }  # fmt: skip
    assert {name for name in MODELS if MODELS[name].context == 262_144} == {
        "gemma-4-12b", "gemma-4-26b-a4b", "gemma-4-31b",
    }  # fmt: skip


def test_a_recurrence_takes_the_same_room_at_any_length() -> None:
    for name in ("recurrentgemma-2b", "recurrentgemma-9b"):
        assert MODELS[name].kv_bytes(1 << 20) == MODELS[name].kv_bytes(2048)


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
