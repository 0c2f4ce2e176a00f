"""Reads safetensors: one file or a folder of several with their index, mapped and never trusted.

Only headers are read until a tensor is wanted, and a tensor may be read in slices, so that a checkpoint
larger than memory can be described, and quantized piece by piece.
Source: README.md of huggingface/safetensors ("Format"), and the sharding index of transformers.
"""

from __future__ import annotations

import json
import mmap
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.errors import FormatError, UnsupportedModelError

INDEX = "model.safetensors.index.json"

_LONGEST_HEADER = 100_000_000  # bytes; the format's own limit
_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8, "C64": 8,
}  # fmt: skip
_READABLE = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8"}
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where a tensor lies and what it holds.

    Attributes:
        name: in the file.
        shape: numpy order.
        dtype: the format's name for its type, ``BF16`` for instance.
        file: which of the folder's files it is in.
        offset: bytes from the start of that file.
        nbytes: its size.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    file: int
    offset: int
    nbytes: int


class SafetensorsFolder:
    """Open safetensors; a context manager.

    Attributes:
        path: the folder, or the one file.
        files: the files in it.
        tensors: name → `TensorInfo`, of all files.
    """

    def __init__(
        self, path: Path, files: tuple[Path, ...], tensors: dict[str, TensorInfo], data: list[mmap.mmap]
    ) -> None:
        self.path = path
        self.files = files
        self.tensors = tensors
        self._maps = data
        self._data: list[NDArray[np.uint8]] = [np.frombuffer(each, np.uint8) for each in data]

    def read(self, name: str, rows: slice | None = None) -> NDArray[np.float32]:
        """A tensor, or a slice of its first axis, widened to f32 (from F64 rounded).

        Raises:
            KeyError: there is no such tensor.
            UnsupportedModelError: it holds no floating-point numbers.
        """
        info = self.tensors[name]
        if info.dtype not in _READABLE:
            raise UnsupportedModelError(
                f"tensor {name!r} is of the type {info.dtype}, which holds no weights"
            )
        raw = self._data[info.file][info.offset : info.offset + info.nbytes]
        stored = raw.view(_READABLE[info.dtype]).reshape(info.shape)
        if rows is not None:
            stored = stored[rows]
        if info.dtype != "BF16":
            wide = stored.astype(np.float32)
        else:
            bits = stored.astype(np.uint32)
            bits <<= 16
            wide = bits.view(np.float32)
        self._forget(info, rows)
        return wide

    def _forget(self, info: TensorInfo, rows: slice | None) -> None:
        """Lets go of the pages just read: each is read once, and they count as memory of the process."""
        if not hasattr(mmap, "MADV_DONTNEED"):
            return
        begin, end = 0, info.nbytes
        if rows is not None and info.shape:
            each = info.nbytes // max(info.shape[0], 1)
            start, stop, _ = rows.indices(info.shape[0])
            begin, end = start * each, stop * each
        begin = (info.offset + begin) // mmap.PAGESIZE * mmap.PAGESIZE
        end = info.offset + end
        if end - begin > mmap.PAGESIZE:
            self._maps[info.file].madvise(mmap.MADV_DONTNEED, begin, end - begin)

    def close(self) -> None:
        """Lets the mappings go; the system frees them once the last view is gone."""
        self._data, self._maps = [], []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def open_safetensors(path: Path) -> SafetensorsFolder:
    """Maps a ``.safetensors`` file, or a folder's, and reads the headers; no tensor is touched.

    Args:
        path: the file, or a folder with ``model.safetensors.index.json`` or ``.safetensors`` files.

    Raises:
        FormatError: damaged, cut short or incomplete; the message names the file and the place.
        UnsupportedModelError: the folder holds its weights as pickles, which can run code and are not read.
        OSError: a file cannot be opened.
    """
    files = (path,) if path.is_file() else _files(path)
    tensors: dict[str, TensorInfo] = {}
    data = []
    for number, file in enumerate(files):
        mapped = _map(file)
        data.append(mapped)
        try:
            found = _header(mapped, number)
        except FormatError as error:
            raise FormatError(f"{file}: {error}; download it again") from None
        for info in found:
            if info.name in tensors:
                raise FormatError(f"{path}: the tensor {info.name!r} is in two files")
            tensors[info.name] = info
    return SafetensorsFolder(path, files, tensors, data)


def _files(folder: Path) -> tuple[Path, ...]:
    index = folder / INDEX
    if index.is_file():
        try:
            names = json.loads(index.read_bytes())["weight_map"]
            listed = sorted({str(name) for name in names.values()})
        except (ValueError, KeyError, AttributeError, TypeError):
            raise FormatError(f"{index} is not an index of safetensors; download it again") from None
        if not listed:
            raise FormatError(f"{index} names no file; download it again")
        if any(Path(name).name != name for name in listed):
            raise FormatError(f"{index} names a file outside its folder")
        if missing := [name for name in listed if not (folder / name).is_file()]:
            raise FormatError(
                f"{folder}: {len(missing)} of {len(listed)} files are missing: {', '.join(missing[:5])}"
            )
        return tuple(folder / name for name in listed)
    found = tuple(sorted(folder.glob("*.safetensors")))
    if found:
        return found
    if any(each for pattern in _PICKLES for each in folder.glob(pattern)):
        raise UnsupportedModelError(
            f"{folder} holds its weights as pickle files, which can run code when they are read; "
            "use a safetensors or GGUF version of the model"
        )
    raise FormatError(f"{folder} holds no safetensors file")


def _map(file: Path) -> mmap.mmap:
    with file.open("rb") as opened:
        size = opened.seek(0, 2)
        if size < 10:
            raise FormatError(f"{file} is not a safetensors file: it is {size} bytes long")
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)


def _header(data: mmap.mmap, number: int) -> list[TensorInfo]:
    (length,) = struct.unpack_from("<Q", data, 0)
    if data[:20] == b"version https://git-":
        raise FormatError("this is a git-lfs pointer, not the model itself")
    if data[8:9] != b"{" or length > _LONGEST_HEADER:
        raise FormatError("not a safetensors file")
    if 8 + length > len(data):
        raise FormatError(f"cut short: the header ends at byte {8 + length:,}, the file at {len(data):,}")
    try:
        entries = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError):
        raise FormatError("the header is damaged") from None
    if not isinstance(entries, dict):
        raise FormatError("the header is damaged")
    entries.pop("__metadata__", None)
    return [_entry(name, entry, number, 8 + length, len(data)) for name, entry in entries.items()]


def _entry(name: str, entry: Any, number: int, start: int, size: int) -> TensorInfo:
    try:
        dtype, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    except (KeyError, TypeError, ValueError):
        raise FormatError(f"the header's entry {name!r} is damaged") from None
    numbers = (*shape, begin, end)
    if not all(isinstance(each, int) and not isinstance(each, bool) and each >= 0 for each in numbers):
        raise FormatError(f"the header's entry {name!r} is damaged")
    if dtype not in _BYTES:
        raise FormatError(f"tensor {name!r} is of the unknown type {dtype!r}")
    if end - begin != prod(shape) * _BYTES[dtype]:
        raise FormatError(f"tensor {name!r} takes {end - begin:,} bytes, which is not its shape's")
    if start + end > size:
        raise FormatError(f"cut short: tensor {name!r} ends at byte {start + end:,}, the file at {size:,}")
    return TensorInfo(name, shape, dtype, number, start + begin, end - begin)
