"""Configurations and mmproj metadata → `AudioSpec`: the only place that knows whose keys are whose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.arch.section import Section
from model.audio.spec import SAMPLE_RATE, AudioSpec, ConformerSpec, Marks, MelSpec, RawSpec, Reading
from model.errors import FormatError, UnsupportedModelError
from model.formats.checkpoint import Stored

_LARGEST_CHUNK = 512  # scores of a whole block are held at once
_LONGEST_MS = 10_000.0  # of a frame; a second is too long already


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
    whole = Section(config)
    if not whole.has("audio_config"):
        return None
    audio, text_width = whole.within("audio_config"), whole.within("text_config").integer("hidden_size")
    known = Marks()
    marks = Marks(
        begin=whole.integer("boa_token_id", known.begin),
        soft=whole.integer("audio_token_id", known.soft),
        end=whole.integer("eoa_token_index", known.end),
    )
    eps = audio.number("rms_norm_eps", 1e-6)
    if audio.choice("model_type", "gemma4_audio", "gemma4_unified_audio") == "gemma4_unified_audio":
        return _spec(RawSpec(audio.integer("audio_embed_dim", 640), eps), text_width, marks)
    audio.must_be("hidden_act", "silu")
    audio.must_be("attention_context_right", 0)
    audio.must_be("gradient_clipping", 1e10)
    chunk = audio.integer("attention_chunk_size", 12)
    if chunk > _LARGEST_CHUNK:
        raise UnsupportedModelError(f"audio_config: attention_chunk_size = {chunk:,} is not supported")
    if (left := audio.integer("attention_context_left", 13)) != chunk + 1:
        raise UnsupportedModelError(
            f"audio_config: attention_context_left = {left:,} with chunks of {chunk} is not supported"
        )
    width = audio.integer("hidden_size", 1024)
    settings = Section(processor or {}, "processor")
    encoder = ConformerSpec(
        mel=_mel(settings.within("feature_extractor") if settings.has("feature_extractor") else settings),
        channels=_channels(config["audio_config"].get("subsampling_conv_channels", [128, 32])),
        width=width,
        layers=audio.integer("num_hidden_layers", 12),
        heads=_heads(width, audio.integer("num_attention_heads", 8)),
        ffw=4 * width,
        out=audio.integer("output_proj_dims", 1536),
        chunk=chunk,
        reading=reading,
        kernel=audio.integer("conv_kernel_size", 5),
        half=audio.number("residual_weight", 0.5),
        softcap=audio.number("attention_logit_cap", 50.0),
        clipped=audio.flag("use_clipped_linears", default=True),
        eps=eps,
    )
    return _spec(encoder, text_width, marks)


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
    keys = Section(metadata, "mmproj")
    kind = "clip.audio.projector_type" if keys.has("clip.audio.projector_type") else "clip.projector_type"
    text_width, out = _shape(tensors, "mm.a.input_projection.weight", 2)
    if keys.choice(kind, "gemma4a", "gemma4ua") == "gemma4ua":
        return _spec(RawSpec(out), text_width, Marks())
    width = keys.integer("clip.audio.embedding_length")
    encoder = ConformerSpec(
        mel=MelSpec(bins=keys.integer("clip.audio.num_mel_bins", 128)),
        channels=(_shape(tensors, "a.conv1d.0.weight", 4)[0], _shape(tensors, "a.conv1d.1.weight", 4)[0]),
        width=width,
        layers=keys.integer("clip.audio.block_count"),
        heads=_heads(width, keys.integer("clip.audio.attention.head_count")),
        ffw=keys.integer("clip.audio.feed_forward_length", 4 * width),
        out=out,
        reading=reading,
        kernel=_shape(tensors, "a.blk.0.conv_dw.weight", 2)[1],
        # Old converters wrote an epsilon that is not the model's, so the file's is not asked for.
        clipped=any(name.startswith("a.") and name.endswith(".input_max") for name in tensors),
    )
    return _spec(encoder, text_width, Marks())


def _mel(extractor: Section) -> MelSpec:
    extractor.must_be("sampling_rate", SAMPLE_RATE)
    fixed = {"preemphasis": 0.0, "dither": 0.0, "input_scale_factor": 1.0, "min_frequency": 0.0}
    for key, value in fixed.items():
        extractor.must_be(key, value)
    if extractor.has("per_bin_mean") or extractor.has("per_bin_stddev"):
        raise UnsupportedModelError(
            "spectrograms that are normed by per_bin_mean and _stddev are not supported"
        )
    frame, hop = (
        round(SAMPLE_RATE * min(extractor.number(key, milliseconds), _LONGEST_MS) / 1000)
        for key, milliseconds in (("frame_length_ms", 20.0), ("hop_length_ms", 10.0))
    )
    if not 1 <= hop <= frame <= SAMPLE_RATE:
        raise FormatError(f"frames of {frame} samples, {hop} from one to the next, make no spectrogram")
    fft = 2 ** (frame - 1).bit_length() * (2 if extractor.flag("fft_overdrive") else 1)
    # The reference writes what it computed from these beside them, and computes it anew when it reads them.
    for key, value in (("frame_length", frame), ("hop_length", hop), ("fft_length", fft)):
        extractor.must_be(key, value)
    return MelSpec(
        bins=extractor.integer("feature_size", 128),
        frame=frame,
        hop=hop,
        fft=fft,
        high=extractor.number("max_frequency", 8000.0),
        floor=extractor.number("mel_floor", 1e-3),
    )


def _channels(given: object) -> tuple[int, int]:
    match given:
        case [int() as first, int() as second] if first > 0 and second > 0:
            return first, second
    raise UnsupportedModelError(
        f"audio_config: subsampling_conv_channels = {given!r} is not supported, only two numbers"
    )


def _heads(width: int, heads: int) -> int:
    if width % (2 * heads):
        raise FormatError(f"an audio encoder of width {width:,} cannot have {heads:,} heads")
    return heads


def _spec(encoder: ConformerSpec | RawSpec, text_width: int, marks: Marks) -> AudioSpec:
    if SAMPLE_RATE % encoder.samples_per_token:
        raise UnsupportedModelError(
            f"audio tokens of {encoder.samples_per_token:,} samples do not divide a second of {SAMPLE_RATE:,}"
        )
    return AudioSpec(encoder, text_width, marks)


def _shape(tensors: Mapping[str, Stored], name: str, axes: int) -> tuple[int, ...]:
    if name not in tensors:
        raise FormatError(f"the file has an audio encoder but no tensor {name!r}")
    shape = tensors[name].shape
    if len(shape) != axes or 0 in shape:
        raise FormatError(f"{name} has shape {list(shape)}, expected {axes} axes and no empty one")
    return shape
