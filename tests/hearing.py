"""Tiny audio encoders: their weights under the reference's names, their plain definition, and their files.

`conformer` and `unified` are the definitions that the engine is held to: no blocks, no scan, no padding, one
query at a time, everything in f64 numpy, written from the papers and not from the code under test.  Names and
shapes of the weights are written out here too; that they are the reference's is what tests/parity shows.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import checkpoints
import gguf
import numpy as np

RATE = 16_000
LAYERS, WIDTH, HEADS, OUT, TEXT = 3, 32, 4, 24, 40
CHANNELS = (128, 4)

CONFIG: dict[str, Any] = {
    "model_type": "gemma4",
    "audio_config": {
        "model_type": "gemma4_audio",
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "subsampling_conv_channels": list(CHANNELS),
        "output_proj_dims": OUT,
        "use_clipped_linears": True,
    },
    "text_config": {"hidden_size": TEXT},
}
UNCLIPPED: dict[str, Any] = CONFIG | {"audio_config": CONFIG["audio_config"] | {"use_clipped_linears": False}}
UNIFIED: dict[str, Any] = {
    "model_type": "gemma4_unified",
    "audio_config": {"model_type": "gemma4_unified_audio", "audio_embed_dim": 640},
    "text_config": {"hidden_size": TEXT},
}

Tensors = dict[str, np.ndarray]

TOWER, PROJECTOR = "model.audio_tower.", "model.embed_audio.embedding_projection.weight"


def sound(samples: int, seed: int = 0) -> np.ndarray:
    """A waveform f32 [samples]: a tone that glides and swells, in noise."""
    draw = np.random.default_rng(seed)
    seconds = np.arange(samples) / RATE
    tone = np.sin(2 * np.pi * (200 + 900 * seconds**1.3) * seconds) * (0.4 + 0.3 * np.sin(7 * seconds))
    return (tone + 0.05 * draw.standard_normal(samples)).astype(np.float32)


def weights(config: Mapping[str, Any], seed: int = 0) -> Tensors:
    """Weights of the audio encoder that a configuration describes, each a pure function of its name.

    Attention is sharp, activations neither fade nor grow, and bounds bite.
    """
    return {name: drawn(name, shape, seed) for name, shape in _shapes(config)}


def _shapes(config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    audio, text = config["audio_config"], config["text_config"]["hidden_size"]
    if "audio_embed_dim" in audio:
        yield PROJECTOR, (text, audio["audio_embed_dim"])
        return
    width, out, heads = audio["hidden_size"], audio["output_proj_dims"], audio["num_attention_heads"]
    first, second = audio["subsampling_conv_channels"]
    yield PROJECTOR, (text, out)
    yield f"{TOWER}subsample_conv_projection.layer0.conv.weight", (first, 1, 3, 3)
    yield f"{TOWER}subsample_conv_projection.layer0.norm.weight", (first,)
    yield f"{TOWER}subsample_conv_projection.layer1.conv.weight", (second, first, 3, 3)
    yield f"{TOWER}subsample_conv_projection.layer1.norm.weight", (second,)
    yield f"{TOWER}subsample_conv_projection.input_proj_linear.weight", (width, 32 * second)
    yield f"{TOWER}output_proj.weight", (out, width)
    yield f"{TOWER}output_proj.bias", (out,)
    linears = {
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (width, width),
        "self_attn.v_proj": (width, width),
        "self_attn.post": (width, width),
        "lconv1d.linear_start": (2 * width, width),
        "lconv1d.linear_end": (width, width),
    }
    norms = ["norm_pre_attn", "norm_post_attn", "norm_out", "lconv1d.pre_layer_norm", "lconv1d.conv_norm"]
    for module in ("feed_forward1", "feed_forward2"):
        linears |= {f"{module}.ffw_layer_1": (4 * width, width), f"{module}.ffw_layer_2": (width, 4 * width)}
        norms += [f"{module}.pre_layer_norm", f"{module}.post_layer_norm"]
    for layer in range(audio["num_hidden_layers"]):
        at = f"{TOWER}layers.{layer}."
        for name, shape in linears.items():
            yield f"{at}{name}.linear.weight", shape
            if audio["use_clipped_linears"]:
                for bound in ("input_min", "input_max", "output_min", "output_max"):
                    yield f"{at}{name}.{bound}", ()
        for name in norms:
            yield f"{at}{name}.weight", (width,)
        yield f"{at}self_attn.per_dim_scale", (width // heads,)
        yield f"{at}self_attn.relative_k_proj.weight", (width, width)
        yield f"{at}lconv1d.depthwise_conv1d.weight", (width, 1, 5)


def drawn(name: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """A weight f32: factors near one, matrices that neither fade nor grow, bounds that bite."""
    if name.endswith("layer_scalar"):
        return np.ones(shape, np.float32)
    draw = np.random.default_rng([seed, zlib.crc32(name.encode())])
    if name.endswith(("_min", "_max")):
        bound = draw.uniform(1.0, 2.5)
        return np.array(-bound if name.endswith("_min") else bound, np.float32)
    values = draw.standard_normal(shape)
    if name.endswith("norm.weight") or ".norm_" in name:
        values = 1 + 0.2 * values
    elif len(shape) > 1:
        values *= 1.5 * np.prod(shape[1:]) ** -0.5
    return values.astype(np.float32)


# --- the definition -----------------------------------------------------------------------------------------


def conformer(config: Mapping[str, Any], tensors: Tensors, mels: np.ndarray, keys: int = 12) -> np.ndarray:
    """Soft tokens f64 of a spectrogram f32 [frames, M] of whole frames; a query sees `keys` keys."""
    audio = config["audio_config"]
    given = {name.removeprefix(TOWER): np.asarray(value, np.float64) for name, value in tensors.items()}
    x = np.asarray(mels, np.float64)[None]
    for number in range(2):
        at = f"subsample_conv_projection.layer{number}"
        x = _halved(x, given[f"{at}.conv.weight"])
        centred = x - x.mean(0)
        x = np.maximum(
            centred / np.sqrt((centred**2).mean(0) + 1e-6) * given[f"{at}.norm.weight"][:, None, None], 0
        )
    x = x.transpose(1, 2, 0).reshape(x.shape[1], -1)
    x = x @ given["subsample_conv_projection.input_proj_linear.weight"].T
    for layer in range(audio["num_hidden_layers"]):
        at = f"layers.{layer}."
        here = {name.removeprefix(at): value for name, value in given.items() if name.startswith(at)}
        x = x + 0.5 * _feed_forward(x, here, "feed_forward1")
        mixed = _attention(_norm(x, here["norm_pre_attn.weight"]), here, audio["num_attention_heads"], keys)
        x = x + _norm(mixed, here["norm_post_attn.weight"])
        x = x + _convolution(x, here)
        x = x + 0.5 * _feed_forward(x, here, "feed_forward2")
        x = _norm(x, here["norm_out.weight"])
    x = x @ given["output_proj.weight"].T + given["output_proj.bias"]
    return _norm(x, 1.0) @ given[PROJECTOR].T


def unified(tensors: Tensors, waveform: np.ndarray) -> np.ndarray:
    """Soft tokens f64 of a waveform, 640 samples each."""
    cut = [waveform[at : at + 640].astype(np.float64) for at in range(0, len(waveform), 640)]
    cut = [np.concatenate([piece, np.zeros(640 - len(piece))]) for piece in cut]
    return _norm(np.array(cut), 1.0) @ tensors[PROJECTOR].T


def _halved(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A 3×3 convolution of [channels, time, frequency] in steps of two, one output place at a time."""
    times, bands = (-(-size // 2) for size in x.shape[1:])
    padded = np.pad(x, ((0, 0), (1, 2), (1, 2)))
    out = np.zeros((len(kernel), times, bands))
    for time in range(times):
        for band in range(bands):
            seen = padded[:, 2 * time : 2 * time + 3, 2 * band : 2 * band + 3]
            out[:, time, band] = np.tensordot(kernel, seen, 3)
    return out


def _norm(x: np.ndarray, weight: Any) -> np.ndarray:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * weight


def _linear(x: np.ndarray, here: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if f"{name}.input_min" in here:
        x = np.minimum(np.maximum(x, here[f"{name}.input_min"]), here[f"{name}.input_max"])
    x = x @ here[f"{name}.linear.weight"].T
    if f"{name}.output_min" in here:
        x = np.minimum(np.maximum(x, here[f"{name}.output_min"]), here[f"{name}.output_max"])
    return x


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _feed_forward(x: np.ndarray, here: Mapping[str, np.ndarray], module: str) -> np.ndarray:
    hidden = _linear(_norm(x, here[f"{module}.pre_layer_norm.weight"]), here, f"{module}.ffw_layer_1")
    hidden = _linear(hidden * _sigmoid(hidden), here, f"{module}.ffw_layer_2")
    return _norm(hidden, here[f"{module}.post_layer_norm.weight"])


def _convolution(x: np.ndarray, here: Mapping[str, np.ndarray]) -> np.ndarray:
    both = _linear(_norm(x, here["lconv1d.pre_layer_norm.weight"]), here, "lconv1d.linear_start")
    gated = both[:, : x.shape[1]] * _sigmoid(both[:, x.shape[1] :])
    taps = here["lconv1d.depthwise_conv1d.weight"][:, 0]
    mixed = np.zeros_like(x)
    for time in range(len(x)):
        for back in range(min(5, time + 1)):
            mixed[time] += taps[:, 4 - back] * gated[time - back]
    hidden = _norm(mixed, here["lconv1d.conv_norm.weight"])
    return _linear(hidden * _sigmoid(hidden), here, "lconv1d.linear_end")


def _attention(x: np.ndarray, here: Mapping[str, np.ndarray], heads: int, keys: int) -> np.ndarray:
    tokens, width = x.shape
    size = width // heads
    q, k, v = (
        _linear(x, here, f"self_attn.{name}_proj").reshape(tokens, heads, size) for name in ("q", "k", "v")
    )
    q = q * size**-0.5 / np.log(2) * np.log1p(np.exp(here["self_attn.per_dim_scale"]))
    k = k * np.log(1 + np.e) / np.log(2)
    rates = 10_000.0 ** (-np.arange(width // 2) / (width // 2 - 1))
    out = np.zeros((tokens, heads, size))
    for time in range(tokens):
        back = np.arange(min(keys, time + 1))
        angles = back[:, None] * rates
        relative = (
            np.concatenate([np.sin(angles), np.cos(angles)], -1) @ here["self_attn.relative_k_proj.weight"].T
        )
        relative = relative.reshape(-1, heads, size)
        scores = np.einsum("nh,snh->ns", q[time], k[time - back] + relative)
        scores = 50 * np.tanh(scores / 50)
        likely = np.exp(scores - scores.max(-1, keepdims=True))
        likely /= likely.sum(-1, keepdims=True)
        out[time] = np.einsum("ns,snh->nh", likely, v[time - back])
    return _linear(out.reshape(tokens, width), here, "self_attn.post")


# --- files --------------------------------------------------------------------------------------------------


def mmproj(
    path: Path,
    config: Mapping[str, Any],
    tensors: Tensors,
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    **changes: Any,
) -> Path:
    """The GGUF that llama.cpp's converter makes of an audio encoder; matrices are of this type.

    The names are the gguf package's own.  Changes of metadata: the key's last words, None to leave it out.
    """
    audio = config["audio_config"]
    raw = "audio_embed_dim" in audio
    keys: dict[str, Any] = {
        "projector_type": "gemma4ua" if raw else "gemma4a",
        "num_mel_bins": 128,  # of the raw kind too, where it means nothing
        "embedding_length": audio["audio_embed_dim"] if raw else audio["hidden_size"],
        "feed_forward_length": 0 if raw else 4 * audio["hidden_size"],
        "block_count": 0 if raw else audio["num_hidden_layers"],
        "attention.head_count": 0 if raw else audio["num_attention_heads"],
        "attention.layer_norm_epsilon": 1e-5,  # as old converters wrote; it is 1e-6 in the model
    } | {name.replace("__", "."): value for name, value in changes.items()}
    metadata = {"general.architecture": "clip", "clip.has_audio_encoder": True}
    return checkpoints.write_gguf(
        path,
        metadata | {f"clip.audio.{key}": value for key, value in keys.items() if value is not None},
        {
            name: checkpoints.packed(value, kind) if value.ndim == 2 and value.shape[-1] % 32 == 0 else value
            for name, value in converted(tensors).items()
        },
    )


def converted(tensors: Tensors) -> Tensors:
    """Weights as conversion/gemma.py of llama.cpp renames and changes them."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.MMPROJ, LAYERS)
    suffixes = (".weight", ".bias", ".input_max", ".input_min", ".output_max", ".output_min")
    found = {}
    for name, value in tensors.items():
        name = name.replace(TOWER, "conformer.").replace(".linear.", ".")
        if name.endswith("per_dim_scale"):
            name, value = f"{name}.weight", np.logaddexp(0, value.astype(np.float64))
        elif "depthwise_conv1d" in name:
            value = value[:, 0]
        mapped = names.get_name(name, suffixes)
        assert mapped is not None, name
        found[mapped] = np.ascontiguousarray(np.atleast_1d(value), np.float32)
    return found
