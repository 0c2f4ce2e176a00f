"""What a model is, read from its files once: conversations and servers ask the same one again and again.

Reading a vocabulary takes a good part of a second, and a small model answers in less.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.load import ModelCard

Stamp = tuple[tuple[str, int, int], ...]
"""Name, bytes and time in nanoseconds of each of some files."""


def card_of(path: Path) -> ModelCard:
    """As `model.card.describe`, which is only called where a file of the model's folder has changed."""
    from model.load import describe

    try:
        found = stamp(path)
    except OSError:  # `describe` says what is wrong
        return describe(path)
    return _read(describe, path, found)


@lru_cache(maxsize=4)
def _read(describe: Callable[[Path], ModelCard], path: Path, found: Stamp) -> ModelCard:
    return describe(path)


def stamp(path: Path) -> Stamp:
    """What a model's files are, and all beside them: sight and hearing may lie in others.

    Raises:
        OSError: they cannot be looked at.
    """
    folder = path if path.is_dir() else path.parent
    found = [(each.name, each.stat()) for each in folder.iterdir() if each.is_file()]
    return tuple(sorted((name, about.st_size, about.st_mtime_ns) for name, about in found))
