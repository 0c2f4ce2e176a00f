"""What the engine asks of a file of weights in any format: shapes before bytes, bytes tensor by tensor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.formats.ggml import Blocks


class Stored(Protocol):
    """A tensor that has not been read.

    Attributes:
        shape: numpy order, the contiguous axis last: [out, in] for a matrix.
        nbytes: in the file.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def nbytes(self) -> int: ...


class Checkpoint(Protocol):
    """An open file (or folder) of weights: `model.formats.gguf.GGUFFile` or
    `model.formats.safetensors.SafetensorsFolder`.

    Attributes:
        path: the file or folder.
        tensors: name → what is stored under it.
    """

    @property
    def path(self) -> Path: ...

    @property
    def tensors(self) -> Mapping[str, Stored]: ...

    def read(self, name: str, rows: slice | None = None) -> Blocks | NDArray[np.float32]:
        """A tensor, or a slice of its first axis: the file's own integers, or numbers widened to f32.

        Raises:
            KeyError: there is no such tensor.
            UnsupportedModelError: its type holds no weights that can be read.
        """
        ...
