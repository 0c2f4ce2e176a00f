"""The reference for hearing: transformers' feature extractors, and tiny models with weights of `hearing`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
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
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "num_global_key_value_heads": 1,
                "head_dim": 16,
                "global_head_dim": 16,
                "vocab_size": 64,
                "vocab_size_per_layer_input": 64,
                "hidden_size_per_layer_input": 8,
                "num_kv_shared_layers": 0,
                "layer_types": ["sliding_attention", "full_attention"],
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
