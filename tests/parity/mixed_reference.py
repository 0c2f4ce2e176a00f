"""transformers asked about words, pictures, frames and sounds at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


class Reference:
    """A tiny model of transformers with the weights of `mixed`.

    Attributes:
        config: its config.json as transformers writes it.
        shapes: of its tensors as transformers writes them.
    """

    def __init__(
        self, mixed: ModuleType, families: ModuleType, families_reference: ModuleType, name: str, folder: Path
    ) -> None:
        self._quiet = families_reference.quiet
        with self._quiet():
            import torch
            from safetensors import safe_open
            from transformers import AutoConfig, AutoModelForImageTextToText
            from transformers.utils import logging

            logging.set_verbosity_error()
            torch.set_num_threads(1)
            self._torch, self._name = torch, name
            fields = dict(mixed.CONFIGS[name])
            config = AutoConfig.for_model(fields.pop("model_type"), **fields)
            built = AutoModelForImageTextToText.from_config(config, attn_implementation="eager")
            built.float().save_pretrained(folder / "built")
            self.config = (folder / "built" / "config.json").read_text()
            with safe_open(folder / "built" / "model.safetensors", "np") as file:
                self.shapes = {key: list(file.get_slice(key).get_shape()) for key in sorted(file.keys())}
            given = mixed.weights(self.shapes, from_one=mixed.norms_from_one(name))
            families.write(folder / "given", self.config, given)
            self._model: Any = AutoModelForImageTextToText.from_pretrained(
                folder / "given", dtype=torch.float32, attn_implementation="eager"
            ).eval()

    def logits(
        self,
        ids: np.ndarray,
        soft: Sequence[tuple[int, int, tuple[str, Any]]],
        vision_reference: ModuleType,
    ) -> np.ndarray:
        """f32 [T, V] after every token of a prompt of `mixed`, prepared by transformers' own processors."""
        torch = self._torch
        found: dict[str, Any] = {}
        pictures = {
            kind: [value for _, _, (what, value) in soft if what == kind] for kind in ("image", "frame")
        }
        kinds = np.zeros(len(ids), np.int64)
        for begin, end, (kind, _) in soft:
            kinds[begin:end] = {"image": 1, "frame": 2, "sound": 3}[kind]
        found["token_type_ids" if self._name == "gemma3" else "mm_token_type_ids"] = torch.tensor(kinds)[None]
        for kind, (pixels, positions) in {
            "image": ("pixel_values", "image_position_ids"),
            "frame": ("pixel_values_videos", "video_position_ids"),
        }.items():
            if not pictures[kind]:
                continue
            ready = [vision_reference.prepare(_seen(self._name), each) for each in pictures[kind]]
            most = max(len(each[1]) for each in ready)
            if self._name == "gemma3":
                found[pixels] = torch.tensor(np.stack([each[0] for each in ready]))
                continue
            padded = [np.pad(each[0], ((0, most - len(each[0])), (0, 0))) for each in ready]
            where = [
                np.pad(each[1], ((0, most - len(each[1])), (0, 0)), constant_values=-1) for each in ready
            ]
            found[pixels] = torch.tensor(np.stack(padded))
            found[positions] = torch.tensor(np.stack(where)).long()
            if kind == "frame":
                found["num_frames_per_video"] = torch.tensor([len(ready)])
        if sounds := [value for _, _, (what, value) in soft if what == "sound"]:
            features = self._extractor()(sounds, return_tensors="np")
            found["input_features"] = torch.tensor(np.asarray(features["input_features"]))
            found["input_features_mask"] = torch.tensor(np.asarray(features["input_features_mask"], bool))
        with self._quiet(), torch.inference_mode():
            if self._name == "gemma4-unified":
                found["attention_mask"] = self._masks(len(ids), found["mm_token_type_ids"])
            return self._model(torch.tensor(ids)[None].long(), use_cache=False, **found).logits[0].numpy()

    def _masks(self, count: int, kinds: Any) -> Any:
        """The masks that `generate` makes: what `forward` makes for itself without them shows global layers
        pictures as a whole too, and sliding ones beyond their window, against its own description."""
        torch, width = self._torch, self._model.config.text_config.hidden_size
        return self._model.create_masks_for_generate(
            self._model.config,
            torch.zeros(1, count, width),
            None,
            None,
            torch.arange(count)[None],
            kinds,
        )

    def _extractor(self) -> Any:
        with self._quiet():
            from transformers.models.gemma4 import feature_extraction_gemma4 as mel
            from transformers.models.gemma4_unified import feature_extraction_gemma4_unified as raw

        if self._name == "gemma4-unified":
            return raw.Gemma4UnifiedAudioFeatureExtractor()
        return mel.Gemma4AudioFeatureExtractor()


def _seen(name: str) -> str:
    """The name in `seeing` of the model that sees alike."""
    return {"gemma4-e": "gemma4-clipped", "gemma4-large": "gemma4-standardized"}.get(name, name)
