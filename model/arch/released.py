"""The released models' architectures as data, for models that are not here.

The numbers are those of their own files: of config.json, and of GGUF metadata where that is what is pulled.
They go through the same builders as a file does, so that nothing is said of a model that its file would not
say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from model.arch.audio import audio_spec_from_hf
from model.arch.gguf import config_from_gguf
from model.arch.hf import config_from_hf
from model.arch.vision import vision_spec_from_hf
from model.audio.spec import AudioSpec
from model.config import ModelConfig
from model.vision.spec import VisionSpec


@dataclass(frozen=True, slots=True)
class Released:
    """A released model, described.

    Attributes:
        config: the decoder.
        vision, audio: how it sees and hears; None where it does not.
        encoder_parameters: number of weights that seeing and hearing take, clipping bounds apart.
    """

    config: ModelConfig
    vision: VisionSpec | None = None
    audio: AudioSpec | None = None
    encoder_parameters: int = 0


@dataclass(frozen=True, slots=True)
class _Shape:
    """A tensor as builders ask for it."""

    shape: tuple[int, ...]
    dtype: str = "BF16"


def names() -> tuple[str, ...]:
    """The models that are known."""
    return tuple(_MADE)


@cache
def released(name: str) -> Released:
    """What the model called `name` is.

    Raises:
        KeyError: it is not one of `names`.
    """
    make, numbers = _MADE[name]
    return make(name, **numbers)


def _gguf(name: str, *, kind: str, layers: int, width: int, heads: tuple[int, int], ffw: int, vocab: int,
          context: int, head_dim: int = 0, tied: bool = True, window: int = 0) -> Released:  # fmt: skip
    keys: dict[str, Any] = {
        "block_count": layers,
        "context_length": context,
        "embedding_length": width,
        "feed_forward_length": ffw,
        "attention.head_count": heads[0],
        "attention.head_count_kv": heads[1],
        "attention.layer_norm_rms_epsilon": 1e-6,
    }
    sees = False
    if kind == "gemma3":
        keys |= {"attention.key_length": head_dim, "attention.value_length": head_dim, "rope.freq_base": 1e6}
        keys["attention.sliding_window"] = window
        sees = width > 2000  # as are the positions stretched, from the 4B on
        keys |= {"rope.scaling.type": "linear", "rope.scaling.factor": 8.0} if sees else {}
    metadata = {"general.architecture": kind} | {f"{kind}.{key}": value for key, value in keys.items()}
    tensors = {f"blk.{index}.attn_q.weight": _Shape((1, 1)) for index in range(layers)}
    tensors |= {"token_embd.weight": _Shape((vocab, width))}
    tensors |= {} if tied else {"output.weight": _Shape((vocab, width))}
    config = config_from_gguf(metadata, tensors)
    if not sees:
        return Released(config)
    whole = {"model_type": "gemma3", "text_config": {"hidden_size": width}} | _SIGLIP
    return Released(config, vision_spec_from_hf(whole), None, _ENCODERS[name])


def _hub(name: str, *, kind: str, layers: int, width: int, heads: tuple[int, int], head_dim: int, ffw: int,
         vocab: int, context: int, **more: Any) -> Released:  # fmt: skip
    senses = {key: more.pop(key) for key in ("vision_config", "audio_config") if key in more}
    tensors = {f"model.layers.{index}.input_layernorm.weight": _Shape((width,)) for index in range(layers)}
    tensors |= {"model.embed_tokens.weight": _Shape((vocab, width))}
    text: Mapping[str, Any] = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "vocab_size": vocab,
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        "head_dim": head_dim,
        "intermediate_size": ffw,
        "max_position_embeddings": context,
        **more,
    }
    if not kind.startswith("gemma4"):
        return Released(config_from_hf({"model_type": kind, **text}, tensors))
    whole = {"model_type": kind, "text_config": {"model_type": f"{kind}_text", **text}, **senses}
    return Released(
        config_from_hf(whole, tensors),
        vision_spec_from_hf(whole),
        audio_spec_from_hf(whole),
        _ENCODERS[name],
    )


def _gemma4(name: str, *, layers: int, window: int, pattern: int = 6, kind: str = "gemma4",
            **more: Any) -> Released:  # fmt: skip
    kinds = [("full" if (i + 1) % pattern == 0 else "sliding") + "_attention" for i in range(layers)]
    return _hub(
        name,
        kind=kind,
        layers=layers,
        head_dim=256,
        vocab=262_144,
        global_head_dim=512,
        sliding_window=window,
        layer_types=kinds,
        final_logit_softcapping=30.0,
        **more,
    )


_SIGLIP: dict[str, Any] = {
    "mm_tokens_per_image": 256,
    "vision_config": {
        "hidden_size": 1152,
        "image_size": 896,
        "patch_size": 14,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "intermediate_size": 4304,
    },
}
_LARGE_SIGHT = {
    "hidden_size": 1152,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "head_dim": 72,
    "intermediate_size": 4304,
    "standardize": True,
}
_SMALL: dict[str, Any] = {
    "context": 131_072,
    "window": 512,
    "vision_config": {"use_clipped_linears": True, "num_key_value_heads": 12},
    "audio_config": {"model_type": "gemma4_audio"},
}
_LARGE: dict[str, Any] = {
    "context": 262_144,
    "window": 1024,
    "attention_k_eq_v": True,
    "hidden_size_per_layer_input": 0,
    "use_bidirectional_attention": "vision",
    "vision_config": _LARGE_SIGHT,
}
_GEMMA1: dict[str, Any] = {"kind": "gemma", "head_dim": 256, "vocab": 256_000, "context": 8192}
_GEMMA2 = _GEMMA1 | {"kind": "gemma2"}
_GRIFFIN = _GEMMA1 | {"kind": "recurrent_gemma"}
_GEMMA3: dict[str, Any] = {
    "kind": "gemma3",
    "head_dim": 256,
    "vocab": 262_144,
    "context": 131_072,
    "window": 1024,
}
_SHORT = {"context": 32_768, "window": 512}
_SMOL: dict[str, Any] = {"kind": "llama", "vocab": 49_152, "context": 8192}
_QWEN: dict[str, Any] = {"kind": "qwen2", "vocab": 151_936, "context": 32_768}

_MADE: dict[str, tuple[Callable[..., Released], dict[str, Any]]] = {
    "gemma-2b": (_hub, _GEMMA1 | {"layers": 18, "width": 2048, "heads": (8, 1), "ffw": 16_384}),
    "gemma-7b": (_hub, _GEMMA1 | {"layers": 28, "width": 3072, "heads": (16, 16), "ffw": 24_576}),
    "gemma-2-2b": (_hub, _GEMMA2 | {"layers": 26, "width": 2304, "heads": (8, 4), "ffw": 9216}),
    "gemma-2-9b": (_hub, _GEMMA2 | {"layers": 42, "width": 3584, "heads": (16, 8), "ffw": 14_336}),
    "gemma-2-27b": (_hub, _GEMMA2 | {
        "layers": 46, "width": 4608, "heads": (32, 16), "head_dim": 128, "ffw": 36_864,
        "query_pre_attn_scalar": 144,
    }),
    "gemma-3-270m": (_gguf, _GEMMA3 | _SHORT | {"layers": 18, "width": 640, "heads": (4, 1), "ffw": 2048}),
    "gemma-3-1b": (_gguf, _GEMMA3 | _SHORT | {"layers": 26, "width": 1152, "heads": (4, 1), "ffw": 6912}),
    "gemma-3-4b": (_gguf, _GEMMA3 | {"layers": 34, "width": 2560, "heads": (8, 4), "ffw": 10_240}),
    "gemma-3-12b": (_gguf, _GEMMA3 | {"layers": 48, "width": 3840, "heads": (16, 8), "ffw": 15_360}),
    "gemma-3-27b": (_gguf, _GEMMA3 | {
        "layers": 62, "width": 5376, "heads": (32, 16), "head_dim": 128, "ffw": 21_504,
    }),
    "gemma-4-e2b": (_gemma4, _SMALL | {
        "layers": 35, "width": 1536, "heads": (8, 1), "ffw": 6144, "pattern": 5, "num_kv_shared_layers": 20,
        "use_double_wide_mlp": True,
    }),
    "gemma-4-e4b": (_gemma4, _SMALL | {
        "layers": 42, "width": 2560, "heads": (8, 2), "ffw": 10_240, "num_kv_shared_layers": 18,
    }),
    "gemma-4-12b": (_gemma4, {
        "kind": "gemma4_unified", "context": 262_144, "window": 1024, "layers": 48, "width": 3840,
        "heads": (16, 8), "ffw": 15_360, "num_global_key_value_heads": 1, "attention_k_eq_v": True,
        "vision_config": {"mm_embed_dim": 3840}, "audio_config": {"model_type": "gemma4_unified_audio"},
    }),
    "gemma-4-26b-a4b": (_gemma4, _LARGE | {
        "layers": 30, "width": 2816, "heads": (16, 8), "ffw": 2112, "num_global_key_value_heads": 2,
        "enable_moe_block": True, "num_experts": 128, "top_k_experts": 8, "moe_intermediate_size": 704,
    }),
    "gemma-4-31b": (_gemma4, _LARGE | {
        "layers": 60, "width": 5376, "heads": (32, 16), "ffw": 21_504, "num_global_key_value_heads": 4,
    }),
    "recurrentgemma-2b": (_hub, _GRIFFIN | {"layers": 26, "width": 2560, "heads": (10, 1), "ffw": 15_360}),
    "recurrentgemma-9b": (_hub, _GRIFFIN | {
        "layers": 38, "width": 4096, "heads": (16, 1), "ffw": 24_576, "lru_width": 4096,
    }),
    "smollm2-135m": (_gguf, _SMOL | {"layers": 30, "width": 576, "heads": (9, 3), "ffw": 1536}),
    "smollm2-360m": (_gguf, _SMOL | {"layers": 32, "width": 960, "heads": (15, 5), "ffw": 2560}),
    "smollm2-1.7b": (_gguf, _SMOL | {"layers": 24, "width": 2048, "heads": (32, 32), "ffw": 8192}),
    "qwen2.5-0.5b": (_gguf, _QWEN | {"layers": 24, "width": 896, "heads": (14, 2), "ffw": 4864}),
    "qwen2.5-1.5b": (_gguf, _QWEN | {"layers": 28, "width": 1536, "heads": (12, 2), "ffw": 8960}),
    "qwen2.5-7b": (_gguf, _QWEN | {
        "layers": 28, "width": 3584, "heads": (28, 4), "ffw": 18_944, "vocab": 152_064, "tied": False,
    }),
}  # fmt: skip

_ENCODERS = {
    "gemma-3-4b": 419_816_304,
    "gemma-3-12b": 421_290_864,
    "gemma-3-27b": 423_060_336,
    "gemma-4-e2b": 475_728_160,
    "gemma-4-e4b": 478_087_456,
    "gemma-4-12b": 52_379_904,
    "gemma-4-26b-a4b": 572_794_416,
    "gemma-4-31b": 575_743_536,
}
"""Weights of sight and hearing.  Their parameter trees would tell, but need the array library."""
