"""The reference: Hugging Face transformers, in f32, on the numbers of the same GGUF file."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("torch", "transformers", "gguf")


class Reference:
    """A GGUF loaded by transformers; it widens the file's weights to f32."""

    def __init__(self, path: Path) -> None:
        with _quiet():
            import torch
            from transformers import AutoModelForCausalLM
            from transformers.utils import logging

            logging.set_verbosity_error()
            self._torch = torch
            self._model: Any = AutoModelForCausalLM.from_pretrained(
                str(path.parent), gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
            ).eval()

    def logits(self, ids: Sequence[int]) -> np.ndarray:
        """Logits f32 [T, V] after every token."""
        with _quiet(), self._torch.inference_mode():
            return self._model(self._torch.tensor([list(ids)]), use_cache=False).logits[0].numpy()

    def greedy(self, ids: Sequence[int], *, limit: int, stop: Collection[int]) -> list[int]:
        """The likeliest continuation, token by token; a stop token ends it and is its last."""
        with _quiet(), self._torch.inference_mode():
            from transformers import GenerationConfig

            prompt = self._torch.tensor([list(ids)])
            settings = GenerationConfig(
                do_sample=False, max_new_tokens=limit, eos_token_id=sorted(stop), pad_token_id=min(stop)
            )
            whole = self._model.generate(
                prompt, attention_mask=self._torch.ones_like(prompt), generation_config=settings
            )
            return whole[0, len(ids) :].tolist()


def versions() -> str:
    """What made a golden, in words."""
    from importlib.metadata import version

    return ", ".join(f"{name} {version(name)}" for name in PACKAGES)


@contextmanager
def _quiet() -> Iterator[None]:
    """Its warnings are about itself (deprecations in its own imports), and here warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
