"""The reference for tiny models: transformers builds them, is given our weights, and computes logits."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


class Reference:
    """A tiny model of transformers.

    Attributes:
        config: its config.json as transformers writes it.
        shapes: of its tensors as transformers writes them.
    """

    def __init__(self, families: ModuleType, name: str, folder: Path) -> None:
        with quiet():
            import torch
            from safetensors import safe_open
            from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
            from transformers.models.auto.configuration_auto import CONFIG_MAPPING
            from transformers.utils import logging

            logging.set_verbosity_error()
            torch.set_num_threads(1)
            self._torch, self._families, self._name = torch, families, name
            kind, fields = families.FAMILIES[name]
            builder = AutoModelForImageTextToText if name in families.WITH_IMAGE else AutoModelForCausalLM
            built = builder.from_config(CONFIG_MAPPING[kind](**fields), attn_implementation="eager")
            built.float().save_pretrained(folder / "built")
            self.config = (folder / "built" / "config.json").read_text()
            with safe_open(folder / "built" / "model.safetensors", "np") as file:
                self.shapes = {key: list(file.get_slice(key).get_shape()) for key in sorted(file.keys())}
            from_one = kind in ("gemma", "gemma2", "gemma3", "gemma3_text")
            families.write(
                folder / "given", self.config, families.weights(self.shapes, norms_from_one=from_one)
            )
            self._model: Any = builder.from_pretrained(
                folder / "given", dtype=torch.float32, attn_implementation="eager"
            ).eval()

    def logits(self) -> np.ndarray:
        """f32 [T, V] after every token of the family's text (and image)."""
        torch, families = self._torch, self._families
        ids = torch.tensor(families.ids(self._name))[None].long()
        with quiet(), torch.inference_mode():
            if self._name not in families.WITH_IMAGE:
                return self._model(ids, use_cache=False).logits[0].numpy()
            soft = torch.tensor(families.soft())
            kinds = (ids == families.PLACEHOLDER).long()
            if self._name.startswith("gemma3"):
                embeddings = self._model.get_input_embeddings()(ids)
                embeddings[kinds.bool()] = soft
                out = self._model(inputs_embeds=embeddings, token_type_ids=kinds, use_cache=False)
                return out.logits[0].numpy()
            from transformers.modeling_outputs import BaseModelOutputWithPooling

            pooled: Any = [soft]  # one for each image
            features = BaseModelOutputWithPooling(pooler_output=pooled)
            hidden = self._model.model(
                ids, mm_token_type_ids=kinds, use_cache=False, mm_encoder_outputs={"image": features}
            ).last_hidden_state
            logits = self._model.lm_head(hidden)[0]
            cap = self._model.config.text_config.final_logit_softcapping
            return (cap * torch.tanh(logits / cap)).numpy()


@contextmanager
def quiet() -> Iterator[None]:
    """Its warnings are about itself, and here warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
