"""Tiny random models, their plain definition, and tiny GGUF files, for the tests of the engine.

`dense` is the definition that the engine is held to: no cache, no chunks, no scan, no blocks, one explicit
mask, everything in f64 numpy, written from the papers and not from the code under test.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import gguf
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model import native
from model.config import LayerSpec, ModelConfig, RopeSpec
from model.nn.qarray import QArray, quantize
from model.weights.params import ArrayInfo, LayerParams, Params, abstract

VOCAB = 97

QUICK = {"xla_backend_optimization_level": 0}
"""For `jax.jit(compiler_options=…)`: machine code that is made in half the time, of the same operations."""

WINDOW = 8


def needs_kernel(kernel: native.Kernel) -> None:
    """Compile a kernel for this process; without a compiler the test is skipped, where that may be."""
    why = native.enable(kernel, None)
    if why is not None and "no C compiler" in why and os.environ.get("CI") != "true":
        pytest.skip(why)
    assert why is None, why


_LLAMA = LayerSpec(heads=4, kv_heads=2, head_dim=8, ffw=64, rope=RopeSpec(10_000.0), query_scale=8**-0.5)
_GLOBAL = LayerSpec(
    heads=4,
    kv_heads=2,
    head_dim=16,
    ffw=48,
    rope=RopeSpec(1_000_000.0, 8.0),
    query_scale=16**-0.5,
    qk_norm=True,
    post_norms=True,
    activation="gelu_tanh",
)
_LOCAL = replace(_GLOBAL, rope=RopeSpec(10_000.0), window=WINDOW)


def llama(**changes: Any) -> ModelConfig:
    """Three layers like SmolLM2's; grouped heads."""
    config = ModelConfig("llama", width=32, vocab=VOCAB, context=256, layers=(_LLAMA,) * 3, norm_eps=1e-5)
    return replace(config, **changes)


def qwen(**changes: Any) -> ModelConfig:
    """Two layers with biases on q, k and v, and an output of its own."""
    spec = replace(_LLAMA, qkv_bias=True, rope=RopeSpec(1_000_000.0))
    return replace(llama(), architecture="qwen2", layers=(spec,) * 2, norm_eps=1e-6, tied=False, **changes)


def gemma(count: int = 8, **changes: Any) -> ModelConfig:
    """Five sliding layers to one global, and a remainder (of 2); every other thing that Gemma 3 has."""
    config = ModelConfig(
        "gemma3",
        width=32,
        vocab=VOCAB,
        context=256,
        layers=tuple(_GLOBAL if (i + 1) % 6 == 0 else _LOCAL for i in range(count)),
        norm_eps=1e-6,
        embed_scale=32**0.5,
    )
    return replace(config, **changes)


def random_params(config: ModelConfig, seed: int = 0, *, quantized: bool = False) -> Params:
    """Random weights of a size that makes attention sharp and activations neither fade nor grow."""
    rng = np.random.default_rng(seed)

    def one(info: ArrayInfo) -> Any:
        values = rng.standard_normal(info.shape)
        if info.kind == "vector":
            return jnp.asarray(1 + 0.2 * values, jnp.float32)
        matrix = jnp.asarray(values * 1.5 * info.shape[-1] ** -0.5, jnp.float32)
        return quantize(matrix) if quantized else matrix

    return jax.tree.map(one, abstract(config), is_leaf=lambda leaf: isinstance(leaf, ArrayInfo))


def random_ids(count: int, seed: int = 0, vocab: int = VOCAB) -> list[int]:
    """Tokens of a text."""
    return np.random.default_rng(seed).integers(0, vocab, count).tolist()


def f64(weight: Any) -> np.ndarray:
    """A parameter's value, whichever way it is stored."""
    if isinstance(weight, QArray):
        coarse, fine = np.moveaxis(np.asarray(weight.values, np.float64), -3, 0)
        return (coarse + fine / 254) * np.asarray(weight.scales, np.float64)[..., None]
    return np.asarray(weight, np.float64)


def layer_params(config: ModelConfig, params: Params, index: int) -> dict[str, np.ndarray | None]:
    """The weights of one layer of the model."""
    pattern = len(params.stacks[0])
    whole = len(config.layers) // pattern * pattern
    stack, repeat = (0, index // pattern) if index < whole else (1, 0)
    layer: LayerParams = params.stacks[stack][index % pattern]
    return {
        name: None if weight is None else f64(weight)[repeat]
        for name, weight in ((name, getattr(layer, name)) for name in LayerParams.__dataclass_fields__)
    }


def dense(config: ModelConfig, params: Params, ids: Sequence[int]) -> np.ndarray:
    """Logits f64 [T, V] after every token."""
    x = f64(params.embed)[list(ids)] * config.embed_scale
    for index, spec in enumerate(config.layers):
        weights = layer_params(config, params, index)
        mixed = _attention(_norm(x, weights["attn_norm"], config.norm_eps), weights, spec, config.norm_eps)
        x = x + (_norm(mixed, weights["post_attn_norm"], config.norm_eps) if spec.post_norms else mixed)
        hidden = _mlp(_norm(x, weights["ffn_norm"], config.norm_eps), weights, spec)
        x = x + (_norm(hidden, weights["post_ffn_norm"], config.norm_eps) if spec.post_norms else hidden)
    output = params.embed if config.tied else params.output
    logits = _norm(x, f64(params.final_norm), config.norm_eps) @ f64(output).T
    cap = config.final_softcap
    return logits if cap is None else cap * np.tanh(logits / cap)


def _norm(x: np.ndarray, weight: Any, eps: float) -> np.ndarray:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weight


def _attention(x: np.ndarray, weights: Mapping[str, Any], spec: LayerSpec, eps: float) -> np.ndarray:
    tokens, size = len(x), spec.head_dim
    qkv = x @ weights["qkv"].T
    if spec.qkv_bias:
        qkv = qkv + weights["qkv_bias"]
    qkv = qkv.reshape(tokens, -1, size)
    q, k, v = qkv[:, : spec.heads], qkv[:, spec.heads : -spec.kv_heads], qkv[:, -spec.kv_heads :]
    if spec.qk_norm:
        q, k = _norm(q, weights["q_norm"], eps), _norm(k, weights["k_norm"], eps)
    q, k = (rope(part, np.arange(tokens), spec.rope) for part in (q, k))
    mixed = attention(
        q, k, v, np.arange(tokens), np.arange(tokens), scale=spec.query_scale, window=spec.window
    )
    return mixed.reshape(tokens, -1) @ weights["attn_out"].T


def rope(x: np.ndarray, positions: np.ndarray, spec: RopeSpec) -> np.ndarray:
    """Heads [T, N, H] turned, the pairs (i, i + H/2) as complex numbers."""
    half = x.shape[-1] // 2
    turns = np.exp(1j * positions[:, None] / spec.factor / spec.theta ** (np.arange(half) / half))
    turned = (x[..., :half] + 1j * x[..., half:]) * turns[:, None]
    return np.concatenate([turned.real, turned.imag], -1)


def attention(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    at: np.ndarray,
    key_at: np.ndarray,
    *,
    scale: float,
    window: int | None,
) -> np.ndarray:
    """Head by head in f64: q [T, N, H], k and v [S, K, H]; a position of -1 holds and sees nothing."""
    query, key = np.asarray(at)[:, None], np.asarray(key_at)[None]
    oldest = 0 if window is None else np.maximum(query - window + 1, 0)
    unseen = np.where((oldest <= key) & (key <= query), 0.0, -np.inf)
    out = np.zeros(q.shape)
    for head in range(q.shape[1]):
        served = head // (q.shape[1] // k.shape[1])
        scores = q[:, head].astype(float) @ k[:, served].T.astype(float) * scale + unseen
        peak = scores.max(-1, keepdims=True)
        likely = np.exp(scores - np.where(np.isfinite(peak), peak, 0))
        total = likely.sum(-1, keepdims=True)
        out[:, head] = likely @ v[:, served] / np.where(total > 0, total, 1)
    return out


def _mlp(x: np.ndarray, weights: Mapping[str, Any], spec: LayerSpec) -> np.ndarray:
    gate, up = (x @ part.T for part in np.split(weights["gate_up"], 2))
    if spec.activation == "silu":
        gate = gate / (1 + np.exp(-gate))
    else:
        gate = gate / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3)))
    return (gate * up) @ weights["down"].T


# --- GGUF files ---------------------------------------------------------------------------------------------

Tensors = dict[str, np.ndarray]


def tensors_of(config: ModelConfig, params: Params) -> Tensors:
    """A model's weights under the names and in the order of rows that a GGUF file has."""
    found = {"token_embd.weight": f64(params.embed), "output_norm.weight": f64(params.final_norm)}
    if not config.tied:
        found["output.weight"] = f64(params.output)
    single = {
        "attn_norm": "attn_norm.weight",
        "q_norm": "attn_q_norm.weight",
        "k_norm": "attn_k_norm.weight",
        "attn_out": "attn_output.weight",
        "post_attn_norm": "post_attention_norm.weight",
        "ffn_norm": "ffn_norm.weight",
        "down": "ffn_down.weight",
        "post_ffn_norm": "post_ffw_norm.weight",
    }
    for index, spec in enumerate(config.layers):
        weights = layer_params(config, params, index)
        for place, name in single.items():
            if (weight := weights[place]) is not None:
                found[f"blk.{index}.{name}"] = weight
        for place, kind in (("qkv", "weight"), ("qkv_bias", "bias")):
            if (weight := weights[place]) is not None:
                ends = np.cumsum([spec.heads, spec.kv_heads]) * spec.head_dim
                q, k, v = np.split(weight, ends)
                if config.adjacent_pairs:
                    q, k = permuted(q, spec.heads), permuted(k, spec.kv_heads)
                found |= {
                    f"blk.{index}.attn_{which}.{kind}": part
                    for which, part in zip("qkv", (q, k, v), strict=True)
                }
        assert weights["gate_up"] is not None
        gate, up = np.split(weights["gate_up"], 2)
        found |= {f"blk.{index}.ffn_gate.weight": gate, f"blk.{index}.ffn_up.weight": up}
    return {name: np.ascontiguousarray(weight, np.float32) for name, weight in found.items()}


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows as llama.cpp's convert_hf_to_gguf.py (`LlamaModel.permute`) writes them for Llama."""
    return (
        weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
        .swapaxes(1, 2)
        .reshape(weight.shape)
    )


def metadata_of(config: ModelConfig) -> dict[str, Any]:
    """The keys of a configuration as GGUF names them."""
    spec = next((spec for spec in config.layers if spec.window is None), config.layers[0])
    keys: dict[str, Any] = {
        "block_count": len(config.layers),
        "context_length": config.context,
        "embedding_length": config.width,
        "feed_forward_length": spec.ffw,
        "attention.head_count": spec.heads,
        "attention.head_count_kv": spec.kv_heads,
        "attention.key_length": spec.head_dim,
        "attention.layer_norm_rms_epsilon": config.norm_eps,
        "rope.freq_base": spec.rope.theta,
    }
    if spec.rope.factor != 1:
        keys |= {"rope.scaling.type": "linear", "rope.scaling.factor": spec.rope.factor}
    windows = [spec.window for spec in config.layers if spec.window]
    if windows:
        keys["attention.sliding_window"] = windows[0]
    return {"general.architecture": config.architecture} | {
        f"{config.architecture}.{key}": value for key, value in keys.items()
    }


def write_gguf(
    path: Path,
    metadata: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
) -> Path:
    """A GGUF file; matrices are of this type, vectors f32."""
    writer = gguf.GGUFWriter(path, metadata["general.architecture"])
    for key, value in metadata.items():
        if key != "general.architecture":
            _ADD[type(value)](writer, key, value)
    for name, weight in tensors.items():
        if weight.ndim == 2 and kind != gguf.GGMLQuantizationType.F32:
            writer.add_tensor(name, gguf.quantize(weight, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


_ADD: dict[type, Any] = {
    int: gguf.GGUFWriter.add_uint32,
    float: gguf.GGUFWriter.add_float32,
    str: gguf.GGUFWriter.add_string,
    bool: gguf.GGUFWriter.add_bool,
    list: gguf.GGUFWriter.add_array,
}


# --- a model that says what the test wants --------------------------------------------------------------

END = 256  # id of <|im_end|>
START = 257
PARROT_VOCAB = 259


def byte_tokenizer() -> dict[str, Any]:
    """Metadata of a byte-level tokenizer: byte b is token b; then two control tokens, and two spaces."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letter = {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": [*(letter[byte] for byte in range(256)), "<|im_end|>", "<|im_start|>", "ĠĠ"],
        "tokenizer.ggml.token_type": [1] * 256 + [3] * 2 + [1],
        "tokenizer.ggml.merges": ["Ġ Ġ"],
        "tokenizer.ggml.eos_token_id": END,
        "tokenizer.ggml.bos_token_id": START,
        "tokenizer.ggml.add_bos_token": False,
    }


def parrot_config() -> ModelConfig:
    """One layer, wide enough for an embedding of its own axis for every token."""
    spec = replace(_LLAMA, heads=1, kv_heads=1, head_dim=32, ffw=32, query_scale=32**-0.5)
    return replace(
        llama(), width=288, vocab=PARROT_VOCAB, context=512, layers=(spec,), tied=False, adjacent_pairs=True
    )


def write_parrot(path: Path, chain: Iterable[int]) -> Path:
    """A sound model file whose likeliest next token is the next one of `chain`, all of whose ids differ."""
    config, chain = parrot_config(), list(chain)
    assert len(set(chain)) == len(chain), "each token has one successor"
    zeros = jax.tree.map(
        lambda info: jnp.full(info.shape, float(info.kind == "vector")),
        abstract(config),
        is_leaf=lambda leaf: isinstance(leaf, ArrayInfo),
    )
    output = np.zeros((config.vocab, config.width), np.float32)
    for before, after in pairwise(chain):
        output[after, before] = 1
    params = replace(zeros, embed=np.eye(config.vocab, config.width, dtype=np.float32), output=output)
    template = (
        "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>{% endif %}"
    )
    metadata = (
        metadata_of(config)
        | byte_tokenizer()
        | {
            "tokenizer.chat_template": template,
            "general.file_type": 7,
        }
    )
    return write_gguf(path, metadata, tensors_of(config, params), gguf.GGMLQuantizationType.Q8_0)
