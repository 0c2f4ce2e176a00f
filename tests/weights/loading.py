"""What loading a checkpoint takes of memory, told by a process that does nothing else:
``python loading.py FILE PRECISION``.  Prints bytes before, at the peak, and of the result.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jax

from model.config import AttentionSpec, LayerSpec, ModelConfig, RopeSpec
from model.formats.safetensors import open_safetensors
from model.weights.hf_names import HFNames
from model.weights.load import load_params

_SPEC = LayerSpec(AttentionSpec(16, 8, 128, RopeSpec(10_000.0), query_scale=128**-0.5), ffw=8192)
CONFIG = ModelConfig("llama", width=2048, vocab=98_304, context=256, layers=(_SPEC,) * 12, norm_eps=1e-5)
NAMES = HFNames("model.", "lm_head.weight", norms_from_one=False)


def _memory(which: str) -> int:
    """``VmRSS`` or, at its peak, ``VmHWM``: unlike `getrusage` says, of this program alone."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(which)) * 1024


def main(path: Path, precision: str) -> None:
    jax.block_until_ready(jax.numpy.zeros(8) + 1)
    before = _memory("VmRSS")
    with open_safetensors(path) as file:
        params = load_params(file, CONFIG, NAMES, precision=precision, bits=8)  # type: ignore[arg-type]
        largest = max(tensor.nbytes for tensor in file.tensors.values())
    jax.block_until_ready(params)
    result = sum(leaf.nbytes for leaf in jax.tree.leaves(params))
    print(json.dumps({"before": before, "peak": _memory("VmHWM"), "result": result, "largest": largest}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
