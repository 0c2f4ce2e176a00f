"""Tiny models with eyes and ears as released: folders of safetensors with everything that lies beside them.

Their weights are random and a pure function of their names; what they answer means nothing, and is the same
every time.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal
from zlib import crc32

import hearing
import numpy as np
import seeing
import tiny
import vocabularies

from model.arch.hf import config_from_hf
from model.config import ModelConfig
from model.weights.hf_names import HFNames
from model.weights.params import LayerParams, Params, abstract, stacks

Family = Literal["gemma3", "gemma4"]

PREFIX = "model.language_model."
CONTEXT = 16_384

TEMPLATES = {
    "gemma3": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}"
        "{% for message in messages %}<start_of_turn>{{ message['role'] }}\n"
        "{{ message['content'] | trim }}<end_of_turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
    ),
    "gemma4": (
        "{{ bos_token }}{% for message in messages %}<|turn>{{ message['role'] }}\n"
        "{{ message['content'] | trim }}<turn|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|turn>model\n{% endif %}"
    ),
}

_TEXT: dict[str, Any] = {
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "sliding_window": 64,
    "layer_types": ["sliding_attention", "full_attention"],
    "max_position_embeddings": CONTEXT,
    "tie_word_embeddings": True,
}


def write(folder: Path, family: Family, *, shards: int = 2) -> Path:
    """A folder with a model that sees as Gemma 3 does, or sees and hears as Gemma 4 does."""
    folder.mkdir(parents=True, exist_ok=True)
    described, config, tokenizer = describe(family)
    tensors = dict(_tensors(family, described, config))
    files: dict[str, dict[str, np.ndarray]] = {}
    for number, (name, array) in enumerate(sorted(tensors.items())):
        file = f"model-{number % shards + 1:05}-of-{shards:05}.safetensors"
        files.setdefault(file, {})[name] = np.array(array, np.float32, order="C")
    for file, held in files.items():
        _save(folder / file, held)
    index = {name: file for file, held in files.items() for name in held}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (folder / "config.json").write_text(json.dumps(described))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    named = {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(named))
    (folder / "chat_template.jinja").write_text(TEMPLATES[family])
    return folder


def _save(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """A file of f32 as the format's description has it."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, array in tensors.items():
        offsets = [at, at + array.nbytes]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
        at += array.nbytes
    text = json.dumps(header).encode()
    body = b"".join(array.tobytes() for array in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def write_gguf(folder: Path) -> Path:
    """The model that sees and hears as Gemma 4 does as a GGUF, with its mmproj file; other weights."""
    folder.mkdir(parents=True, exist_ok=True)
    described, config, _ = describe("gemma4")
    metadata = tiny.metadata_of(config) | vocabularies.gemma4_metadata()
    tensors = tiny.tensors_of(config, tiny.random_params(config))
    rows = len(metadata["tokenizer.ggml.tokens"])
    tensors["token_embd.weight"] = tensors["token_embd.weight"][:rows]
    metadata["tokenizer.chat_template"] = TEMPLATES["gemma4"]
    path = tiny.write_gguf(folder / "model-F32.gguf", metadata, tensors)
    audio = described["audio_config"]
    keys: dict[str, Any] = {
        "projector_type": "gemma4a",
        "num_mel_bins": 128,
        "embedding_length": audio["hidden_size"],
        "feed_forward_length": 4 * audio["hidden_size"],
        "block_count": audio["num_hidden_layers"],
        "attention.head_count": audio["num_attention_heads"],
        "attention.layer_norm_epsilon": 1e-6,
    }
    eyes = seeing.mmproj_tensors(seeing.checkpoint("gemma4-clipped").tensors)
    seeing.write(
        folder / "mmproj-model-F32.gguf",
        seeing.mmproj_metadata("gemma4-clipped")
        | {"clip.has_audio_encoder": True}
        | {f"clip.audio.{key}": value for key, value in keys.items()},
        eyes | hearing.converted(hearing.weights(described)),
    )
    return path


def describe(family: Family) -> tuple[dict[str, Any], ModelConfig, dict[str, Any]]:
    """config.json, what we make of it, and tokenizer.json."""
    tokenizer = vocabularies.gemma3() if family == "gemma3" else vocabularies.gemma4()
    ids = dict(tokenizer["model"]["vocab"])
    if family == "gemma3":
        for mark in ("<start_of_image>", "<end_of_image>"):
            ids[mark] = max(ids.values()) + 2  # behind <image_soft_token>
            tokenizer["added_tokens"] += vocabularies.added([(ids[mark], mark)], special=True)
    ids |= {each["content"]: each["id"] for each in tokenizer["added_tokens"]}
    size = (max(ids.values()) // 64 + 1) * 64
    described = _gemma3(ids, size) if family == "gemma3" else _gemma4(ids, size)
    embedding = SimpleNamespace(shape=(size, _TEXT["hidden_size"]), dtype="F32")
    stand_in = {f"{PREFIX}embed_tokens.weight": embedding} | {f"other.{n}": embedding for n in range(99)}
    return described, config_from_hf(described, stand_in), tokenizer


def _gemma3(ids: dict[str, int], size: int) -> dict[str, Any]:
    return {
        **seeing.CONFIGS["gemma3"],
        "text_config": _TEXT | {"model_type": "gemma3_text", "vocab_size": size},
        "boi_token_index": ids["<start_of_image>"],
        "eoi_token_index": ids["<end_of_image>"],
        "image_token_index": ids["<image_soft_token>"],
        "eos_token_id": [ids["<eos>"], ids["<end_of_turn>"]],
    }


def _gemma4(ids: dict[str, int], size: int) -> dict[str, Any]:
    own = {"global_head_dim": 16, "hidden_size_per_layer_input": 0, "vocab_size": size}
    return {
        **seeing.CONFIGS["gemma4-clipped"],
        "text_config": _TEXT | own | {"model_type": "gemma4_text"},
        "audio_config": hearing.CONFIG["audio_config"],
        "boi_token_id": ids["<|image>"],
        "eoi_token_id": ids["<image|>"],
        "image_token_id": ids["<|image|>"],
        "video_token_id": ids["<|video|>"],
        "boa_token_id": ids["<|audio>"],
        "audio_token_id": ids["<|audio|>"],
        "eoa_token_index": ids["<audio|>"],
        "eos_token_id": [ids["<eos>"], ids["<turn|>"]],
    }


def _tensors(
    family: Family, described: dict[str, Any], config: ModelConfig
) -> Iterator[tuple[str, np.ndarray]]:
    names = HFNames(PREFIX, "lm_head.weight", norms_from_one=family == "gemma3")
    tree = abstract(config)
    places = [field.name for field in fields(Params) if field.name != "stacks"]
    sources = [names.top(config, place) for place in places if getattr(tree, place) is not None]
    for stack, weights in zip(stacks(config), tree.stacks, strict=True):
        for place, params in enumerate(weights):
            given = [f.name for f in fields(LayerParams) if getattr(params, f.name) is not None]
            for repeat in range(stack.repeats):
                for name in given:
                    sources += names.in_layer(config, stack.layer(repeat, place), name)
    for source in sources:
        drawn = np.random.default_rng(crc32(source.name.encode())).standard_normal(
            source.stored or source.shape
        )
        if drawn.ndim == 1:
            yield source.name, 1 - source.plus + 0.2 * drawn
        else:
            yield (
                source.name,
                drawn * (1.0 if "embed_tokens" in source.name else 1.5 * drawn.shape[-1] ** -0.5),
            )
    eyes = "gemma3" if family == "gemma3" else "gemma4-clipped"
    yield from seeing.checkpoint(eyes).tensors.items()
    if family == "gemma4":
        yield from hearing.weights(described).items()
