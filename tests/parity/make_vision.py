"""Makes the goldens of sight: what transformers makes of a picture, in a few kilobytes a model.

    python tests/parity/make_vision.py

Needs the extra `parity`.  Writes golden/vision-NAME.npz for every model of `seeing.CONFIGS`:

made_with: versions of the reference.
names, shapes: the vision tensors that it saves; their numbers are `seeing.values`.
sizes: int32 [·, 2], width and height of each picture `seeing.picture(width, height)`; and of its number N:
pixels_N: uint8, the reference processor's patches, or picture [3, H, W]; 255 times what it gives.
positions_N: int16 [P, 2], of the patches, where it gives them.
tower_N: f32, the encoder's features before the projector.
soft_N: f32 [n, D_text], soft tokens.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import seeing
import vision_reference as reference

SIZES = ((67, 45), (20, 200))


def make(name: str) -> Path:
    """Ask the reference about one tiny model; returns the golden's path."""
    from safetensors import safe_open

    with tempfile.TemporaryDirectory() as folder:
        model = reference.save(name, Path(folder))
        with safe_open(Path(folder) / "model.safetensors", "np") as file:
            shapes = {
                tensor: tuple(file.get_slice(tensor).get_shape())
                for tensor in sorted(file.keys())
                if reference.is_vision(tensor)
            }
    arrays: dict[str, Any] = {
        "made_with": np.array(reference.versions()),
        "names": np.array(list(shapes)),
        "shapes": np.array([" ".join(map(str, shape)) for shape in shapes.values()]),
        "sizes": np.array(SIZES, np.int32),
    }
    for number, size in enumerate(SIZES):
        pixels, positions = reference.prepare(name, seeing.picture(*size))
        tower, soft = reference.encode(name, model, pixels, positions)
        shown = pixels * 0.5 + 0.5 if name == "gemma3" else pixels
        arrays |= {
            f"pixels_{number}": np.round(shown * 255).astype(np.uint8),
            f"positions_{number}": positions.astype(np.int16),
            f"tower_{number}": tower.astype(np.float32),
            f"soft_{number}": soft.astype(np.float32),
        }
    path = seeing.GOLDEN / f"vision-{name}.npz"
    np.savez_compressed(path, **arrays)
    return path


if __name__ == "__main__":
    reference.torch.set_num_threads(1)
    for each in seeing.NAMES:
        path = make(each)
        print(f"{path}: {path.stat().st_size:,} bytes")
