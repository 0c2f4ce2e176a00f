"""A file of arrays that says of itself whether it is whole: a header with checksums, then the numbers.

Written beside its place and renamed into it, so that whoever stops in the middle leaves nothing that looks
finished.  What a power failure may still damage behind the rename, the checksums tell: nothing is waited for.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_MAGIC = b"gemcli-kv1\n\0"
_FRONT = struct.Struct("<II")  # bytes of the header, and its checksum
_ALIGN = 64  # what the array library wants to use memory as it is
_LONGEST_HEADER = 1 << 16

DRAFT = ".part"


class DamagedError(Exception):
    """A file is not what was written, or not what was looked for."""


def write(path: Path, about: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> int:
    """Write a file, whole or not at all; returns its bytes.

    Args:
        path: where; its folder exists.
        about: what it is, JSON values.
        arrays: contiguous.

    Raises:
        OSError: it cannot be written.
    """
    import numpy as np

    flat = [np.ascontiguousarray(each).reshape(-1).view(np.uint8) for each in arrays]
    parts = [each.data for each in flat]
    table = [
        [list(each.shape), str(each.dtype), zlib.crc32(part)]
        for each, part in zip(arrays, parts, strict=True)
    ]
    text = json.dumps({**about, "arrays": table}).encode()
    head = _MAGIC + _FRONT.pack(len(text), zlib.crc32(text)) + text
    draft = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}{DRAFT}")
    at = _aligned(len(head))
    try:
        with open(draft, "xb", buffering=0, opener=_private) as file:
            _all(file, head + bytes(at - len(head)))
            for part in parts:
                _all(file, part)
                gap = _aligned(len(part)) - len(part)
                if gap:
                    _all(file, bytes(gap))
                at += len(part) + gap
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    return at


def read(
    path: Path,
    name: str,
    wanted: Sequence[tuple[tuple[int, ...], str]] | None = None,
    into: Sequence[np.ndarray] | None = None,
) -> Sequence[np.ndarray]:
    """The arrays of a file, checked.

    Args:
        path: where.
        name: what it must say that it is.
        wanted: shape and type that each array must have; None: any.
        into: arrays of these shapes, contiguous but for their first axes, that are filled and returned; zeros
            where it fails.

    Raises:
        DamagedError: it is not what was written there.
        FileNotFoundError: it is gone.
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        about, start = _header(file.read(_LONGEST_HEADER))
        if about.get("name") != name:
            raise DamagedError("it is of something else")
        table = _table(about)
        if wanted is not None and [(shape, str(kind)) for shape, kind, _ in table] != list(wanted):
            raise DamagedError("its arrays are of another shape")
        size = start + sum(_aligned(prod(shape) * kind.itemsize) for shape, kind, _ in table)
        # Before there is room made for it: it may have become of any size.
        if os.fstat(file.fileno()).st_size != size:
            raise DamagedError("it is not as long as it was")
        arrays = _room(table) if into is None else into
        try:
            for array, (_, _, checksum) in zip(arrays, table, strict=True):
                file.seek(start)
                if _fill(file, array) != checksum:
                    raise DamagedError("its numbers are not those that were written")
                start += _aligned(array.nbytes)
        except BaseException:
            for array in into or ():
                array[...] = 0
            raise
    return arrays


def _table(about: Mapping[str, Any]) -> list[tuple[tuple[int, ...], np.dtype, int]]:
    """Shape, type and checksum of each array."""
    import numpy as np

    try:
        table = [
            (tuple(map(int, shape)), np.dtype(dtype), int(checksum))
            for shape, dtype, checksum in about["arrays"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError("its header makes no sense") from error
    if any(kind.hasobject or min(shape, default=0) < 0 for shape, kind, _ in table):
        raise DamagedError("its header makes no sense")
    return table


def _room(table: Sequence[tuple[tuple[int, ...], np.dtype, int]]) -> list[np.ndarray]:
    """Room for arrays, each where the array library can use it as it is."""
    import numpy as np

    sizes = [prod(shape) * kind.itemsize for shape, kind, _ in table]
    room = np.empty(sum(map(_aligned, sizes)) + _ALIGN, np.uint8)
    rest, arrays = room[-room.ctypes.data % _ALIGN :], []
    for (shape, kind, _), size in zip(table, sizes, strict=True):
        arrays.append(rest[:size].view(kind).reshape(shape))
        rest = rest[_aligned(size) :]
    return arrays


def _fill(file: Any, array: np.ndarray) -> int:
    """Read an array's bytes; returns their checksum.

    Raises:
        DamagedError: there are fewer.
    """
    checksum = 0
    for part in _runs(array):
        whole = left = part.view("u1").data
        while left:
            count = file.readinto(left)
            if not count:
                raise DamagedError("it is cut short")
            left = left[count:]
        checksum = zlib.crc32(whole, checksum)
    return checksum


def _runs(array: np.ndarray) -> Iterator[np.ndarray]:
    """The parts of an array that are contiguous, in order, as few as there are."""
    if array.flags.c_contiguous:
        yield array.reshape(-1)
    else:
        for each in array:
            yield from _runs(each)


def describe(path: Path) -> dict[str, Any]:
    """What a file says that it is, without its arrays.

    Raises:
        DamagedError: it is no such file.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return _header(file.read(_LONGEST_HEADER))[0]


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    front = len(_MAGIC) + _FRONT.size
    if data[: len(_MAGIC)] != _MAGIC or len(data) < front:
        raise DamagedError("it is no file of ours")
    length, checksum = _FRONT.unpack(data[len(_MAGIC) : front])
    text = data[front : front + length]
    if len(text) != length or zlib.crc32(text) != checksum:
        raise DamagedError("its header is damaged")
    try:
        about = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedError("its header makes no sense") from error
    if not isinstance(about, dict):
        raise DamagedError("its header makes no sense")
    return about, _aligned(front + length)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)


def _all(file: Any, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGN) * _ALIGN
