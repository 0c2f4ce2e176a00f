"""Files of JSON lines that are only appended to: what a kill has torn is the last line, without its break."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

_BLOCK = 1 << 20


def lines(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Every line with its break, and where it begins; a last one without a break is torn."""
    file.seek(0)
    rest, at = b"", 0
    while block := file.read(_BLOCK):
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line + b"\n", at
            at += len(line) + 1
    if rest:
        yield rest, at


def encode(record: Mapping[str, Any]) -> bytes:
    """A record as its line."""
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def append(file: BinaryIO, record: Mapping[str, Any]) -> None:
    """Write a record behind the others, with one call where the system takes it whole.

    Args:
        file: open to be appended to, and not buffered.
        record: what JSON can hold.

    Raises:
        OSError: it cannot be written.
    """
    line = encode(record)
    written = os.write(file.fileno(), line)
    while written < len(line):  # a disk that is nearly full
        written += os.write(file.fileno(), line[written:])
