"""Another engine's loss of given tokens, in a process of its own.

Run as ``python -m gemcli.bench.nll_peer ENGINE MODEL``, with the token ids as a JSON list on stdin.  It
writes one JSON list: the loss of every token but the first.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemcli.bench.engines import threads
from gemcli.bench.process import environment, module_command
from gemcli.bench.replies import open_replies
from gemcli.errors import GemcliError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CHUNK = 256  # tokens whose logits are held at a time


def peer_losses(engine: str, path: Path, ids: Sequence[int]) -> NDArray[np.float32]:
    """Negative log-likelihood f32 [T - 1], in nats, by a peer.

    Raises:
        GemcliError: it failed.
    """
    import numpy as np

    done = subprocess.run(
        module_command("gemcli.bench.nll_peer", engine, str(path)),
        input=json.dumps(list(ids)),
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment(),
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise GemcliError(f"{engine} failed: {said[-1] if said else f'exit status {done.returncode}'}")
    return np.asarray(json.loads(done.stdout), np.float32)


def llama_cpp(path: Path, ids: Sequence[int]) -> list[float]:
    """By llama.cpp, through its batches: its Python class would hold all logits."""
    import llama_cpp as api  # pyright: ignore[reportMissingImports]
    import numpy as np

    model = api.Llama(
        str(path), n_ctx=len(ids), n_batch=_CHUNK, n_ubatch=_CHUNK, n_threads=threads(),
        n_threads_batch=threads(), flash_attn=True, verbose=False,
    )  # fmt: skip
    vocab, found = model.n_vocab(), []
    batch = api.llama_batch_init(_CHUNK, 0, 1)
    for first in range(0, len(ids) - 1, _CHUNK):
        chunk = ids[first : min(first + _CHUNK, len(ids) - 1)]
        batch.n_tokens = len(chunk)
        for index, token in enumerate(chunk):
            batch.token[index], batch.pos[index] = token, first + index
            batch.n_seq_id[index], batch.seq_id[index][0], batch.logits[index] = 1, 0, True
        if status := api.llama_decode(model.ctx, batch):
            raise RuntimeError(f"llama_decode gave {status}")
        rows = np.ctypeslib.as_array(api.llama_get_logits(model.ctx), shape=(len(chunk), vocab))
        found += _losses(rows, ids[first + 1 : first + 1 + len(chunk)])
    api.llama_batch_free(batch)
    return found


def transformers(path: Path, ids: Sequence[int]) -> list[float]:
    """By Hugging Face transformers, which widens the file's weights to f32."""
    import torch  # pyright: ignore[reportMissingImports]
    from transformers import AutoModelForCausalLM  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(threads())
    where: dict[str, Any] = {"pretrained_model_name_or_path": str(path)}
    if path.is_file():
        where = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    model: Any = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32).eval()
    found: list[float] = []
    past = None
    with torch.inference_mode():
        for first in range(0, len(ids) - 1, _CHUNK):
            chunk = ids[first : min(first + _CHUNK, len(ids) - 1)]
            out = model(torch.tensor([list(chunk)]), past_key_values=past, use_cache=True)
            past = out.past_key_values
            found += _losses(out.logits[0].numpy(), ids[first + 1 : first + 1 + len(chunk)])
    return found


PEERS: Mapping[str, Callable[[Path, Sequence[int]], list[float]]] = {
    "llama.cpp": llama_cpp,
    "transformers": transformers,
}


def _losses(logits: NDArray[np.float32], wanted: Sequence[int]) -> list[float]:
    import numpy as np

    peak = logits.max(1)
    total = np.log(np.exp(logits - peak[:, None]).sum(1, dtype=np.float64)) + peak
    return (total - logits[np.arange(len(wanted)), list(wanted)]).tolist()


def main(engine: str, path: str) -> None:
    """Read ids, write losses."""
    replies = open_replies()
    json.dump(PEERS[engine](Path(path), json.load(sys.stdin)), replies)
    replies.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
