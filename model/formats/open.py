"""A model's weights in whichever format they are: which one it is, and opening it, decided in one place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.formats.gguf import GGUFFile
    from model.formats.safetensors import SafetensorsFolder


def is_safetensors(path: Path) -> bool:
    """Whether a path means safetensors: a folder, or a file that is called so.  Any other file is a GGUF,
    whatever its name."""
    return path.is_dir() or path.suffix.lower() == ".safetensors"


def open_checkpoint(path: Path) -> GGUFFile | SafetensorsFolder:
    """Opens a model's weights; no tensor is touched.

    Raises:
        FormatError, UnsupportedModelError, OSError: see `model.formats.gguf.open_gguf` and
            `model.formats.safetensors.open_safetensors`.
    """
    if is_safetensors(path):
        from model.formats.safetensors import open_safetensors

        return open_safetensors(path)
    from model.formats.gguf import open_gguf

    return open_gguf(path)
