"""Configurations and mmproj metadata → `AudioSpec`: the only place that knows whose keys are whose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.audio.spec import SAMPLE_RATE, AudioSpec, ConformerSpec, Marks, MelSpec, RawSpec, Reading
from model.errors import FormatError, UnsupportedModelError
from model.formats.checkpoint import Stored

_FIXED = {"hidden_act": "silu", "attention_context_right": 0, "gradient_clipping": 1e10}
_LARGEST_CHUNK = 512  # scores of a whole block are held at once
_FIXED_SOUND = {
    "preemphasis": 0.0,
    "dither": 0.0,
    "input_scale_factor": 1.0,
    "per_bin_mean": None,
    "per_bin_stddev": None,
}


def audio_spec_from_hf(
    config: Mapping[str, Any],
    processor: Mapping[str, Any] | None = None,
    *,
    reading: Reading = "transformers",
) -> AudioSpec | None:
    """How a checkpoint of transformers hears; None where it does not.

    Args:
        config: its config.json.
        processor: its processor_config.json (or preprocessor_config.json); without it the front end is the
            released models'.
        reading: how far back a token of the encoder sees.

    Raises:
        UnsupportedModelError: a variant that we do not run.
        FormatError: a key is missing or nonsense.
    """
    audio = config.get("audio_config")
    if audio is None:
        return None
    text_width = _whole(config.get("text_config") or {}, "hidden_size", where="text_config.")
    marks = Marks(
        begin=_whole(config, "boa_token_id", Marks().begin),
        soft=_whole(config, "audio_token_id", Marks().soft),
        end=_whole(config, "eoa_token_index", Marks().end),
    )
    eps = _number(audio, "rms_norm_eps", 1e-6)
    match kind := audio.get("model_type", "gemma4_audio"):
        case "gemma4_unified_audio":
            raw = RawSpec(_whole(audio, "audio_embed_dim", 640), eps)
            return _of(raw, text_width, marks)
        case "gemma4_audio":
            pass
        case _:
            raise UnsupportedModelError(f"an audio encoder of the type {kind!r} is not supported")
    for key, value in _FIXED.items():
        if audio.get(key, value) != value:
            raise UnsupportedModelError(
                f"audio_config.{key} = {audio[key]!r} is not supported, only {value!r}"
            )
    if (chunk := _whole(audio, "attention_chunk_size", 12)) > _LARGEST_CHUNK:
        raise UnsupportedModelError(f"audio_config.attention_chunk_size = {chunk:,} is not supported")
    if (left := _whole(audio, "attention_context_left", 13)) != chunk + 1:
        raise UnsupportedModelError(
            f"audio_config.attention_context_left = {left} with chunks of {chunk} is not supported, "
            f"only {chunk + 1}"
        )
    channels = audio.get("subsampling_conv_channels", (128, 32))
    if not isinstance(channels, list | tuple) or len(channels) != 2:
        raise UnsupportedModelError(
            f"audio_config.subsampling_conv_channels = {channels!r}: two are supported"
        )
    width, heads = _whole(audio, "hidden_size", 1024), _whole(audio, "num_attention_heads", 8)
    encoder = ConformerSpec(
        mel=_mel((processor or {}).get("feature_extractor", processor) or {}),
        channels=(int(channels[0]), int(channels[1])),
        width=width,
        layers=_whole(audio, "num_hidden_layers", 12),
        heads=_heads(width, heads),
        ffw=4 * width,
        out=_whole(audio, "output_proj_dims", 1536),
        chunk=chunk,
        reading=reading,
        kernel=_whole(audio, "conv_kernel_size", 5),
        half=_number(audio, "residual_weight", 0.5),
        softcap=_number(audio, "attention_logit_cap", 50.0),
        clipped=bool(audio.get("use_clipped_linears", True)),
        eps=eps,
    )
    return _of(encoder, text_width, marks)


def audio_spec_from_mmproj(
    metadata: Mapping[str, Any], tensors: Mapping[str, Stored], *, reading: Reading = "transformers"
) -> AudioSpec | None:
    """How the model of an mmproj GGUF hears; None where it does not.

    Args:
        metadata: the file's key-value pairs.
        tensors: the file's tensors by name.
        reading: how far back a token of the encoder sees.

    Raises:
        UnsupportedModelError: another projector than Gemma 4's.
        FormatError: a key or tensor that it needs is missing.
    """
    if not metadata.get("clip.has_audio_encoder", False):
        return None
    kind = metadata.get("clip.audio.projector_type", metadata.get("clip.projector_type"))
    text_width, out = _shape(tensors, "mm.a.input_projection.weight", 2)
    if kind == "gemma4ua":
        return _of(RawSpec(out), text_width, Marks())
    if kind != "gemma4a":
        raise UnsupportedModelError(
            f"an audio projector of the type {kind!r} is not supported (gemma4a, gemma4ua)"
        )
    width = _whole(metadata, "clip.audio.embedding_length")
    heads = _whole(metadata, "clip.audio.attention.head_count")
    encoder = ConformerSpec(
        mel=MelSpec(bins=_whole(metadata, "clip.audio.num_mel_bins", 128)),
        channels=(_shape(tensors, "a.conv1d.0.weight", 4)[0], _shape(tensors, "a.conv1d.1.weight", 4)[0]),
        width=width,
        layers=_whole(metadata, "clip.audio.block_count"),
        heads=_heads(width, heads),
        ffw=_whole(metadata, "clip.audio.feed_forward_length", 4 * width),
        out=out,
        reading=reading,
        kernel=_shape(tensors, "a.blk.0.conv_dw.weight", 2)[1],
        # Old converters wrote an epsilon that is not the model's, so the file's is not asked for.
        clipped=any(name.startswith("a.") and name.endswith(".input_max") for name in tensors),
    )
    return _of(encoder, text_width, Marks())


def _mel(extractor: Mapping[str, Any]) -> MelSpec:
    for key, value in _FIXED_SOUND.items():
        if extractor.get(key, value) != value:
            raise UnsupportedModelError(
                f"{key} = {extractor[key]!r} of the feature extractor is not supported"
            )
    rate = _whole(extractor, "sampling_rate", 16_000)
    if rate != SAMPLE_RATE:
        raise UnsupportedModelError(f"sound at {rate} Hz is not supported, only at {SAMPLE_RATE}")
    frame, hop = (
        round(rate * _number(extractor, key, milliseconds) / 1000)
        for key, milliseconds in (("frame_length_ms", 20.0), ("hop_length_ms", 10.0))
    )
    if not 1 <= hop <= frame <= rate:
        raise FormatError(f"frames of {frame} samples, {hop} from one to the next, make no spectrogram")
    fft = 2 ** (frame - 1).bit_length() * (2 if extractor.get("fft_overdrive", False) else 1)
    # The reference writes what it computed from these beside them, and computes it anew when it reads them.
    for key, value in (("frame_length", frame), ("hop_length", hop), ("fft_length", fft)):
        if extractor.get(key, value) != value:
            raise UnsupportedModelError(
                f"{key} = {extractor[key]!r} of the feature extractor contradicts its milliseconds: {value}"
            )
    return MelSpec(
        bins=_whole(extractor, "feature_size", 128),
        frame=frame,
        hop=hop,
        fft=fft,
        low=float(extractor.get("min_frequency", 0.0)),
        high=_number(extractor, "max_frequency", 8000.0),
        floor=_number(extractor, "mel_floor", 1e-3),
    )


def _of(encoder: ConformerSpec | RawSpec, text_width: int, marks: Marks) -> AudioSpec:
    if SAMPLE_RATE % encoder.samples_per_token:
        raise UnsupportedModelError(
            f"audio tokens of {encoder.samples_per_token} samples do not divide a second of {SAMPLE_RATE}"
        )
    return AudioSpec(encoder, text_width, marks)


def _heads(width: int, heads: int) -> int:
    if width % (2 * heads):
        raise FormatError(f"an audio encoder of width {width} cannot have {heads} heads")
    return heads


def _whole(keys: Mapping[str, Any], key: str, default: int | None = None, *, where: str = "") -> int:
    value = keys.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise FormatError(f"{where}{key} should be a positive whole number, not {value!r}")
    return value


def _number(keys: Mapping[str, Any], key: str, default: float) -> float:
    value = keys.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise FormatError(f"{key} should be a positive number, not {value!r}")
    return float(value)


def _shape(tensors: Mapping[str, Stored], name: str, axes: int) -> tuple[int, ...]:
    if name not in tensors:
        raise FormatError(f"the file has an audio encoder but no tensor {name!r}")
    shape = tensors[name].shape
    if len(shape) != axes or 0 in shape:
        raise FormatError(f"{name} has shape {list(shape)}, expected {axes} axes and no empty one")
    return shape
