"""Tensors as files hold them: a checkpoint that was never written, and GGUF files of any tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

Kind = gguf.GGMLQuantizationType
Given = np.ndarray | tuple[np.ndarray, Kind]


@dataclass(frozen=True)
class InMemory:
    """A checkpoint of transformers that was never written."""

    tensors: Mapping[str, np.ndarray]
    path: Path = Path("memory")

    def read(self, name: str, rows: slice | None = None) -> np.ndarray:
        """The tensor f32, or a slice of its first axis."""
        array = self.tensors[name].astype(np.float32)
        return array if rows is None else array[rows]


def write_gguf(path: Path, metadata: Mapping[str, Any], tensors: Mapping[str, Given]) -> Path:
    """A GGUF file; a tensor that comes with its type is in that type's bytes already."""
    writer = gguf.GGUFWriter(path, metadata["general.architecture"])
    for key, value in metadata.items():
        if key != "general.architecture":
            _ADD[type(value)](writer, key, value)
    for name, given in tensors.items():
        if isinstance(given, tuple):
            writer.add_tensor(name, given[0], raw_dtype=given[1])
        else:
            writer.add_tensor(name, given)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def packed(array: np.ndarray, kind: Kind) -> Given:
    """A tensor in this type, as `write_gguf` takes it."""
    return array if kind == Kind.F32 else (gguf.quantize(array, kind), kind)


_ADD: dict[type, Any] = {
    int: gguf.GGUFWriter.add_uint32,
    float: gguf.GGUFWriter.add_float32,
    str: gguf.GGUFWriter.add_string,
    bool: gguf.GGUFWriter.add_bool,
    list: gguf.GGUFWriter.add_array,
}
