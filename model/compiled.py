"""The folder of compiled programs, freed of entries that a crash or a full disk cut short.

The array library writes them in place and never repairs them: a damaged entry would be compiled anew, with a
warning, at every start.  They are compressed with a checksum, so a look tells.
"""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from pathlib import Path

_ZLIB = b"\x78"  # first byte of a stream; entries compressed otherwise carry no checksum that we could read
_LOOKED = ".looked-through"  # its time is that of the last look
_SETTLES = 300.0  # seconds in which a system brings what was written to the disk, whatever happens then


def remove_damaged(folder: Path) -> None:
    """Delete the entries that are not whole; one that was when it had long been written is not read again."""
    looked = folder / _LOOKED
    try:
        since = looked.stat().st_mtime - _SETTLES
    except OSError:
        since = float("-inf")
    found = False
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if not entry.name.endswith("-cache") or entry.stat().st_ctime < since:
                    continue
                found = True
                path = Path(entry.path)
                if not _is_whole(path.read_bytes()):
                    path.unlink(missing_ok=True)
    if found:
        with suppress(OSError):
            looked.touch()


def _is_whole(data: bytes) -> bool:
    if data[:1] != _ZLIB:
        return bool(data.strip(b"\0"))
    try:
        zlib.decompress(data)
    except zlib.error:
        return False
    return True
