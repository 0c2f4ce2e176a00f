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

import checkpoints
import gguf
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model import native
from model.config import (
    AttentionSpec,
    ExpertsSpec,
    LayerSpec,
    ModelConfig,
    PerLayerSpec,
    RecurrentSpec,
    RopeSpec,
)
from model.nn.qarray import QArray, quantize
from model.weights.params import ArrayInfo, LayerParams, Params, abstract, parts, stacks

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


def attention_of(spec: LayerSpec) -> AttentionSpec:
    """The mixer of a layer that has attention."""
    assert isinstance(spec.mixer, AttentionSpec)
    return spec.mixer


def with_attention(spec: LayerSpec, ffw: int | None = None, **changes: Any) -> LayerSpec:
    """The layer with changes of its attention."""
    return replace(spec, ffw=ffw or spec.ffw, mixer=replace(attention_of(spec), **changes))


_LLAMA = LayerSpec(AttentionSpec(4, 2, 8, RopeSpec(10_000.0), query_scale=8**-0.5), ffw=64)
_GLOBAL = LayerSpec(
    AttentionSpec(
        heads=4,
        kv_heads=2,
        head_dim=16,
        rope=RopeSpec(1_000_000.0, 8.0),
        query_scale=16**-0.5,
        qk_norm=True,
        media=True,
    ),
    ffw=48,
    activation="gelu_tanh",
    post_norms=True,
)
_LOCAL = with_attention(_GLOBAL, rope=RopeSpec(10_000.0), window=WINDOW)


def llama(**changes: Any) -> ModelConfig:
    """Three layers like SmolLM2's; grouped heads."""
    config = ModelConfig("llama", width=32, vocab=VOCAB, context=256, layers=(_LLAMA,) * 3, norm_eps=1e-5)
    return replace(config, **changes)


def qwen(**changes: Any) -> ModelConfig:
    """Two layers with biases on q, k and v, and an output of its own."""
    spec = with_attention(_LLAMA, qkv_bias=True, rope=RopeSpec(1_000_000.0))
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


def gemma1(**changes: Any) -> ModelConfig:
    """Two pre-norm layers with the gate of the Gemmas, and one key and value head."""
    spec = replace(with_attention(_LLAMA, kv_heads=1), activation="gelu_tanh")
    config = replace(llama(), architecture="gemma", layers=(spec,) * 2, norm_eps=1e-6, embed_scale=32**0.5)
    return replace(config, **changes)


def gemma2(count: int = 3, **changes: Any) -> ModelConfig:
    """Sliding and global layers in turn, all with caps."""
    near = AttentionSpec(4, 2, 16, RopeSpec(10_000.0), query_scale=16**-0.5, window=WINDOW, softcap=2.0)
    layers = tuple(
        LayerSpec(
            replace(near, window=None) if index % 2 else near, 48, activation="gelu_tanh", post_norms=True
        )
        for index in range(count)
    )
    config = replace(gemma(), architecture="gemma2", layers=layers, final_softcap=3.0)
    return replace(config, **changes)


def gemma4(
    own: int = 6,
    shared: int = 0,
    *,
    inputs: int = 0,
    experts: ExpertsSpec | None = None,
    tied_values: bool = False,
    **changes: Any,
) -> ModelConfig:
    """Two sliding layers to one global, whose heads are larger; the last is global.

    Args:
        own: layers with keys and values of their own.
        shared: layers after them that have none, with a wider MLP.
        inputs: P of the layers' own inputs.
        experts: beside every MLP.
        tied_values: of the global layers, which have fewer key and value heads then.
        changes: of the configuration.
    """
    near = AttentionSpec(
        heads=4,
        kv_heads=2,
        head_dim=8,
        rope=RopeSpec(10_000.0),
        query_scale=1.0,
        window=WINDOW,
        qk_norm=True,
        v_norm=True,
        media=not inputs,
    )
    far = replace(
        near,
        kv_heads=1 if tied_values else 2,
        head_dim=16,
        rope=RopeSpec(1_000_000.0, rotated=0.25, proportional=True),
        window=None,
        tied_values=tied_values,
        media=False,
    )
    kinds = [
        far if (index + 1) % 3 == 0 or index == own + shared - 1 else near for index in range(own + shared)
    ]

    def layer(index: int) -> LayerSpec:
        mixer = kinds[index]
        if index >= own:
            mixer = replace(mixer, source=max(at for at in range(own) if kinds[at] == mixer))
        ffw = 64 if index >= own else 32
        return LayerSpec(mixer, ffw, "gelu_tanh", post_norms=True, experts=experts, scaled=True)

    config = ModelConfig(
        "gemma4",
        width=32,
        vocab=VOCAB,
        context=256,
        layers=tuple(layer(index) for index in range(own + shared)),
        norm_eps=1e-6,
        embed_scale=32**0.5,
        final_softcap=3.0,
        per_layer=PerLayerSpec(inputs, VOCAB) if inputs else None,
    )
    return replace(config, **changes)


def griffin() -> ModelConfig:
    """Two recurrent layers to one sliding, as RecurrentGemma has them."""
    recurrent = LayerSpec(RecurrentSpec(width=32, heads=4), ffw=32, activation="gelu_tanh", mlp_bias=True)
    near = with_attention(gemma1().layers[0], window=WINDOW, out_bias=True)
    layers = (recurrent, recurrent, replace(near, mlp_bias=True))
    return replace(gemma1(), architecture="griffin", layers=layers)


KINDS: dict[str, ModelConfig] = {
    "full": llama(),
    "rings": gemma(7),
    "recurrent": griffin(),
    "shared": gemma4(3, 3, inputs=8),
}
"""Every kind of memory: full caches, rings with full ones, recurrences with rings, and layers that borrow."""


def random_params(config: ModelConfig, seed: int = 0, *, quantized: bool = False) -> Params:
    """Random weights of a size that makes attention sharp and activations neither fade nor grow."""
    rng = np.random.default_rng(seed)

    def one(info: ArrayInfo) -> Any:
        values = rng.standard_normal(info.shape)
        if info.kind == "vector" and len(info.shape) < 3:
            return jnp.asarray(1 + 0.2 * values, jnp.float32)
        matrix = jnp.asarray(values * 1.5 * info.shape[-1] ** -0.5, jnp.float32)
        return quantize(matrix) if quantized and info.kind == "matrix" else matrix

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
    found = [
        (weights[place], repeat)
        for stack, weights in zip(stacks(config), params.stacks, strict=True)
        for repeat in range(stack.repeats)
        for place in range(len(stack.specs))
        if stack.layer(repeat, place) == index
    ]
    ((layer, repeat),) = found
    return {
        name: None if weight is None else f64(weight)[repeat]
        for name, weight in ((name, getattr(layer, name)) for name in LayerParams.__dataclass_fields__)
    }


Block = tuple[int, np.ndarray]
"""Soft tokens that see one another: the first one's position, and the embeddings [n, D]."""


def dense(
    config: ModelConfig, params: Params, ids: Sequence[int], blocks: Sequence[Block] = ()
) -> np.ndarray:
    """Logits f64 [T, V] after every token; blocks take the place of what ids say."""
    x = f64(params.embed)[list(ids)] * config.embed_scale
    known, reach = np.array(ids), np.arange(len(ids))
    for first, soft in blocks:
        here = slice(first, first + len(soft))
        x[here], reach[here] = soft, first + len(soft) - 1
        known[here] = config.per_layer.pad if config.per_layer else 0
    inputs = _inputs(config, params, x, known) if config.per_layer else None
    remembered: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for index, spec in enumerate(config.layers):
        weights, eps = layer_params(config, params, index), config.norm_eps
        mixed = _attention(
            _norm(x, weights["attn_norm"], eps), weights, attention_of(spec), eps, index, remembered, reach
        )
        x = x + (_norm(mixed, weights["post_attn_norm"], eps) if spec.post_norms else mixed)
        hidden = _mlp(_norm(x, weights["ffn_norm"], eps), weights, spec)
        if spec.experts:
            hidden = _norm(hidden, weights["mlp_post_norm"], eps) + _experts(x, weights, spec, eps)
        x = x + (_norm(hidden, weights["post_ffn_norm"], eps) if spec.post_norms else hidden)
        if inputs is not None:
            gate = _activated(x @ _given(weights["ple_gate"]).T, spec.activation) * inputs[:, index]
            x = x + _norm(gate @ _given(weights["ple_out"]).T, weights["ple_post_norm"], eps)
        x = x * _given(weights["layer_scale"]) if spec.scaled else x
    output = params.embed if config.tied else params.output
    logits = _norm(x, f64(params.final_norm), config.norm_eps) @ f64(output).T
    return _capped(logits, config.final_softcap)


def _given(weight: np.ndarray | None) -> np.ndarray:
    assert weight is not None
    return weight


def _capped(x: np.ndarray, cap: float | None) -> np.ndarray:
    return x if cap is None else cap * np.tanh(x / cap)


def _norm(x: np.ndarray, weight: Any, eps: float) -> np.ndarray:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weight


def _inputs(config: ModelConfig, params: Params, x: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """[T, L, P]: half from the ids, half from the embeddings."""
    assert config.per_layer
    shape = (len(ids), len(config.layers), config.per_layer.width)
    of_ids = (f64(params.ple_embed)[ids] * shape[2] ** 0.5).reshape(shape)
    of_embedding = (x @ f64(params.ple_in).T / config.width**0.5).reshape(shape)
    return (of_ids + _norm(of_embedding, f64(params.ple_norm), config.norm_eps)) / 2**0.5


def _attention(
    x: np.ndarray,
    weights: Mapping[str, Any],
    spec: AttentionSpec,
    eps: float,
    index: int,
    remembered: dict[int, tuple[np.ndarray, np.ndarray]],
    reach: np.ndarray,
) -> np.ndarray:
    tokens, size, at = len(x), spec.head_dim, np.arange(len(x))
    qkv = x @ weights["qkv"].T
    if spec.qkv_bias:
        qkv = qkv + weights["qkv_bias"]
    qkv = qkv.reshape(tokens, -1, size)
    q, rest = qkv[:, : spec.heads], qkv[:, spec.heads :]
    if spec.qk_norm:
        q = _norm(q, weights["q_norm"], eps)
    if spec.source is None:
        k, v = rest[:, : spec.kv_heads], rest[:, -spec.kv_heads :]
        if spec.v_norm:
            v = _norm(v, 1.0, eps)
        if spec.qk_norm:
            k = _norm(k, weights["k_norm"], eps)
        remembered[index] = rope(k, at, spec.rope), v
    k, v = remembered[index if spec.source is None else spec.source]
    mixed = attention(
        rope(q, at, spec.rope),
        k,
        v,
        at,
        at,
        scale=spec.query_scale,
        window=spec.window,
        softcap=spec.softcap,
        reach=reach if spec.media else None,
    )
    out = mixed.reshape(tokens, -1) @ weights["attn_out"].T
    return out + weights["attn_out_bias"] if spec.out_bias else out


def rope(x: np.ndarray, positions: np.ndarray, spec: RopeSpec) -> np.ndarray:
    """Heads [T, N, H] turned, pairs of numbers as complex ones; the rest is left as it is."""
    size = x.shape[-1]
    turning = round(spec.rotated * size)
    pairs, apart = turning // 2, (size if spec.proportional else turning) // 2
    turns = np.exp(1j * positions[:, None] / spec.factor / spec.theta ** (np.arange(pairs) / apart))
    turned = (x[..., :pairs] + 1j * x[..., apart : apart + pairs]) * turns[:, None]
    out = np.array(x, float)
    out[..., :pairs], out[..., apart : apart + pairs] = turned.real, turned.imag
    return out


def attention(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    at: np.ndarray,
    key_at: np.ndarray,
    *,
    scale: float,
    window: int | None,
    softcap: float | None = None,
    reach: np.ndarray | None = None,
) -> np.ndarray:
    """Head by head in f64: q [T, N, H], k and v [S, K, H]; a position of -1 holds and sees nothing."""
    query, key = np.asarray(at)[:, None], np.asarray(key_at)[None]
    oldest = 0 if window is None else np.maximum(query - window + 1, 0)
    newest = query if reach is None else np.asarray(reach)[:, None]
    unseen = np.where((oldest <= key) & (key <= newest), 0.0, -np.inf)
    out = np.zeros(q.shape)
    for head in range(q.shape[1]):
        served = head // (q.shape[1] // k.shape[1])
        scores = q[:, head].astype(float) @ k[:, served].T.astype(float) * scale
        scores = _capped(scores, softcap) + unseen
        peak = scores.max(-1, keepdims=True)
        likely = np.exp(scores - np.where(np.isfinite(peak), peak, 0))
        total = likely.sum(-1, keepdims=True)
        out[:, head] = likely @ v[:, served] / np.where(total > 0, total, 1)
    return out


def _activated(gate: np.ndarray, activation: str) -> np.ndarray:
    if activation == "silu":
        return gate / (1 + np.exp(-gate))
    return gate / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3)))


def _mlp(x: np.ndarray, weights: Mapping[str, Any], spec: LayerSpec) -> np.ndarray:
    both = x @ weights["gate_up"].T + (weights["gate_up_bias"] if spec.mlp_bias else 0)
    gate, up = np.split(both, 2, axis=-1)
    out = (_activated(gate, spec.activation) * up) @ weights["down"].T
    return out + weights["down_bias"] if spec.mlp_bias else out


def _experts(x: np.ndarray, weights: Mapping[str, Any], spec: LayerSpec, eps: float) -> np.ndarray:
    """Token by token, expert by expert."""
    assert spec.experts
    scores = _norm(x, weights["router_scale"], eps) / x.shape[1] ** 0.5 @ weights["router"].T
    likely = np.exp(scores - scores.max(-1, keepdims=True))
    entering, out = _norm(x, weights["experts_norm"], eps), np.zeros(x.shape)
    for token, row in enumerate(likely):
        chosen = np.argsort(-row)[: spec.experts.active]
        for expert in chosen:
            gate, up = np.split(weights["experts_gate_up"][expert] @ entering[token], 2)
            result = weights["experts_down"][expert] @ (_activated(gate, spec.activation) * up)
            out[token] += row[expert] / row[chosen].sum() * weights["expert_scale"][expert] * result
    return _norm(out, weights["experts_post_norm"], eps)


# --- GGUF files ---------------------------------------------------------------------------------------------

Tensors = dict[str, np.ndarray]


def tensors_of(config: ModelConfig, params: Params) -> Tensors:
    """A model's weights under the names and in the order of rows that a GGUF file has."""
    found = {"token_embd.weight": f64(params.embed), "output_norm.weight": f64(params.final_norm)}
    if not config.tied:
        found["output.weight"] = f64(params.output)
    if config.per_layer:
        found |= {
            "per_layer_token_embd.weight": f64(params.ple_embed),
            "per_layer_model_proj.weight": f64(params.ple_in),
            "per_layer_proj_norm.weight": f64(params.ple_norm),
        }
    for index, spec in enumerate(config.layers):
        for place, weight in layer_params(config, params, index).items():
            if weight is None:
                continue
            sizes = parts(spec, place)
            pieces = np.split(weight, np.cumsum(sizes)[:-1]) if sizes else [weight]
            for name, piece in zip(_IN_FILE[place], pieces, strict=True):
                heads = attention_of(spec).projections["qk".index(name[5])] if name[:6] in _ROTARY else 0
                if len(piece):
                    rows = permuted(piece, heads) if config.adjacent_pairs and heads else piece
                    found[f"blk.{index}.{name}"] = rows
    proportional = [mixer for mixer in map(attention_of, config.layers) if mixer.rope.proportional]
    for far in proportional[:1]:
        pairs = far.rope.turning(far.head_dim) // 2
        found["rope_freqs.weight"] = np.array([1.0] * pairs + [1e30] * (far.head_dim // 2 - pairs))
    return {name: np.ascontiguousarray(weight, np.float32) for name, weight in found.items()}


_ROTARY = ("attn_q", "attn_k")
_IN_FILE = {
    "attn_norm": ["attn_norm.weight"],
    "qkv": ["attn_q.weight", "attn_k.weight", "attn_v.weight"],
    "qkv_bias": ["attn_q.bias", "attn_k.bias", "attn_v.bias"],
    "q_norm": ["attn_q_norm.weight"],
    "k_norm": ["attn_k_norm.weight"],
    "attn_out": ["attn_output.weight"],
    "post_attn_norm": ["post_attention_norm.weight"],
    "ffn_norm": ["ffn_norm.weight"],
    "gate_up": ["ffn_gate.weight", "ffn_up.weight"],
    "down": ["ffn_down.weight"],
    "post_ffn_norm": ["post_ffw_norm.weight"],
    "router_scale": ["ffn_gate_inp.scale"],
    "router": ["ffn_gate_inp.weight"],
    "expert_scale": ["ffn_down_exps.scale"],
    "experts_norm": ["pre_ffw_norm_2.weight"],
    "experts_gate_up": ["ffn_gate_up_exps.weight"],
    "experts_down": ["ffn_down_exps.weight"],
    "mlp_post_norm": ["post_ffw_norm_1.weight"],
    "experts_post_norm": ["post_ffw_norm_2.weight"],
    "ple_gate": ["inp_gate.weight"],
    "ple_out": ["proj.weight"],
    "ple_post_norm": ["post_norm.weight"],
    "layer_scale": ["layer_output_scale.weight"],
}


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows as llama.cpp's convert_hf_to_gguf.py (`LlamaModel.permute`) writes them for Llama."""
    return (
        weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
        .swapaxes(1, 2)
        .reshape(weight.shape)
    )


def metadata_of(config: ModelConfig) -> dict[str, Any]:
    """The keys of a configuration as GGUF names them."""
    mixers = [attention_of(spec) for spec in config.layers]
    far = next((mixer for mixer in mixers if mixer.window is None), mixers[0])
    near = next((mixer for mixer in mixers if mixer.window is not None), None)
    keys: dict[str, Any] = {
        "block_count": len(config.layers),
        "context_length": config.context,
        "embedding_length": config.width,
        "feed_forward_length": config.layers[0].ffw,
        "attention.head_count": far.heads,
        "attention.head_count_kv": far.kv_heads,
        "attention.key_length": far.head_dim,
        "attention.layer_norm_rms_epsilon": config.norm_eps,
        "rope.freq_base": far.rope.theta,
    }
    if far.rope.factor != 1:
        keys |= {"rope.scaling.type": "linear", "rope.scaling.factor": far.rope.factor}
    if near is not None:
        keys["attention.sliding_window"] = near.window
    if config.final_softcap is not None:
        keys["final_logit_softcapping"] = config.final_softcap
    if far.softcap is not None:
        keys["attn_logit_softcapping"] = far.softcap
    if config.architecture == "gemma4":
        assert near is not None
        keys |= {
            "feed_forward_length": [spec.ffw for spec in config.layers],
            "attention.head_count_kv": [mixer.kv_heads for mixer in mixers],
            "attention.key_length_swa": near.head_dim,
            "attention.sliding_window_pattern": [mixer.window is not None for mixer in mixers],
            "attention.shared_kv_layers": sum(mixer.source is not None for mixer in mixers),
            "embedding_length_per_layer_input": config.per_layer.width if config.per_layer else 0,
        }
        if experts := config.layers[0].experts:
            keys |= {
                "expert_count": experts.count,
                "expert_used_count": experts.active,
                "expert_feed_forward_length": experts.ffw,
            }
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
    return checkpoints.write_gguf(
        path,
        metadata,
        {
            name: checkpoints.packed(weight, kind) if weight.ndim > 1 else weight
            for name, weight in tensors.items()
        },
    )


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
    spec = LayerSpec(AttentionSpec(1, 1, 32, RopeSpec(10_000.0), query_scale=32**-0.5), ffw=32)
    return replace(
        llama(), width=288, vocab=PARROT_VOCAB, context=512, layers=(spec,), tied=False, adjacent_pairs=True
    )


def write_parrot(path: Path, chain: Iterable[int], window: int = 512) -> Path:
    """A sound model file whose likeliest next token is the next one of `chain`, all of whose ids differ."""
    config, chain = replace(parrot_config(), context=window), list(chain)
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
