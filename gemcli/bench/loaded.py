"""A model in this process, as ``gemcli ask`` loads it, for what is measured inside of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gemcli.errors import DoesNotFitError
from gemcli.events import Event, Progress

if TYPE_CHECKING:
    from model.card import ModelCard
    from model.load import Model

EDGE = 1 << 20  # bytes at each end of a file that tell it from others


def check_window(name: str, window: int, tokens: int, hint: str) -> None:
    """Raise DoesNotFitError where more tokens are asked for than a model takes."""
    if tokens > window:
        raise DoesNotFitError(f"{tokens:,} tokens are asked for, and {name} takes {window:,}", hint)


def get_ready(name: str, card: ModelCard, tokens: int, device: str, show: Callable[[Event], None]) -> Model:
    """Load a model with room for so many tokens.

    Raises:
        OutOfMemoryError: there is no room.
        ModelError: the file is damaged, or the device not there.
    """
    from gemcli.hub.room import check_room
    from gemcli.settings import cache_dir, make_private
    from model.load import load, prepare

    prepare(make_private(cache_dir() / "compiled"), device)
    check_room(name, card, tokens)
    show(Progress("load", 0, None, "weights", name))
    return load(
        card,
        context=max(tokens, card.window),
        copies=make_private(cache_dir() / "weights"),
        progress=lambda done, total: show(Progress("load", done, total, "weights", name)),
    )


def identity(path: Path) -> list[object]:
    """What tells a model file from others without reading gigabytes: its size, and both of its ends."""
    import hashlib

    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    digest, size = hashlib.sha256(), 0
    for each in files:
        with each.open("rb") as file:
            digest.update(file.read(EDGE))
            size += file.seek(0, 2)
            file.seek(-min(EDGE, file.tell()), 2)
            digest.update(file.read())
    return [size, digest.hexdigest()]
