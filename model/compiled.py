"""The folder of compiled programs, freed of entries that a crash or a full disk cut short.

The array library writes them in place and never repairs them: a damaged entry would be compiled anew, with a
warning, at every start.  They are compressed with a checksum, so a look tells.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from pathlib import Path

_ZLIB = b"\x78"  # first byte of a stream; entries compressed otherwise carry no checksum that we could read


def remove_damaged(folder: Path) -> None:
    """Delete the entries that are not whole."""
    for entry in folder.glob("*-cache"):
        with suppress(OSError):
            if not _is_whole(entry.read_bytes()):
                entry.unlink(missing_ok=True)


def _is_whole(data: bytes) -> bool:
    if data[:1] != _ZLIB:
        return bool(data.strip(b"\0"))
    try:
        zlib.decompress(data)
    except zlib.error:
        return False
    return True
