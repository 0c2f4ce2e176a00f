"""Makes the goldens of mixed prompts: golden/mixed-NAME.npz.

    python tests/parity/make_mixed.py [NAME…]

Needs the extra `parity`.  Each holds:

made_with: versions of the reference.
config: config.json as transformers writes it.
shapes: JSON, name → shape of every tensor that it writes; `mixed.weights` draws them.
logits: f32 [T, V] after every token of `mixed.ids`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

import families  # noqa: E402
import families_reference  # noqa: E402
import mixed  # noqa: E402
import numpy as np  # noqa: E402
import test_mixed  # noqa: E402
import vision_reference  # noqa: E402
from mixed_reference import Reference  # noqa: E402


def make(name: str) -> Path:
    """Ask the reference about one prompt; returns the golden's path."""
    with tempfile.TemporaryDirectory() as folder:
        asked = Reference(mixed, families, families_reference, name, Path(folder))
        ids, soft = mixed.ids(name, test_mixed.counter(json.loads(asked.config)))
        logits = asked.logits(ids, soft, vision_reference)
    path = HERE / "golden" / f"mixed-{name}.npz"
    np.savez_compressed(
        path,
        made_with=np.array(vision_reference.versions()),
        config=np.array(asked.config),
        shapes=np.array(json.dumps(asked.shapes)),
        logits=logits.astype(np.float32),
    )
    return path


if __name__ == "__main__":
    for each in sys.argv[1:] or mixed.CONFIGS:
        print(make(each))
