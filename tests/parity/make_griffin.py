"""Makes golden/griffin.npz: a tiny random RecurrentGemma as transformers writes it, and what it says.

    python tests/parity/make_griffin.py

Needs the extra `parity` (torch, transformers).  The file holds

made_with: versions of the reference.
config, weights: uint8, the bytes of config.json and of model.safetensors (bf16).
ids: int32 [T]; more than six of its windows.
logits: f32 [T, V].
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).parent / "golden" / "griffin.npz"
TOKENS = 52


class Reference:
    """RecurrentGemma by transformers, in f32: two recurrent layers to one of attention, and a remainder.

    No two widths are the same, every bias and norm is random, and memories reach from a few tokens to a
    thousand.

    Args:
        seed: of the weights.
        changes: of the configuration.
    """

    def __init__(self, seed: int = 0, **changes: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are about its own imports
            import torch
            from transformers import RecurrentGemmaConfig, RecurrentGemmaForCausalLM

        torch.set_num_threads(1)
        self._torch = torch
        config = RecurrentGemmaConfig(
            num_hidden_layers=8,
            vocab_size=61,
            hidden_size=32,
            intermediate_size=80,
            num_attention_heads=4,
            num_key_value_heads=1,
            lru_width=48,
            attention_window_size=8,
            attn_implementation="eager",
            **changes,
        )
        model: Any = RecurrentGemmaForCausalLM(config).eval()
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if name.endswith("recurrent_param"):
                    leak = 0.9 + 0.099 * torch.rand(weight.shape, generator=draw)
                    random = torch.log(torch.expm1(-torch.log(leak) / 8))
                else:
                    random = torch.randn(weight.shape, generator=draw) * _scale(name, weight.shape)
                weight.copy_(random.to(torch.bfloat16))
        self._model = model

    def save(self, folder: Path) -> None:
        """config.json and model.safetensors, in bf16 (which the weights are exact in)."""
        import copy

        copy.deepcopy(self._model).to(self._torch.bfloat16).save_pretrained(folder)

    def logits(self, ids: Sequence[int]) -> np.ndarray:
        """Logits f32 [T, V] of a whole text at once."""
        with self._torch.inference_mode():
            return self._model(self._torch.tensor([list(ids)]), use_cache=False).logits[0].numpy()

    def steps(self, ids: Sequence[int], prompt: int) -> np.ndarray:
        """Logits f32 [T, V], the first `prompt` tokens at once and every other one by itself."""
        from transformers import DynamicCache

        torch, parts = self._torch, []
        cache = DynamicCache(config=self._model.config)
        bounds = [0, *range(prompt, len(ids) + 1)]
        with torch.inference_mode():
            for first, last in pairwise(bounds):
                out = self._model(
                    torch.tensor([list(ids[first:last])]),
                    position_ids=torch.arange(first, last)[None],
                    past_key_values=cache,
                    use_cache=True,
                )
                parts.append(out.logits[0].numpy())
        return np.concatenate(parts)


def _scale(name: str, shape: Sequence[int]) -> float:
    if name.endswith("norm.weight"):
        return 0.2
    if "embed_tokens" in name:
        return 0.3
    if "bias" in name:
        return 0.3
    return 1.2 * (shape[-2] if "gate_weight" in name else shape[-1]) ** -0.5


def make(path: Path = GOLDEN) -> Path:
    """Write the golden."""
    from importlib.metadata import version

    reference = Reference()
    ids = np.random.default_rng(0).integers(0, 61, TOKENS).tolist()
    logits = reference.logits(ids)
    apart = np.abs(reference.steps(ids, 20) - logits).max()
    if apart > 1e-5:
        raise SystemExit(f"the reference disagrees with itself step by step, by {apart}")
    with tempfile.TemporaryDirectory() as folder:
        reference.save(Path(folder))
        config, weights = (
            np.frombuffer((Path(folder) / name).read_bytes(), np.uint8)
            for name in ("config.json", "model.safetensors")
        )
    made_with = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    np.savez_compressed(
        path,
        made_with=np.array(made_with),
        config=config,
        weights=weights,
        ids=np.array(ids, np.int32),
        logits=logits,
    )
    return path


if __name__ == "__main__":
    print(made := make(), made.stat().st_size)
