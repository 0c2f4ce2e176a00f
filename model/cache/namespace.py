"""A name for all that a model's numbers depend on beside the prompt.

Where anything in it differs nothing that was kept is found: the file of weights, how they are held and
multiplied, the code, the array library and the machine.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from model import version

_LOOKS = 256  # places of a file that are looked at
_LOOK = 4096  # bytes at each


def namespace(files: Iterable[Path], *ways: object) -> str:
    """The name.

    Args:
        files: what holds the model: files, or folders of safetensors.
        ways: how it is computed; what has the same `repr` is the same.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    for each in files:
        for file in sorted(each.glob("*.safetensors*")) if each.is_dir() else [each]:
            digest.update(_contents(file))
    for way in (*ways, version.code(), version.machine()):
        digest.update(repr(way).encode() + b"\0")
    return digest.hexdigest()


def _contents(path: Path) -> bytes:
    """What tells a file from others without reading all of it: its size, its time, and what stands at many
    places of it.

    Not its name: one that is moved stays what it is.  Whoever changes a file in a place that is not looked
    at, and sets back its time too, means to deceive.
    """
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb", buffering=0) as file:
        stat = os.fstat(file.fileno())
        digest.update(f"{stat.st_size} {stat.st_mtime_ns}".encode())
        last = max(stat.st_size - _LOOK, 0)
        for number in range(_LOOKS):
            file.seek(last * number // (_LOOKS - 1))
            digest.update(file.read(_LOOK))
    return digest.digest()
