"""The reference for hearing: transformers' feature extractors, and tiny models with weights of `hearing`."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hearing
import numpy as np

LENGTHS = (161, 1000, 7_777, 16_001, 48_000, 100_003)
"""Samples: one frame, odd ones, whole seconds, more than one block of attention."""

SENTENCE = "jfk.wav"

EVERY = 29
"""Rows of a spectrogram that a golden keeps."""

CONFIGS = {"conformer": hearing.CONFIG, "unclipped": hearing.UNCLIPPED, "raw": hearing.UNIFIED}


def lengths(kind: str) -> tuple[int, ...]:
    """Of the sounds in the golden; the longest for one kind alone, since goldens are small."""
    return LENGTHS if kind == "conformer" else LENGTHS[:-1]


PROMPTED = ("conformer", "raw")
"""Kinds whose whole models are asked."""


def heard_in_prompt() -> list[np.ndarray]:
    """Two sounds of different lengths, which the reference pads, each longer than the sliding window."""
    return [hearing.sound(7_777), hearing.sound(16_001, 1)]


def prompt(counts: Sequence[int]) -> np.ndarray:
    """int32 [T], a text around and between sounds of so many soft tokens, whose places are -1."""
    text = np.random.default_rng(1).integers(1, 60, 9 * (len(counts) + 1))
    parts = [text[:9]]
    for number, count in enumerate(counts, 1):
        parts += [np.full(count, -1), text[9 * number :][:9]]
    return np.concatenate(parts).astype(np.int32)


def speech(path: Path) -> np.ndarray:
    """Samples f32 of a WAV file of 16 bits, mono, 16 kHz."""
    import wave

    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32_768


class AudioReference:
    """A tiny model of transformers whose audio encoder has the weights of `hearing`."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        with _quiet():
            import torch
            from transformers import AutoConfig, AutoModelForImageTextToText
            from transformers.models.gemma4 import feature_extraction_gemma4 as mel
            from transformers.models.gemma4_unified import feature_extraction_gemma4_unified as raw

            torch.set_num_threads(1)
            self._torch = torch
            text = {
                "hidden_size": hearing.TEXT,
                "intermediate_size": 32,
                "num_hidden_layers": 4,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "num_global_key_value_heads": 1,
                "head_dim": 16,
                "global_head_dim": 16,
                "vocab_size": 64,
                "vocab_size_per_layer_input": 64,
                "hidden_size_per_layer_input": 8,
                "num_kv_shared_layers": 0 if config is hearing.UNIFIED else 2,
                "layer_types": ["sliding_attention", "full_attention"] * 2,
                "sliding_window": 8,
                "final_logit_softcapping": 3.0,
            }
            given = {key: value for key, value in config.items() if key != "model_type"}
            whole = AutoConfig.for_model(config["model_type"], **(given | {"text_config": text}))
            self.model: Any = AutoModelForImageTextToText.from_config(
                whole, dtype=torch.float32, attn_implementation="eager"
            ).eval()
            tensors = {name: torch.tensor(value) for name, value in hearing.weights(config).items()}
            done = self.model.load_state_dict(tensors, strict=False)
            left = [name for name in done.missing_keys if "audio" in name]
            assert not done.unexpected_keys, done.unexpected_keys
            assert not left, left
            self._draw()
            self.extractor: Any = (
                raw.Gemma4UnifiedAudioFeatureExtractor()
                if "audio_embed_dim" in config["audio_config"]
                else mel.Gemma4AudioFeatureExtractor()
            )

    def features(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the feature extractor makes of a sound: f32 [frames, M] and bool [frames]."""
        with _quiet():
            made = self.extractor([waveform], return_tensors="np")
        return made["input_features"][0], np.asarray(made["input_features_mask"][0], bool)

    def soft(self, waveform: np.ndarray) -> np.ndarray:
        """The soft tokens f32 [n, D] that the model puts in place of a sound's placeholders."""
        features, mask = self.features(waveform)
        with _quiet(), self._torch.inference_mode():
            heard = self.model.model.get_audio_features(
                self._torch.tensor(features)[None], self._torch.tensor(mask)[None], return_dict=True
            )
        return heard.pooler_output[0][heard.attention_mask[0]].numpy()

    def logits(self, ids: np.ndarray, waveforms: list[np.ndarray]) -> np.ndarray:
        """Logits f32 [T, V] after every token of a prompt; negative ids are the places of soft tokens."""
        torch, config = self._torch, self.model.config
        with _quiet(), torch.inference_mode():
            made = self.extractor(waveforms, return_tensors="np")
            places = torch.tensor(np.where(ids < 0, config.audio_token_id, ids))[None]
            out = self.model(
                input_ids=places,
                input_features=torch.tensor(np.asarray(made["input_features"])),
                input_features_mask=torch.tensor(np.asarray(made["input_features_mask"], bool)),
                mm_token_type_ids=torch.tensor(np.where(ids < 0, 3, 0))[None],
                use_cache=False,
            )
        return out.logits[0].numpy()

    def described(self, folder: Path) -> tuple[str, str]:
        """Its config.json, and the shapes of its tensors by name as JSON, as it saves them."""
        from safetensors import safe_open

        self.save(folder)
        with safe_open(folder / "model.safetensors", "np") as file:
            shapes = {name: list(file.get_slice(name).get_shape()) for name in sorted(file.keys())}
        return (folder / "config.json").read_text(), json.dumps(shapes)

    def _draw(self) -> None:
        """Weights for the rest of the model that make its predictions differ."""
        with self._torch.no_grad():
            for name, weight in self.model.named_parameters():
                if "audio" not in name:
                    drawn = hearing.drawn(name, tuple(weight.shape))
                    weight.copy_(self._torch.tensor(drawn))

    def placeholders(self, waveform: np.ndarray) -> int:
        """How many tokens the processor keeps for a sound in a prompt."""
        from types import SimpleNamespace

        with _quiet():
            from transformers import Gemma4Processor, Gemma4UnifiedProcessor

        kind = Gemma4Processor if "Unified" not in type(self.extractor).__name__ else Gemma4UnifiedProcessor
        marks: Any = SimpleNamespace(boa_token="", audio_token="s", eoa_token="")
        return len(kind.replace_audio_token(marks, {"input_features_mask": [self.features(waveform)[1]]}, 0))

    def save(self, folder: Path) -> Path:
        """The whole model as a checkpoint, with the settings of its feature extractor."""
        with _quiet():
            self.model.save_pretrained(folder)
            self.extractor.save_pretrained(folder)
        return folder


@contextmanager
def _quiet() -> Iterator[None]:
    """Its warnings are about itself, and here warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
