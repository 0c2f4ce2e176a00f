"""What was made from a file at some cost, kept on disk by content: parsed text, OCR, transcripts, notes.

An entry is a JSON value under a key that says all that it depends on, the code's version of it included; so
nothing is ever out of date, and the folder can be deleted at any time.  It says itself which key it is of:
a file that came to its name in another way is damaged.  Losing an entry, or not being able to write one,
costs only time.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import secrets
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
            name, value = json.loads(gzip.decompress(path.read_bytes()))
            if name != _digest(key):
                raise ValueError("it is of something else")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, EOFError, RecursionError, zlib.error):  # damaged: made again
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
            draft = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
            try:
                with open(draft, "xb", opener=_private) as file:
                    file.write(gzip.compress(json.dumps([_digest(key), value]).encode(), 1, mtime=0))
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)

    def _path(self, key: tuple[object, ...]) -> Path:
        return cache_dir() / "documents" / self.kind / f"{_digest(key)}.json.gz"


def _digest(key: tuple[object, ...]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
