"""Makes the goldens of the text families: golden/family-NAME.npz.

    python tests/parity/make_families.py [NAME…]

Needs the extra `parity`.  Each holds:

made_with: versions of the reference.
config: config.json as transformers writes it.
shapes: JSON, name → shape of every tensor that it writes; `families.weights` draws them.
logits: f32 [T, V] after every token of `families.ids`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import families
import numpy as np
from families_reference import Reference

GOLDEN = Path(__file__).parent / "golden"


def make(name: str) -> Path:
    """Ask the reference about one family; returns the golden's path."""
    with tempfile.TemporaryDirectory() as folder:
        asked = Reference(families, name, Path(folder))
        logits = asked.logits()
    path = GOLDEN / f"family-{name}.npz"
    np.savez_compressed(
        path,
        made_with=np.array(", ".join(f"{each} {version(each)}" for each in ("torch", "transformers"))),
        config=np.array(asked.config),
        shapes=np.array(json.dumps(asked.shapes)),
        logits=logits.astype(np.float32),
    )
    return path


if __name__ == "__main__":
    for each in sys.argv[1:] or families.FAMILIES:
        print(make(each))
