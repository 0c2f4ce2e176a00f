"""The engines that can be measured: each loads a model file, then continues prompts greedily.

Each is used as well as it can be through its Python interface: llama.cpp's logits are read where they lie,
since its sampler copies the whole vocabulary for every token; transformers computes only the last logits.
No engine stops at a stop token, so that all do the same work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from model.reach import Mode

Lap = tuple[float, float]
"""Seconds until the first token was known, and from there to the last one."""


class Engine(Protocol):
    """A loaded model.

    Args:
        path: the GGUF file.
        context: tokens that it must have room for.
        device: ``auto``, ``cpu``, ``gpu`` or ``tpu``.
        attention: how ours reads beyond the trained window; the others know one way.
    """

    def __init__(self, path: Path, context: int, device: str, attention: Mode) -> None: ...

    def run(self, ids: Sequence[int], tokens: int) -> Lap:
        """Read a prompt and write `tokens` tokens, at least two."""
        ...


def threads() -> int:
    """Cores that this process may use; every engine takes as many threads."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Gemcli:
    """This project's engine, as ``gemcli ask`` uses it."""

    def __init__(self, path: Path, context: int, device: str, attention: Mode) -> None:
        from gemcli.settings import cache_dir, make_private
        from model.load import describe, load, prepare
        from model.sampling.sampler import Sampling

        prepare(make_private(cache_dir() / "compiled"), device)
        weights = make_private(cache_dir() / "weights")
        card = describe(path)
        room = max(context, card.window)
        self._engine = load(card, context=room, attention=attention, copies=weights).engine
        self._greedy = Sampling()

    def run(self, ids: Sequence[int], tokens: int) -> Lap:
        """See `Engine`."""
        began = time.perf_counter()
        answer = self._engine.generate(ids, sampling=self._greedy, limit=tokens)
        next(answer)
        first = time.perf_counter()
        assert sum(1 for _ in answer) == tokens - 1, "no stop token was given"
        return first - began, time.perf_counter() - first


class LlamaCpp:
    """llama.cpp through llama-cpp-python, with flash attention and sliding layers that keep their window."""

    def __init__(self, path: Path, context: int, device: str, attention: Mode) -> None:
        from llama_cpp import Llama  # pyright: ignore[reportMissingImports]

        self._model = Llama(
            str(path),
            n_ctx=context,
            n_batch=512,
            n_threads=threads(),
            n_threads_batch=threads(),
            n_gpu_layers=0 if device == "cpu" else -1,
            flash_attn=True,
            swa_full=False,
            verbose=False,
        )

    def run(self, ids: Sequence[int], tokens: int) -> Lap:
        """See `Engine`."""
        import llama_cpp  # pyright: ignore[reportMissingImports]

        memory = llama_cpp.llama_get_memory(self._model.ctx)
        assert memory is not None
        llama_cpp.llama_memory_clear(memory, False)
        self._model.reset()
        began = time.perf_counter()
        self._model.eval(ids)
        token = self._likeliest()
        first = time.perf_counter()
        for _ in range(tokens - 1):
            self._model.eval([token])
            token = self._likeliest()
        return first - began, time.perf_counter() - first

    def _likeliest(self) -> int:
        import llama_cpp  # pyright: ignore[reportMissingImports]
        import numpy as np

        logits = llama_cpp.llama_get_logits_ith(self._model.ctx, -1)
        return int(np.ctypeslib.as_array(logits, shape=(self._model.n_vocab(),)).argmax())


class Transformers:
    """Hugging Face transformers, which widens the file's weights to f32."""

    def __init__(self, path: Path, context: int, device: str, attention: Mode) -> None:
        import torch  # pyright: ignore[reportMissingImports]
        from transformers import AutoModelForCausalLM  # pyright: ignore[reportMissingImports]

        torch.set_num_threads(threads())
        self._device = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        folder, name = str(path.parent), path.name
        model: Any = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
        self._model = model.eval().to(self._device)

    def run(self, ids: Sequence[int], tokens: int) -> Lap:
        """See `Engine`."""
        import torch  # pyright: ignore[reportMissingImports]

        with torch.inference_mode():
            began = time.perf_counter()
            out = self._model(
                torch.tensor([list(ids)], device=self._device), use_cache=True, logits_to_keep=1
            )
            token = out.logits[:, -1:].argmax(-1)
            token.item()  # waits for the device
            first = time.perf_counter()
            for _ in range(tokens - 1):
                out = self._model(token, past_key_values=out.past_key_values, use_cache=True)
                token = out.logits[:, -1:].argmax(-1)
            token.item()
            return first - began, time.perf_counter() - first


OURS = "gemcli"
ENGINES: dict[str, type[Engine]] = {OURS: Gemcli, "llama.cpp": LlamaCpp, "transformers": Transformers}
