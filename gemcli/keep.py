"""What was made from a file at some cost, kept on disk by content: parsed text, OCR, transcripts, notes.

An entry is a JSON value under a key that says all that it depends on, the code's version of it included; so
nothing is ever out of date, and the folder can be deleted at any time.  Losing an entry, or not being able
to write one, costs only time.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemcli.settings import cache_dir, make_private


@dataclass(frozen=True, slots=True)
class Keep:
    """One kind of entries.

    Attributes:
        kind: the folder's name: ``parsed``, ``ocr``, ``speech``, ``notes``.
        on: False reads nothing and writes nothing (``--no-cache``, ``--private``).
    """

    kind: str
    on: bool = True

    def get(self, *key: object) -> Any:
        """The value kept under a key of JSON values, or None."""
        if not self.on:
            return None
        path = self._path(key)
        try:
            value = json.loads(gzip.decompress(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError, zlib.error):  # damaged: made again
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)  # for whoever removes what was not used for long
        return value

    def put(self, value: Any, *key: object) -> None:
        """Keep a JSON value; whole or not at all, whoever else writes it."""
        if not self.on:
            return
        with suppress(Exception):
            path = self._path(key)
            make_private(path.parent)
            draft = path.with_name(f"{path.name}.{os.getpid()}.part")
            try:
                draft.write_bytes(gzip.compress(json.dumps(value).encode(), 1, mtime=0))
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)

    def _path(self, key: tuple[object, ...]) -> Path:
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        return cache_dir() / "documents" / self.kind / f"{name}.json.gz"
