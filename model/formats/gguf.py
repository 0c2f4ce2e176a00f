"""Reads GGUF: metadata and a table of tensors, over bytes that stay on disk until they are wanted.

The file is mapped, never trusted: every count, length and offset is checked against the file's size
before it is used, so a damaged or hostile file ends in `FormatError` and not in a crash.
Source: docs/gguf.md of ggml, and gguf.cpp of llama.cpp for what real files do.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.errors import FormatError, UnsupportedModelError
from model.formats.ggml import BLOCK, Blocks, GGMLType, ggml_type, unpack

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MAX_DIMS = 4
_MAX_NESTING = 4
_MIN_PAIR = 8 + 4 + 1  # an empty key, the type, one byte of value
_MIN_TENSOR = 8 + 4 + 4 + 8  # an empty name, no dims, the type, the offset


@dataclass(frozen=True)
class TensorInfo:
    """Where a tensor lies and how it is packed.

    shape: numpy order, the contiguous axis last: [out, in] for a matrix.
    offset: bytes from the start of the file.
    """

    name: str
    shape: tuple[int, ...]
    type: GGMLType
    offset: int
    nbytes: int


_Header = tuple[int, dict[str, Any], dict[str, TensorInfo]]

_read_last: tuple[object, _Header] | None = None
"""A file and its header, for who opens it next: first it is described and then loaded, and a vocabulary takes
a tenth of a second to read.  It is taken once: it may be large."""


class GGUFFile:
    """An open GGUF file; a context manager.

    path: where it came from.
    version: 2 or 3.
    metadata: key → int, float, bool, str or a list of them.
    tensors: name → TensorInfo, in the file's order.
    """

    def __init__(
        self,
        path: Path,
        version: int,
        metadata: dict[str, Any],
        tensors: dict[str, TensorInfo],
        data: mmap.mmap,
    ) -> None:
        self.path = path
        self.version = version
        self.metadata = metadata
        self.tensors = tensors
        self._data: NDArray[np.uint8] | None = np.frombuffer(data, np.uint8)

    def raw(self, name: str) -> NDArray[np.uint8]:
        """The packed bytes of a tensor: a read-only uint8 view [nbytes] of the mapped file.

        Raises:
            KeyError: there is no such tensor.
            ValueError: the file was closed.
        """
        info = self.tensors[name]
        if self._data is None:
            raise ValueError(f"{self.path} is closed")
        return self._data[info.offset : info.offset + info.nbytes]

    def read(self, name: str, rows: slice | None = None) -> Blocks | NDArray[np.float32]:
        """A tensor, or a slice of its first axis: its integers, or numbers widened to f32.

        Raises:
            KeyError: there is no such tensor.
            ValueError: the file was closed.
        """
        info, raw, shape = self.tensors[name], self.raw(name), self.tensors[name].shape
        if rows is not None:
            start, stop, _ = rows.indices(shape[0])
            each = info.nbytes // max(shape[0], 1)
            raw, shape = raw[start * each : stop * each], (stop - start, *shape[1:])
        return unpack(raw, info.type, shape)

    def close(self) -> None:
        """Lets the mapping go; the system frees it once the last view of it is gone."""
        self._data = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def open_gguf(path: Path) -> GGUFFile:
    """Maps a GGUF file and reads its header; no tensor is touched.

    Raises:
        FormatError: not GGUF, cut short, or damaged; the message names the file and the place.
        UnsupportedModelError: a version, byte order, tensor type or split file that we do not read.
        OSError: the file cannot be opened.
    """
    global _read_last
    with path.open("rb") as file:
        about = os.fstat(file.fileno())
        if about.st_size < 24:
            raise FormatError(f"{path} is not a GGUF model: it is {about.st_size} bytes long")
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    stamp = path, about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns
    before, _read_last = _read_last, None
    if before is not None and before[0] == stamp:
        return GGUFFile(path, *before[1], data)
    try:
        header = _parse(data)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"{path}: {error}") from None
    except FormatError as error:
        raise FormatError(f"{path}: {error}; download it again") from None
    _read_last = stamp, header
    return GGUFFile(path, *header, data)


def _parse(data: mmap.mmap) -> _Header:
    reader = _Reader(data)
    version = _read_version(data)
    reader.at = 8
    tensor_count = reader.count("tensors", _MIN_TENSOR)
    pair_count = reader.count("metadata entries", _MIN_PAIR)
    metadata: dict[str, Any] = {}
    for _ in range(pair_count):
        key = reader.text("a metadata key")
        if key in metadata:
            raise FormatError(f"the metadata key {key!r} occurs twice")
        metadata[key] = reader.value(reader.scalar("I", key), key)
    parts = metadata.get("split.count", 0)
    if isinstance(parts, int) and parts > 1:
        raise UnsupportedModelError(
            f"this is one of {parts} parts of a split model; join them with `llama-gguf-split --merge`"
        )
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise FormatError(f"general.alignment is {alignment!r}, not a power of two")
    entries = [_read_tensor(reader) for _ in range(tensor_count)]
    start = -(-reader.at // alignment) * alignment
    tensors: dict[str, TensorInfo] = {}
    for name, shape, type, offset in entries:
        if name in tensors:
            raise FormatError(f"the tensor {name!r} occurs twice")
        tensors[name] = _place(name, shape, type, start, offset, alignment, len(data))
    return version, metadata, tensors


def _read_version(data: mmap.mmap) -> int:
    magic = data[:4]
    if magic != b"GGUF":
        if data[:20] == b"version https://git-":
            raise FormatError("this is a git-lfs pointer, not the model itself")
        raise FormatError(f"not a GGUF model: it begins with {bytes(magic)!r}")
    (version,) = struct.unpack_from("<I", data, 4)
    if version & 0xFFFF == 0:
        raise UnsupportedModelError("the file is big-endian; only little-endian GGUF is read")
    if version not in (2, 3):
        raise UnsupportedModelError(
            f"GGUF version {version} is not read (2 and 3 are); convert the model again"
        )
    return version


def _read_tensor(reader: _Reader) -> tuple[str, tuple[int, ...], GGMLType, int]:
    name = reader.text("a tensor name")
    dims = reader.scalar("I", name)
    if dims > _MAX_DIMS:
        raise FormatError(f"tensor {name!r} has {dims} dimensions; at most {_MAX_DIMS} are possible")
    shape = tuple(reader.scalar("Q", name) for _ in range(dims))[::-1]
    number = reader.scalar("I", name)
    offset = reader.scalar("Q", name)
    try:
        return name, shape, ggml_type(number), offset
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"tensor {name!r}: {error}") from None


def _place(
    name: str, shape: tuple[int, ...], type: GGMLType, start: int, offset: int, alignment: int, size: int
) -> TensorInfo:
    elements, block_bytes = BLOCK[type]
    if shape and shape[-1] % elements:
        raise FormatError(
            f"tensor {name!r} has rows of {shape[-1]}, not whole {type.name} blocks of {elements}"
        )
    if not shape and elements > 1:
        raise FormatError(f"tensor {name!r} is a scalar of the block type {type.name}")
    if offset % alignment:
        raise FormatError(f"tensor {name!r} lies at offset {offset}, which is not a multiple of {alignment}")
    nbytes = prod(shape) // elements * block_bytes
    end = start + offset + nbytes
    if end > size:
        raise FormatError(f"cut short: tensor {name!r} ends at byte {end:,}, the file at {size:,}")
    return TensorInfo(name, shape, type, start + offset, nbytes)


class _Reader:
    """A cursor over the header that never reads past the end of the file."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.size = len(data)
        self.at = 0

    def scalar(self, code: str, what: str) -> Any:
        packed = struct.Struct("<" + code)
        self.need(packed.size, what)
        (value,) = packed.unpack_from(self.data, self.at)
        self.at += packed.size
        return value

    def need(self, count: int, what: str) -> None:
        if count > self.size - self.at:
            raise FormatError(
                f"cut short: {what!r} needs {count:,} bytes at byte {self.at:,}, the file has {self.size:,}"
            )

    def count(self, what: str, smallest: int) -> int:
        """A number of things, each of which takes at least `smallest` bytes of what is left."""
        number = self.scalar("Q", what)
        if number > (self.size - self.at) // smallest:
            raise FormatError(f"the header announces {number:,} {what}, more than the file can hold")
        return number

    def text(self, what: str, errors: str = "strict") -> str:
        length = self.scalar("Q", what)
        self.need(length, what)
        encoded = self.data[self.at : self.at + length]
        self.at += length
        try:
            return encoded.decode("utf-8", errors)
        except UnicodeDecodeError:
            raise FormatError(f"{what} before byte {self.at:,} is not UTF-8: {encoded[:40]!r}") from None

    def value(self, kind: int, key: str, depth: int = 0) -> Any:
        if kind == _STRING:
            return self.text(key, "replace")  # a broken author's name is no reason to refuse the model
        if kind == _ARRAY:
            return self.array(key, depth)
        if kind not in _SCALARS:
            raise FormatError(f"the metadata key {key!r} has the unknown value type {kind}")
        return self.scalar(_SCALARS[kind], key)

    def array(self, key: str, depth: int) -> list[Any]:
        kind = self.scalar("I", key)
        if kind == _STRING:
            return self.strings(self.count(f"strings in {key!r}", 8), key)
        if kind == _ARRAY:
            if depth >= _MAX_NESTING:
                raise FormatError(f"the metadata key {key!r} nests arrays too deeply")
            return [self.array(key, depth + 1) for _ in range(self.count(f"arrays in {key!r}", 12))]
        if kind not in _SCALARS:
            raise FormatError(f"the metadata key {key!r} is an array of the unknown type {kind}")
        dtype = np.dtype("<" + _SCALARS[kind])
        number = self.count(f"values in {key!r}", dtype.itemsize)
        values = np.frombuffer(self.data, dtype, number, self.at).tolist()
        self.at += number * dtype.itemsize
        return values

    def strings(self, number: int, key: str) -> list[str]:
        """Vocabularies and merges: up to a million short strings, so the loop is kept bare."""
        data, at, size = self.data, self.at, self.size
        unpack = struct.Struct("<Q").unpack_from
        texts: list[str] = []
        append = texts.append
        try:
            for _ in range(number):
                begin = at + 8
                at = begin + unpack(data, at)[0]
                if at > size:
                    break
                append(data[begin:at].decode())
        except UnicodeDecodeError:
            raise FormatError(f"string {len(texts):,} of {key!r} is not UTF-8") from None
        except struct.error:
            at = size + 1
        if at > size:
            raise FormatError(
                f"cut short: the file ends within string {len(texts):,} of {number:,} in {key!r}"
            )
        self.at = at
        return texts
