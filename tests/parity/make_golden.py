"""Makes the goldens: what the reference says, in a few kilobytes a model.

    python tests/parity/make_golden.py [NAME…]

Needs the extra `parity` (torch, transformers, gguf) and pulls the models.  Writes golden/NAME.npz:

made_with, sha256: versions of the reference; the model file's digest.
ids: int32 [768], the text.
logprobs: f32 [767], the log-probability of each next token.
at, top_ids, top_logprobs: int32 [96], int32 and f32 [96, 32]: every eighth position's likeliest tokens.
prompt_0 … prompt_4, greedy_0 … greedy_4: int32 ids of the prompts and of their continuations.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cases
import compare
import numpy as np
import reference

GOLDEN = Path(__file__).parent / "golden"
EVERY = 8
LIKELIEST = 32
LEAST_CONTINUED = 32


def make(name: str) -> Path:
    """Ask the reference about one model of the catalogue; returns the golden's path."""
    from gemcli.hub import catalog
    from gemcli.hub.pull import pull
    from model.card import describe

    entry = catalog.find(name)
    card = describe(pull(entry, on_event=lambda event: None))
    asked = reference.Reference(card.path)
    ids = cases.text_ids(card)
    logits = asked.logits(ids)
    at = np.arange(EVERY - 1, len(ids), EVERY)
    top_ids, top_logprobs = compare.top(logits[at], LIKELIEST)
    arrays = {
        "made_with": np.array(reference.versions()),
        "sha256": np.array(entry.sha256),
        "ids": np.array(ids, np.int32),
        "logprobs": compare.next_logprobs(logits, ids).astype(np.float32),
        "at": at.astype(np.int32),
        "top_ids": top_ids.astype(np.int32),
        "top_logprobs": top_logprobs.astype(np.float32),
    }
    for number, prompt in enumerate(cases.prompts(card)):
        greedy = asked.greedy(prompt, limit=cases.CONTINUED, stop=card.tokenizer.eog_ids)
        print(f"{name} {number}: {len(prompt)} + {len(greedy)}: {card.tokenizer.decode(greedy)!r}")
        if len(greedy) < LEAST_CONTINUED:
            raise SystemExit(f"{name}: prompt {number} is answered in {len(greedy)} tokens; ask for more")
        arrays |= {
            f"prompt_{number}": np.array(prompt, np.int32),
            f"greedy_{number}": np.array(greedy, np.int32),
        }
    path = GOLDEN / f"{name}.npz"
    np.savez_compressed(path, **arrays)
    return path


if __name__ == "__main__":
    for each in sys.argv[1:] or cases.MODELS:
        print(make(each))
